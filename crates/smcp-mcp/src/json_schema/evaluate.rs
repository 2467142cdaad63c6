//! Checking a value: every step is paid for, so that no schema takes more than its share of time, whatever the value.

mod arrays;
mod in_place;
mod objects;
mod told;

use super::{
    Misfit, Node, NodeId, Rule, Schema,
    pattern::Pattern,
    value::{self, Decimal},
};
use serde_json::{Number, Value};
use std::{cmp::Ordering, collections::BTreeSet};

/// Most steps of one check: a hundredth of a second or two, whatever they are.
const MAX_STEPS: u64 = 250_000;
/// Deepest nesting of subschemas that are being checked.
const MAX_DEPTH: usize = 256;
/// Most broken rules that are told.
const MAX_FAILURES: usize = 5;
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
        let members = value.as_object();
        let items = value.as_array().map(Vec::as_slice);
        match rule {
            Rule::Reference(to) => self.node(*to, value, seen),
            Rule::AllOf(all) => self.all_of(all, value, seen),
            Rule::AnyOf(any) => self.any_of(any, value, seen),
            Rule::OneOf(one) => self.one_of(one, value, seen),
            Rule::Not(not) => {
                Ok(!self.quietly(*not, value, None)? || self.fail("not", "is what is excluded"))
            }
            Rule::If { test, then, otherwise } => self.branch((*test, *then, *otherwise), value, seen),
            Rule::DependentSchemas(dependent) => self.dependent_schemas(dependent, value, seen),
            Rule::DependentRequired(dependent) => on(members, |members| self.dependent(dependent, members)),
            Rule::Properties { named, patterns, rest } => {
                on(members, |members| self.properties((named, patterns, *rest), members, seen))
            }
            Rule::PropertyNames(id) => on(members, |members| self.names(*id, members)),
            Rule::Required(required) => on(members, |members| self.required(required, members)),
            Rule::UnevaluatedProperties(id) => {
                on(members.zip(seen), |(members, seen)| self.other_properties(*id, members, seen))
            }
            Rule::Items { prefix, rest } => on(items, |items| self.items((prefix, *rest), items, seen)),
            Rule::Contains { schema, least, most } => {
                on(items, |items| self.contains(*schema, (*least, *most), items, seen))
            }
            Rule::UniqueItems => on(items, |items| self.unique(items)),
            Rule::UnevaluatedItems(id) => {
                on(items.zip(seen), |(items, seen)| self.other_items(*id, items, seen))
            }
            Rule::Type(kinds) => Ok(kinds.allows(value) || self.fail("type", &format!("must be {kinds}"))),
            Rule::Enum { values, keyword } => self.one_of_values(values, keyword, value),
            Rule::MultipleOf(unit) => on(value.as_number(), |number| {
                // Division of long decimals.
                self.fuel.spend(10)?;
                let fits = Decimal::of(number).is_some_and(|number| number.is_multiple_of(*unit));
                Ok(fits || self.fail("multipleOf", "is not a multiple of what it must be"))
            }),
            Rule::Bound { keyword, than } => {
                on(value.as_number(), |number| Ok(self.bound(keyword, than, number)))
            }
            Rule::Count { keyword, than } => self.count(keyword, *than, value),
            Rule::Pattern(pattern) => on(value.as_str(), |text| {
                Ok(self.matches(pattern, text)? || self.fail("pattern", "does not match the pattern"))
            }),
        }
    }

    fn one_of_values(&mut self, values: &'s [Value], keyword: &str, value: &'v Value) -> Fits {
        for allowed in values {
            if value::equal(&mut self.fuel, allowed, value)? {
                return Ok(true);
            }
        }
        Ok(self.fail(keyword, "is not a value that is allowed"))
    }

    fn bound(&mut self, keyword: &str, than: &Number, number: &Number) -> bool {
        let order = value::order(number, than);
        let fits = match keyword {
            "minimum" => order != Ordering::Less,
            "maximum" => order != Ordering::Greater,
            "exclusiveMinimum" => order == Ordering::Greater,
            _ => order == Ordering::Less,
        };
        let words = if keyword.ends_with("inimum") { "is too small" } else { "is too large" };
        fits || self.fail(keyword, &format!("{words}: the bound is {than}"))
    }

    /// Lengths of strings, arrays and objects.
    fn count(&mut self, keyword: &'static str, than: u64, value: &'v Value) -> Fits {
        let count = match (value, keyword) {
            (Value::String(text), "minLength" | "maxLength") => {
                self.fuel.read(text.len())?;
                text.chars().count()
            }
            (Value::Array(items), "minItems" | "maxItems") => items.len(),
            (Value::Object(members), "minProperties" | "maxProperties") => members.len(),
            _ => return Ok(true),
        };
        let least = keyword.starts_with("min");
        let fits = if least { count as u64 >= than } else { count as u64 <= than };
        let words = if least { "is too short" } else { "is too long" };
        Ok(fits || self.fail(keyword, &format!("{words}: the bound is {than}")))
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
            let place = told::pointer(&self.place);
            self.failures.push(format!("{place} {words} ({keyword})"));
        }
        false
    }
}

/// A rule about one kind of value holds for every other kind.
fn on<T>(value: Option<T>, rule: impl FnOnce(T) -> Fits) -> Fits {
    value.map_or(Ok(true), rule)
}
