//! From the JSON of a schema to its rules: every keyword checked, every reference led to its place, everything counted.

use super::{
    Dialect, Kinds, Node, NodeId, Rule, Rules, Schema, SchemaError, SchemaRoom,
    pattern::Pattern,
    references::{References, Resource},
    value::{self, Decimal},
};
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, HashMap};

/// How much of a place is shown.
const MAX_PLACE_CHARS: usize = 200;

pub(super) fn schema(schema: &Value, room: &mut SchemaRoom) -> Result<Schema, SchemaError> {
    let dialect = dialect(schema)?;
    let references = References::of(schema, dialect);
    let (nodes, known, todo) = (Vec::new(), HashMap::new(), Vec::new());
    let mut compiler = Compiler { dialect, references, room, nodes, known, todo };
    compiler.node(schema, 0, "#".to_owned())?;
    while let Some(next) = compiler.todo.pop() {
        let rules = compiler.rules(&next)?;
        compiler.nodes[next.id as usize] = Node::Rules(rules);
    }
    let nodes = compiler.nodes;
    if is_circular(&nodes) {
        return Err(SchemaError::Circle);
    }
    Ok(Schema { nodes })
}

fn dialect(schema: &Value) -> Result<Dialect, SchemaError> {
    match schema.get("$schema").map(|dialect| dialect.as_str().map(|name| name.trim_end_matches('#'))) {
        None | Some(Some("https://json-schema.org/draft/2020-12/schema")) => Ok(Dialect::Draft2020),
        Some(Some("http://json-schema.org/draft-07/schema" | "https://json-schema.org/draft-07/schema")) => {
            Ok(Dialect::Draft7)
        }
        Some(Some(_) | None) => Err(SchemaError::Dialect),
    }
}

/// A subschema that is still to be read.
struct Next<'s> {
    id: NodeId,
    keywords: &'s Map<String, Value>,
    resource: Resource,
    at: String,
}

struct Compiler<'s, 'r> {
    dialect: Dialect,
    references: References<'s>,
    room: &'r mut SchemaRoom,
    nodes: Vec<Node>,
    /// Subschemas by their address: each is compiled once, however many references lead to it.
    known: HashMap<*const Value, NodeId>,
    /// A list and not a recursion: chains of references may be long.
    todo: Vec<Next<'s>>,
}

impl<'s> Compiler<'s, '_> {
    fn take(&mut self, parts: usize) -> Result<(), SchemaError> {
        self.room.parts = self.room.parts.checked_sub(parts).ok_or(SchemaError::TooLarge)?;
        Ok(())
    }

    fn node(&mut self, schema: &'s Value, resource: Resource, at: String) -> Result<NodeId, SchemaError> {
        let address = std::ptr::from_ref(schema);
        if let Some(known) = self.known.get(&address) {
            return Ok(*known);
        }
        self.take(1)?;
        let id = NodeId::try_from(self.nodes.len()).map_err(|_| SchemaError::TooLarge)?;
        self.known.insert(address, id);
        match schema {
            Value::Bool(true) => self.nodes.push(Node::Any),
            Value::Bool(false) => self.nodes.push(Node::Never),
            Value::Object(keywords) => {
                self.nodes.push(Node::Any);
                let resource = self.references.owner(schema, resource);
                self.todo.push(Next { id, keywords, resource, at });
            }
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let (at, keyword) = at.rsplit_once('/').unwrap_or((&at, "$schema"));
                let rule = "a schema is an object, true or false".to_owned();
                return Err(SchemaError::Keyword { at: at.to_owned(), keyword: keyword.to_owned(), rule });
            }
        }
        Ok(id)
    }

    fn rules(&mut self, next: &Next<'s>) -> Result<Rules, SchemaError> {
        let mut rules = Vec::new();
        if self.dialect == Dialect::Draft7
            && let Some(reference) = next.keywords.get("$ref")
        {
            // What stands beside it means nothing there.
            rules.push(Rule::Reference(self.reference(next, "$ref", reference)?));
            return Ok(Rules { rules, tracks: false });
        }
        for (keyword, value) in next.keywords {
            let mut read = Keyword { compiler: self, next, keyword, value };
            if let Some(rule) = read.rule()? {
                self.take(1)?;
                rules.push(rule);
            }
        }
        rules.extend(self.combined(next)?);
        rules.sort_by_key(order);
        let tracks = rules.iter().any(is_late);
        Ok(Rules { rules, tracks })
    }

    /// Keywords that mean something together.
    fn combined(&mut self, next: &Next<'s>) -> Result<Vec<Rule>, SchemaError> {
        let mut rules = Vec::new();
        let get = |keyword: &str| next.keywords.get_key_value(keyword);
        let (properties, patterns, rest) =
            (get("properties"), get("patternProperties"), get("additionalProperties"));
        if properties.is_some() || patterns.is_some() || rest.is_some() {
            let mut named = BTreeMap::new();
            for (name, id) in self.map(next, properties)? {
                named.insert(name, id);
            }
            let mut compiled = Vec::new();
            for (pattern, id) in self.map(next, patterns)? {
                compiled.push((self.pattern(next, "patternProperties", &pattern)?, id));
            }
            let rest = self.optional(next, rest)?;
            rules.push(Rule::Properties { named, patterns: compiled, rest });
        }
        let (prefix, rest) = match self.dialect {
            Dialect::Draft2020 => (get("prefixItems"), get("items")),
            Dialect::Draft7 if next.keywords.get("items").is_some_and(Value::is_array) => {
                (get("items"), get("additionalItems"))
            }
            Dialect::Draft7 => (None, get("items")),
        };
        if prefix.is_some() || rest.is_some() {
            let prefix = prefix.map_or_else(|| Ok(Vec::new()), |(key, list)| self.list(next, key, list))?;
            rules.push(Rule::Items { prefix, rest: self.optional(next, rest)? });
        }
        if let Some((_, test)) = get("if") {
            let test = self.node(test, next.resource, format!("{}/if", next.at))?;
            let (then, otherwise) = (self.optional(next, get("then"))?, self.optional(next, get("else"))?);
            rules.push(Rule::If { test, then, otherwise });
        }
        if let Some((_, schema)) = get("contains") {
            let schema = self.node(schema, next.resource, format!("{}/contains", next.at))?;
            let bounds = self.dialect == Dialect::Draft2020;
            let mut bound = |keyword: &'static str| match get(keyword).filter(|_| bounds) {
                Some((keyword, value)) => Keyword { compiler: self, next, keyword, value }.count().map(Some),
                None => Ok(None),
            };
            let (least, most) = (bound("minContains")?.unwrap_or(1), bound("maxContains")?);
            rules.push(Rule::Contains { schema, least, most });
        }
        self.take(rules.len())?;
        Ok(rules)
    }

    fn optional(
        &mut self,
        next: &Next<'s>,
        keyword: Option<(&'s String, &'s Value)>,
    ) -> Result<Option<NodeId>, SchemaError> {
        keyword
            .map(|(key, schema)| self.node(schema, next.resource, format!("{}/{key}", next.at)))
            .transpose()
    }

    fn list(&mut self, next: &Next<'s>, keyword: &str, list: &'s Value) -> Result<Vec<NodeId>, SchemaError> {
        let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
            return Err(wrong(next, keyword, "must be a list of schemas"));
        };
        let each = list.iter().enumerate();
        each.map(|(index, schema)| self.node(schema, next.resource, format!("{}/{keyword}/{index}", next.at)))
            .collect()
    }

    fn map(
        &mut self,
        next: &Next<'s>,
        map: Option<(&'s String, &'s Value)>,
    ) -> Result<Vec<(String, NodeId)>, SchemaError> {
        let Some((keyword, map)) = map else { return Ok(Vec::new()) };
        let Some(map) = map.as_object() else {
            return Err(wrong(next, keyword, "must be an object of schemas"));
        };
        let each = map.iter();
        each.map(|(name, schema)| {
            let at = format!("{}/{keyword}/{}", next.at, name.replace('~', "~0").replace('/', "~1"));
            self.node(schema, next.resource, at).map(|id| (name.clone(), id))
        })
        .collect()
    }

    fn reference(&mut self, next: &Next<'s>, keyword: &str, to: &'s Value) -> Result<NodeId, SchemaError> {
        let Some(text) = to.as_str() else { return Err(wrong(next, keyword, "must be a string")) };
        let missing = || SchemaError::Reference { at: shown(&next.at), keyword: keyword.to_owned() };
        if keyword == "$dynamicRef" && self.references.is_dynamic() {
            let rule = "is not offered in a schema that holds others with an `$id` of their own";
            return Err(wrong(next, keyword, rule));
        }
        let (schema, resource) = self.references.find(text, next.resource).ok_or_else(missing)?;
        self.node(schema, resource, text.chars().take(MAX_PLACE_CHARS).collect())
    }

    fn pattern(&mut self, next: &Next<'s>, keyword: &str, pattern: &str) -> Result<Pattern, SchemaError> {
        let compiled = Pattern::new(pattern).map_err(|rule| wrong(next, keyword, &rule))?;
        let left = self.room.pattern_bytes.checked_sub(compiled.bytes());
        self.room.pattern_bytes = left.ok_or(SchemaError::PatternsTooLarge)?;
        Ok(compiled)
    }
}

fn wrong(next: &Next<'_>, keyword: &str, rule: &str) -> SchemaError {
    let keyword = keyword.chars().take(64).collect();
    SchemaError::Keyword { at: shown(&next.at), keyword, rule: rule.to_owned() }
}

fn shown(at: &str) -> String {
    at.chars().take(MAX_PLACE_CHARS).collect()
}

/// One keyword that stands for itself.
struct Keyword<'c, 's, 'r> {
    compiler: &'c mut Compiler<'s, 'r>,
    next: &'c Next<'s>,
    keyword: &'s str,
    value: &'s Value,
}

impl<'s> Keyword<'_, 's, '_> {
    /// Its rule; `None` for annotations, for what is read together with another, and for what this dialect does not know.
    fn rule(&mut self) -> Result<Option<Rule>, SchemaError> {
        let is_2020 = self.compiler.dialect == Dialect::Draft2020;
        Ok(Some(match self.keyword {
            "$ref" | "$dynamicRef" => {
                Rule::Reference(self.compiler.reference(self.next, self.keyword, self.value)?)
            }
            "allOf" => Rule::AllOf(self.list()?),
            "anyOf" => Rule::AnyOf(self.list()?),
            "oneOf" => Rule::OneOf(self.list()?),
            "not" => Rule::Not(self.one()?),
            "propertyNames" => Rule::PropertyNames(self.one()?),
            "dependentSchemas" if is_2020 => Rule::DependentSchemas(self.map()?),
            "dependentRequired" if is_2020 => Rule::DependentRequired(self.required_by()?),
            // 2020-12 has them no more, but says that they may still be understood (appendix D).
            "dependencies" => self.dependencies()?,
            "unevaluatedItems" if is_2020 => Rule::UnevaluatedItems(self.one()?),
            "unevaluatedProperties" if is_2020 => Rule::UnevaluatedProperties(self.one()?),
            "type" => Rule::Type(self.kinds()?),
            "enum" => self.values("enum")?,
            "const" => self.values("const")?,
            "multipleOf" => {
                let unit = self.value.as_number().filter(|number| number.as_f64() > Some(0.0));
                let unit = unit.and_then(Decimal::of).filter(|unit| !unit.is_zero());
                Rule::MultipleOf(unit.ok_or_else(|| self.wrong("must be a number above 0"))?)
            }
            "minimum" => self.bound("minimum")?,
            "maximum" => self.bound("maximum")?,
            "exclusiveMinimum" => self.bound("exclusiveMinimum")?,
            "exclusiveMaximum" => self.bound("exclusiveMaximum")?,
            "minLength" => self.counted("minLength")?,
            "maxLength" => self.counted("maxLength")?,
            "minItems" => self.counted("minItems")?,
            "maxItems" => self.counted("maxItems")?,
            "minProperties" => self.counted("minProperties")?,
            "maxProperties" => self.counted("maxProperties")?,
            "pattern" => {
                let text = self.value.as_str().ok_or_else(|| self.wrong("must be a string"))?;
                Rule::Pattern(self.compiler.pattern(self.next, self.keyword, text)?)
            }
            "uniqueItems" => match self.value {
                Value::Bool(true) => Rule::UniqueItems,
                Value::Bool(false) => return Ok(None),
                _ => return Err(self.wrong("must be true or false")),
            },
            "required" => Rule::Required(self.names(self.value)?),
            _ => return Ok(None),
        }))
    }

    fn wrong(&self, rule: &str) -> SchemaError {
        wrong(self.next, self.keyword, rule)
    }

    fn one(&mut self) -> Result<NodeId, SchemaError> {
        let at = format!("{}/{}", self.next.at, self.keyword);
        self.compiler.node(self.value, self.next.resource, at)
    }

    fn list(&mut self) -> Result<Vec<NodeId>, SchemaError> {
        self.compiler.list(self.next, self.keyword, self.value)
    }

    fn map(&mut self) -> Result<Vec<(String, NodeId)>, SchemaError> {
        let Some(map) = self.next.keywords.get_key_value(self.keyword) else { return Ok(Vec::new()) };
        self.compiler.map(self.next, Some(map))
    }

    /// Draft 7: names or a schema under each name.
    fn dependencies(&mut self) -> Result<Rule, SchemaError> {
        let words = "must be an object of schemas or lists of names";
        let map = self.value.as_object().ok_or_else(|| self.wrong(words))?;
        let mut all = Vec::new();
        for (name, value) in map {
            let id = if value.is_array() {
                let required = Rule::DependentRequired(vec![(name.clone(), self.names(value)?)]);
                self.compiler.take(1)?;
                self.compiler.nodes.push(Node::Rules(Rules { rules: vec![required], tracks: false }));
                NodeId::try_from(self.compiler.nodes.len() - 1).map_err(|_| SchemaError::TooLarge)?
            } else {
                let at = format!("{}/{}/{name}", self.next.at, self.keyword);
                self.compiler.node(value, self.next.resource, at)?
            };
            all.push((name.clone(), id));
        }
        Ok(Rule::DependentSchemas(all))
    }

    fn required_by(&mut self) -> Result<Vec<(String, Vec<String>)>, SchemaError> {
        let map = self.value.as_object().ok_or_else(|| self.wrong("must be an object of lists of names"))?;
        map.iter().map(|(name, names)| Ok((name.clone(), self.names(names)?))).collect()
    }

    fn names(&mut self, list: &'s Value) -> Result<Vec<String>, SchemaError> {
        let names = list.as_array().and_then(|list| {
            list.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        let names = names.ok_or_else(|| self.wrong("must be a list of names"))?;
        self.compiler.take(names.len())?;
        Ok(names)
    }

    fn kinds(&self) -> Result<Kinds, SchemaError> {
        let one = std::slice::from_ref(self.value);
        let names = self.value.as_array().map_or(one, Vec::as_slice);
        let kinds = names.iter().map(|name| name.as_str().and_then(Kinds::of)).collect::<Option<Vec<_>>>();
        let kinds = kinds.filter(|kinds| !kinds.is_empty());
        let kinds = kinds.ok_or_else(|| {
            self.wrong(&format!("must be one of {}, or a list of them", Kinds::NAMES.join(", ")))
        })?;
        Ok(kinds.into_iter().fold(Kinds::default(), |all, one| Kinds(all.0 | one.0)))
    }

    fn values(&mut self, keyword: &'static str) -> Result<Rule, SchemaError> {
        let values = match (keyword, self.value) {
            ("enum", Value::Array(values)) => values.clone(),
            ("enum", _) => return Err(self.wrong("must be a list of values")),
            _ => vec![self.value.clone()],
        };
        self.compiler.take(value::count(&self.value.to_string()))?;
        Ok(Rule::Enum { values, keyword })
    }

    fn bound(&self, keyword: &'static str) -> Result<Rule, SchemaError> {
        let than: Option<Number> = self.value.as_number().cloned();
        Ok(Rule::Bound { keyword, than: than.ok_or_else(|| self.wrong("must be a number"))? })
    }

    fn counted(&self, keyword: &'static str) -> Result<Rule, SchemaError> {
        Ok(Rule::Count { keyword, than: self.count()? })
    }

    /// A number of things; 2.0 is one too.
    fn count(&self) -> Result<u64, SchemaError> {
        let whole = self.value.as_f64().filter(|number| number.fract() == 0.0 && *number >= 0.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative")]
        let count = self.value.as_u64().or(whole.map(|number| number as u64));
        count.ok_or_else(|| self.wrong("must be a whole number, 0 or more"))
    }
}

/// Whether it depends on what other rules have looked at.
fn is_late(rule: &Rule) -> bool {
    matches!(rule, Rule::UnevaluatedItems(_) | Rule::UnevaluatedProperties(_))
}

/// What is cheap and says most comes first.
fn order(rule: &Rule) -> u8 {
    match rule {
        Rule::Type(_) => 0,
        Rule::Required(_) => 1,
        rule if is_late(rule) => 3,
        _ => 2,
    }
}

/// Whether subschemas of one value lead back to where they began: checking would never end.
fn is_circular(nodes: &[Node]) -> bool {
    /// 0 not yet seen, 1 on the way, 2 done.
    fn neighbours(nodes: &[Node], id: NodeId) -> Vec<NodeId> {
        let Some(Node::Rules(rules)) = nodes.get(id as usize) else { return Vec::new() };
        rules.rules.iter().flat_map(in_place).collect()
    }
    let mut state = vec![0_u8; nodes.len()];
    for start in 0..nodes.len() {
        let Ok(start) = NodeId::try_from(start) else { return true };
        if state[start as usize] != 0 {
            continue;
        }
        let mut path = vec![(start, neighbours(nodes, start))];
        state[start as usize] = 1;
        while let Some((id, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                state[*id as usize] = 2;
                path.pop();
                continue;
            };
            match state[next as usize] {
                0 => {
                    state[next as usize] = 1;
                    path.push((next, neighbours(nodes, next)));
                }
                1 => return true,
                _ => {}
            }
        }
    }
    false
}

/// The subschemas that a rule checks the same value with.
fn in_place(rule: &Rule) -> Vec<NodeId> {
    match rule {
        Rule::Reference(id) | Rule::Not(id) => vec![*id],
        Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => ids.clone(),
        Rule::If { test, then, otherwise } => {
            [Some(*test), *then, *otherwise].into_iter().flatten().collect()
        }
        Rule::DependentSchemas(all) => all.iter().map(|(_, id)| *id).collect(),
        Rule::DependentRequired(_)
        | Rule::Properties { .. }
        | Rule::PropertyNames(_)
        | Rule::Items { .. }
        | Rule::Contains { .. }
        | Rule::Type(_)
        | Rule::Enum { .. }
        | Rule::MultipleOf(_)
        | Rule::Bound { .. }
        | Rule::Count { .. }
        | Rule::Pattern(_)
        | Rule::UniqueItems
        | Rule::Required(_)
        | Rule::UnevaluatedItems(_)
        | Rule::UnevaluatedProperties(_) => Vec::new(),
    }
}
