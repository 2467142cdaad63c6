//! Checking a value: every step is paid for, so that no schema takes more than its share of time, whatever the value.

use super::{Misfit, Node, NodeId, Rule, Schema, pattern::Pattern, value};
use serde_json::{Map, Value};
use std::{cmp::Ordering, collections::BTreeSet, fmt::Write as _};

/// Most steps of one check: a few hundredths of a second.
const MAX_STEPS: u64 = 1_000_000;
/// Deepest nesting of subschemas that are being checked.
const MAX_DEPTH: usize = 256;
/// Most broken rules that are told.
const MAX_FAILURES: usize = 5;
/// Most names that one of them lists.
const MAX_NAMES: usize = 5;
/// How much is shown of a name.
const MAX_NAME_CHARS: usize = 64;
/// How much is shown of a place.
const MAX_PLACE_CHARS: usize = 200;
/// Characters that are read in one step.
const CHARS_PER_STEP: usize = 32;

/// The steps, or the depth, are used up.
#[derive(Debug)]
pub(super) struct Exhausted;

/// The steps that are left.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Fuel {
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.0 = self.0.checked_sub(steps as u64).ok_or(Exhausted)?;
        Ok(())
    }

    /// Reads a text of this many bytes.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spend(1 + bytes / CHARS_PER_STEP)
    }
}

/// Checks a value against a schema.
///
/// # Errors
/// See `Misfit`.
pub(super) fn check(schema: &Schema, value: &Value) -> Result<(), Misfit> {
    let mut check = Check {
        nodes: &schema.nodes,
        fuel: Fuel(MAX_STEPS),
        depth: 0,
        quiet: 0,
        place: Vec::new(),
        failures: Vec::new(),
    };
    match check.node(0, value, None) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Misfit::Rules(check.failures)),
        Err(Exhausted) => Err(Misfit::TooMuchWork),
    }
}

type Fits = Result<bool, Exhausted>;

/// One step deeper into the value.
#[derive(Clone, Copy)]
enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

/// Which parts of one value some subschema has looked at (2020-12, section 11).
#[derive(Default)]
struct Seen<'v> {
    every_property: bool,
    properties: BTreeSet<&'v str>,
    every_item: bool,
    /// The first so many.
    items: usize,
    /// Others, found by `contains`.
    found: BTreeSet<usize>,
}

impl<'v> Seen<'v> {
    fn merge(&mut self, other: Seen<'v>, fuel: &mut Fuel) -> Result<(), Exhausted> {
        fuel.spend(other.properties.len() + other.found.len())?;
        self.every_property |= other.every_property;
        self.every_item |= other.every_item;
        self.items = self.items.max(other.items);
        self.properties.extend(other.properties);
        self.found.extend(other.found);
        Ok(())
    }
}

struct Check<'s, 'v> {
    nodes: &'s [Node],
    fuel: Fuel,
    depth: usize,
    /// Inside of how many subschemas whose failure is no mistake yet.
    quiet: usize,
    place: Vec<Step<'v>>,
    failures: Vec<String>,
}

impl<'s, 'v> Check<'s, 'v> {
    /// Whether a value fits a subschema. What has been looked at is added to `seen` when it does.
    fn node(&mut self, id: NodeId, value: &'v Value, seen: Option<&mut Seen<'v>>) -> Fits {
        let nodes: &'s [Node] = self.nodes;
        self.fuel.spend(1)?;
        let rules = match nodes.get(id as usize) {
            Some(Node::Any) => return Ok(true),
            Some(Node::Never) => return Ok(self.fail("false", "nothing may stand here")),
            Some(Node::Rules(rules)) => rules,
            // A compiled schema has every node that it names.
            None => return Err(Exhausted),
        };
        if self.depth >= MAX_DEPTH {
            return Err(Exhausted);
        }
        self.depth += 1;
        let mut own = (rules.tracks || seen.is_some()).then(Seen::default);
        let mut fits = true;
        for rule in &rules.rules {
            self.fuel.spend(1)?;
            // What was not looked at because of a mistake is no second mistake.
            if !fits && matches!(rule, Rule::UnevaluatedItems(_) | Rule::UnevaluatedProperties(_)) {
                break;
            }
            fits &= self.rule(rule, value, own.as_mut())?;
            if !fits && (self.quiet > 0 || self.failures.len() >= MAX_FAILURES) {
                break;
            }
        }
        self.depth -= 1;
        if let (true, Some(seen), Some(own)) = (fits, seen, own) {
            seen.merge(own, &mut self.fuel)?;
        }
        Ok(fits)
    }

    fn rule(&mut self, rule: &'s Rule, value: &'v Value, seen: Option<&mut Seen<'v>>) -> Fits {
        match rule {
            Rule::Reference(_)
            | Rule::AllOf(_)
            | Rule::AnyOf(_)
            | Rule::OneOf(_)
            | Rule::Not(_)
            | Rule::If { .. }
            | Rule::DependentSchemas(_) => self.in_place(rule, value, seen),
            Rule::DependentRequired(_)
            | Rule::Properties { .. }
            | Rule::PropertyNames(_)
            | Rule::Required(_)
            | Rule::UnevaluatedProperties(_) => match value {
                Value::Object(members) => self.object(rule, members, seen),
                _ => Ok(true),
            },
            Rule::Items { .. } | Rule::Contains { .. } | Rule::UniqueItems | Rule::UnevaluatedItems(_) => {
                match value {
                    Value::Array(items) => self.array(rule, items, seen),
                    _ => Ok(true),
                }
            }
            Rule::Type(_)
            | Rule::Enum { .. }
            | Rule::MultipleOf(_)
            | Rule::Bound { .. }
            | Rule::Count { .. }
            | Rule::Pattern(_) => self.plain(rule, value),
        }
    }

    /// Rules that look at the same value with other subschemas.
    fn in_place(&mut self, rule: &'s Rule, value: &'v Value, mut seen: Option<&mut Seen<'v>>) -> Fits {
        match rule {
            Rule::Reference(to) => self.node(*to, value, seen),
            Rule::AllOf(all) => {
                let mut fits = true;
                for id in all {
                    fits &= self.node(*id, value, seen.as_deref_mut())?;
                    if !fits && self.quiet > 0 {
                        break;
                    }
                }
                Ok(fits)
            }
            Rule::AnyOf(any) => {
                let mut fits = false;
                for id in any {
                    fits |= self.quietly(*id, value, seen.as_deref_mut())?;
                    if fits && seen.is_none() {
                        break;
                    }
                }
                Ok(fits || self.fail("anyOf", "must fit one of the alternatives"))
            }
            Rule::OneOf(one) => {
                let mut fits = 0;
                for id in one {
                    fits += usize::from(self.quietly(*id, value, seen.as_deref_mut())?);
                    if fits > 1 {
                        return Ok(self.fail("oneOf", "must fit only one of the alternatives"));
                    }
                }
                Ok(fits == 1 || self.fail("oneOf", "must fit one of the alternatives"))
            }
            Rule::Not(not) => {
                Ok(!self.quietly(*not, value, None)? || self.fail("not", "is what is excluded"))
            }
            Rule::If { test, then, otherwise } => {
                let branch = if self.quietly(*test, value, seen.as_deref_mut())? { then } else { otherwise };
                branch.map_or(Ok(true), |branch| self.node(branch, value, seen))
            }
            Rule::DependentSchemas(dependent) => {
                let Value::Object(members) = value else { return Ok(true) };
                let mut fits = true;
                for (key, id) in dependent {
                    self.fuel.read(key.len())?;
                    if members.contains_key(key) {
                        fits &= self.node(*id, value, seen.as_deref_mut())?;
                    }
                }
                Ok(fits)
            }
            _ => Ok(true),
        }
    }

    fn object(
        &mut self,
        rule: &'s Rule,
        members: &'v Map<String, Value>,
        seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        match rule {
            Rule::Required(required) => {
                let missing = self.missing(required, members)?;
                Ok(missing.is_empty() || self.fail("required", &format!("lacks {missing}")))
            }
            Rule::DependentRequired(dependent) => {
                for (key, required) in dependent {
                    self.fuel.read(key.len())?;
                    if !members.contains_key(key) {
                        continue;
                    }
                    let missing = self.missing(required, members)?;
                    if !missing.is_empty() {
                        let words = format!("with {} must also have {missing}", shown(key));
                        return Ok(self.fail("dependentRequired", &words));
                    }
                }
                Ok(true)
            }
            Rule::PropertyNames(id) => self.names(*id, members),
            Rule::Properties { named, patterns, rest } => {
                let mut fits = true;
                let mut seen = seen;
                for (key, value) in members {
                    self.fuel.read(key.len())?;
                    let by_name = named.get(key);
                    let mut known = by_name.is_some();
                    if let Some(id) = by_name {
                        fits &= self.below(Step::Key(key), *id, value)?;
                    }
                    for (pattern, id) in patterns {
                        if self.matches(pattern, key)? {
                            known = true;
                            fits &= self.below(Step::Key(key), *id, value)?;
                        }
                    }
                    if let Some(id) = rest.filter(|_| !known) {
                        known = true;
                        fits &= self.other(Step::Key(key), (id, "additionalProperties"), value)?;
                    }
                    if let Some(seen) = seen.as_deref_mut().filter(|_| known) {
                        seen.properties.insert(key);
                    }
                    if !fits && self.done() {
                        break;
                    }
                }
                Ok(fits)
            }
            Rule::UnevaluatedProperties(id) => {
                let Some(seen) = seen else { return Ok(true) };
                let mut fits = true;
                for (key, value) in members {
                    self.fuel.read(key.len())?;
                    if !seen.every_property && !seen.properties.contains(key.as_str()) {
                        fits &= self.other(Step::Key(key), (*id, "unevaluatedProperties"), value)?;
                    }
                }
                seen.every_property = true;
                Ok(fits)
            }
            _ => Ok(true),
        }
    }

    fn array(&mut self, rule: &'s Rule, items: &'v [Value], seen: Option<&mut Seen<'v>>) -> Fits {
        match rule {
            Rule::Items { prefix, rest } => {
                let mut fits = true;
                for (index, item) in items.iter().enumerate() {
                    let Some(id) = prefix.get(index).copied().or(*rest) else { break };
                    self.fuel.spend(1)?;
                    fits &= self.other(Step::Index(index), (id, "items"), item)?;
                    if !fits && self.done() {
                        break;
                    }
                }
                if let Some(seen) = seen {
                    seen.every_item |= rest.is_some();
                    seen.items = seen.items.max(prefix.len());
                }
                Ok(fits)
            }
            Rule::Contains { schema, least, most } => self.contains(*schema, (*least, *most), items, seen),
            Rule::UniqueItems => {
                let mut by_hash = std::collections::BTreeMap::<u64, Vec<&Value>>::new();
                for item in items {
                    let like = by_hash.entry(value::hash(&mut self.fuel, item)?).or_default();
                    for other in &*like {
                        if value::equal(&mut self.fuel, item, other)? {
                            return Ok(self.fail("uniqueItems", "has the same item twice"));
                        }
                    }
                    like.push(item);
                }
                Ok(true)
            }
            Rule::UnevaluatedItems(id) => {
                let Some(seen) = seen else { return Ok(true) };
                let mut fits = true;
                for (index, item) in items.iter().enumerate().skip(seen.items) {
                    self.fuel.spend(1)?;
                    if !seen.every_item && !seen.found.contains(&index) {
                        fits &= self.other(Step::Index(index), (*id, "unevaluatedItems"), item)?;
                    }
                }
                seen.every_item = true;
                Ok(fits)
            }
            _ => Ok(true),
        }
    }

    fn contains(
        &mut self,
        schema: NodeId,
        (least, most): (u64, Option<u64>),
        items: &'v [Value],
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut count = 0;
        for (index, item) in items.iter().enumerate() {
            if self.quietly(schema, item, None)? {
                count += 1;
                if let Some(seen) = seen.as_deref_mut() {
                    seen.found.insert(index);
                }
            }
        }
        if count < least {
            return Ok(self.fail("contains", "has too few items of the kind that it must contain"));
        }
        let too_many = most.is_some_and(|most| count > most);
        Ok(!too_many || self.fail("maxContains", "has too many items of one kind"))
    }

    fn plain(&mut self, rule: &'s Rule, value: &'v Value) -> Fits {
        let failed = match (rule, value) {
            (Rule::Type(kinds), _) if !kinds.allows(value) => Some(("type", format!("must be {kinds}"))),
            (Rule::Enum { values, keyword }, _) => {
                for allowed in values {
                    if value::equal(&mut self.fuel, allowed, value)? {
                        return Ok(true);
                    }
                }
                Some((*keyword, "is not a value that is allowed".to_owned()))
            }
            (Rule::MultipleOf(unit), Value::Number(number)) => {
                let fits = value::Decimal::of(number).is_some_and(|number| number.is_multiple_of(*unit));
                (!fits).then(|| ("multipleOf", "is not a multiple of what it must be".to_owned()))
            }
            (Rule::Bound { keyword, than }, Value::Number(number)) => {
                let order = value::order(number, than);
                let fits = match *keyword {
                    "minimum" => order != Ordering::Less,
                    "maximum" => order != Ordering::Greater,
                    "exclusiveMinimum" => order == Ordering::Greater,
                    _ => order == Ordering::Less,
                };
                let words = if keyword.ends_with("inimum") { "is too small" } else { "is too large" };
                (!fits).then(|| (*keyword, format!("{words}: the bound is {than}")))
            }
            (Rule::Count { keyword, than }, _) => self.count(keyword, *than, value)?,
            (Rule::Pattern(pattern), Value::String(text)) => {
                let fits = self.matches(pattern, text)?;
                (!fits).then(|| ("pattern", "does not match the pattern".to_owned()))
            }
            _ => None,
        };
        Ok(failed.is_none_or(|(keyword, words)| self.fail(keyword, &words)))
    }

    /// Lengths of strings, arrays and objects.
    fn count(
        &mut self,
        keyword: &'static str,
        than: u64,
        value: &'v Value,
    ) -> Result<Option<(&'static str, String)>, Exhausted> {
        let count = match (value, keyword) {
            (Value::String(text), "minLength" | "maxLength") => {
                self.fuel.read(text.len())?;
                text.chars().count()
            }
            (Value::Array(items), "minItems" | "maxItems") => items.len(),
            (Value::Object(members), "minProperties" | "maxProperties") => members.len(),
            _ => return Ok(None),
        };
        let least = keyword.starts_with("min");
        let fits = if least { count as u64 >= than } else { count as u64 <= than };
        let words = if least { "is too short" } else { "is too long" };
        Ok((!fits).then(|| (keyword, format!("{words}: the bound is {than}"))))
    }

    /// The names of an object that are not there, or nothing.
    fn missing(
        &mut self,
        required: &'s [String],
        members: &'v Map<String, Value>,
    ) -> Result<String, Exhausted> {
        let mut missing = Vec::new();
        for key in required {
            self.fuel.read(key.len())?;
            if !members.contains_key(key) {
                missing.push(shown(key));
            }
            if missing.len() == MAX_NAMES {
                break;
            }
        }
        Ok(missing.join(", "))
    }

    /// Names are values of their own, which live no longer than this.
    fn names(&mut self, id: NodeId, members: &'v Map<String, Value>) -> Fits {
        for key in members.keys() {
            self.fuel.read(key.len())?;
            let name = Value::String(key.clone());
            let mut check = Check {
                nodes: self.nodes,
                fuel: std::mem::replace(&mut self.fuel, Fuel(0)),
                depth: self.depth,
                quiet: 1,
                place: Vec::new(),
                failures: Vec::new(),
            };
            let fits = check.node(id, &name, None);
            self.fuel = check.fuel;
            if !fits? {
                return Ok(self.fail("propertyNames", &format!("may not have the name {}", shown(key))));
            }
        }
        Ok(true)
    }

    fn matches(&mut self, pattern: &Pattern, text: &str) -> Fits {
        self.fuel.read(text.len())?;
        Ok(pattern.matches(text))
    }

    /// Checks without telling what is wrong.
    fn quietly(&mut self, id: NodeId, value: &'v Value, seen: Option<&mut Seen<'v>>) -> Fits {
        self.quiet += 1;
        let fits = self.node(id, value, seen);
        self.quiet -= 1;
        fits
    }

    /// Checks a value inside of this one.
    fn below(&mut self, step: Step<'v>, id: NodeId, value: &'v Value) -> Fits {
        self.place.push(step);
        let fits = self.node(id, value, None);
        self.place.pop();
        fits
    }

    /// The same, for what no other keyword names: where nothing more may be, that is said.
    fn other(&mut self, step: Step<'v>, (id, keyword): (NodeId, &'static str), value: &'v Value) -> Fits {
        if !matches!(self.nodes.get(id as usize), Some(Node::Never)) {
            return self.below(step, id, value);
        }
        self.place.push(step);
        let fits = self.fail(keyword, "is not known here");
        self.place.pop();
        Ok(fits)
    }

    /// Whether further mistakes would change nothing.
    fn done(&self) -> bool {
        self.quiet > 0 || self.failures.len() >= MAX_FAILURES
    }

    /// Takes note of a broken rule, and is `false`.
    fn fail(&mut self, keyword: &str, words: &str) -> bool {
        if !self.done() {
            let place = pointer(&self.place);
            self.failures.push(format!("{place} {words} ({keyword})"));
        }
        false
    }
}

/// A JSON pointer (RFC 6901), shortened.
fn pointer(steps: &[Step<'_>]) -> String {
    if steps.is_empty() {
        return "the whole".to_owned();
    }
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                let key: String = key.chars().take(MAX_NAME_CHARS).collect();
                _ = write!(out, "/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => _ = write!(out, "/{index}"),
        }
        if out.len() > MAX_PLACE_CHARS {
            out.push('…');
            break;
        }
    }
    format!("{out:?}")
}

fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(MAX_NAME_CHARS).collect::<String>())
}
