//! JSON Schema for the arguments of tools: compiled once within bounds, then checked with bounded work.

mod compile;
mod evaluate;
mod pattern;
mod references;
mod value;

use serde_json::{Number, Value, value::RawValue};
use std::{collections::BTreeMap, fmt};

use pattern::Pattern;
use value::Decimal;

/// Most subschemas and keywords of all of a server's schemas together.
const MAX_PARTS: usize = 20_000;
/// Most bytes that the automata of all of a server's patterns take together.
const MAX_PATTERN_BYTES: usize = 4 << 20;
/// Most values in the arguments of one call that are looked at.
const MAX_VALUES: usize = 100_000;

/// Dialects that are understood: the one that MCP names, and the one that most SDKs still write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Draft7,
    Draft2020,
}

/// A subschema, by its place in `Schema::nodes`.
type NodeId = u32;

/// A schema, ready to check values.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The first is the schema itself.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    /// `true`: everything fits.
    Any,
    /// `false`: nothing does.
    Never,
    Rules(Rules),
}

#[derive(Clone, Debug, Default)]
struct Rules {
    /// In the order they are checked; those that depend on what others have seen come last.
    rules: Vec<Rule>,
    /// Whether one of them does.
    tracks: bool,
}

/// One keyword, or a few that only mean something together.
#[derive(Clone, Debug)]
enum Rule {
    Reference(NodeId),
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If { test: NodeId, then: Option<NodeId>, otherwise: Option<NodeId> },
    DependentSchemas(Vec<(String, NodeId)>),
    DependentRequired(Vec<(String, Vec<String>)>),
    Properties { named: BTreeMap<String, NodeId>, patterns: Vec<(Pattern, NodeId)>, rest: Option<NodeId> },
    PropertyNames(NodeId),
    Items { prefix: Vec<NodeId>, rest: Option<NodeId> },
    Contains { schema: NodeId, least: u64, most: Option<u64> },
    Type(Kinds),
    Enum { values: Vec<Value>, keyword: &'static str },
    MultipleOf(Decimal),
    Bound { keyword: &'static str, than: Number },
    Count { keyword: &'static str, than: u64 },
    Pattern(Pattern),
    UniqueItems,
    Required(Vec<String>),
    UnevaluatedItems(NodeId),
    UnevaluatedProperties(NodeId),
}

/// The types that `type` allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    const NAMES: [&'static str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];
    const NUMBER: usize = 4;
    const INTEGER: usize = 6;

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self(1 << at))
    }

    fn allows(self, value: &Value) -> bool {
        let at = match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Object(_) => 2,
            Value::Array(_) => 3,
            Value::Number(number) if value::is_integer(number) => {
                return self.0 & (1 << Self::NUMBER | 1 << Self::INTEGER) != 0;
            }
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => 5,
        };
        self.0 & (1 << at) != 0
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().enumerate().filter(|(at, _)| self.0 & (1 << at) != 0);
        f.write_str(&names.map(|(_, name)| *name).collect::<Vec<_>>().join(" or "))
    }
}

/// What all schemas of one server may take together: memory here, time when they are compiled.
#[derive(Clone, Debug)]
pub struct SchemaRoom {
    parts: usize,
    pattern_bytes: usize,
}

impl Default for SchemaRoom {
    fn default() -> Self {
        Self { parts: MAX_PARTS, pattern_bytes: MAX_PATTERN_BYTES }
    }
}

/// Why a schema is not used. The text is for its author: it continues "the schema …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// `$schema` names a dialect that is not known here.
    #[error("is written in a dialect that is not known here: use JSON Schema 2020-12 or draft-07")]
    Dialect,
    /// A keyword has a value that it cannot have.
    #[error("has a wrong `{keyword}` at {at}: {rule}")]
    Keyword {
        /// Where, as a JSON pointer.
        at: String,
        /// Which.
        keyword: String,
        /// What it must be.
        rule: String,
    },
    /// A reference that leads out of the schema, or nowhere in it.
    #[error("has a `{keyword}` at {at} that leads to no place in the schema itself; nothing is fetched")]
    Reference {
        /// Where, as a JSON pointer.
        at: String,
        /// Which of the two.
        keyword: String,
    },
    /// References that lead round in a circle without ever looking deeper into the value.
    #[error("refers to itself without end")]
    Circle,
    /// All schemas together are beyond `SchemaRoom`.
    #[error("has no room: all schemas of a server may have {MAX_PARTS} subschemas and keywords together")]
    TooLarge,
    /// So are their patterns.
    #[error("has patterns that are too large: those of a server may take {MAX_PATTERN_BYTES} bytes together")]
    PatternsTooLarge,
}

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It breaks rules: each with its place and its keyword, at most a few.
    #[error("{}", .0.join("; "))]
    Rules(Vec<String>),
    /// It has more values than are looked at, or takes more steps.
    #[error("they take more work to check than one call may ask for")]
    TooMuchWork,
}

impl Schema {
    /// Compiles a schema. It takes part of the room that all schemas of one server share.
    ///
    /// # Errors
    /// When it is no schema, needs what is not here, or is too large. Patterns are matched in linear time, so that
    /// look-around and back-references are among what is not here. `format` is an annotation, as the standard says.
    pub fn compile(schema: &Value, room: &mut SchemaRoom) -> Result<Self, SchemaError> {
        compile::schema(schema, room)
    }

    /// Checks the arguments of a call; a call without any has none: an empty object. They have been checked by `parse`.
    ///
    /// # Errors
    /// The first few rules that are broken, or that the work is too much. No value is repeated.
    pub fn check(&self, arguments: Option<&RawValue>) -> Result<(), Misfit> {
        let text = arguments.map_or("{}", RawValue::get);
        if value::count(text) > MAX_VALUES {
            return Err(Misfit::TooMuchWork);
        }
        let value: Value = serde_json::from_str(text).map_err(|_| Misfit::TooMuchWork)?;
        evaluate::check(self, &value)
    }
}

#[cfg(test)]
mod tests;
