//! Arguments of tools against the schemas that were pinned, where a manifest asks for it (`validate = "arguments"`).

use std::collections::BTreeMap;

use serde_json::{Value, value::RawValue};
use smcp_mcp::{Definitions, Misfit, Schema, SchemaRoom};
use smcp_types::{Error, Refusal, Result};

/// How much of a tool's name is shown.
const MAX_SHOWN: usize = 100;

/// The `inputSchema` of every tool of a version, ready to check calls.
#[derive(Clone, Debug)]
pub(crate) struct ToolSchemas(BTreeMap<String, Schema>);

impl ToolSchemas {
    /// Compiles them all, within the room that one server has.
    ///
    /// # Errors
    /// `Invalid`, naming the tool, for a schema that cannot be checked against.
    pub(crate) fn of(definitions: &Definitions) -> Result<Self> {
        let mut room = SchemaRoom::default();
        let mut schemas = BTreeMap::new();
        for tool in &definitions.tools {
            let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
            let missing = Value::Null;
            let schema = tool.get("inputSchema").unwrap_or(&missing);
            let schema = Schema::compile(schema, &mut room).map_err(|error| {
                let shown: String = name.chars().take(MAX_SHOWN).collect();
                let hint = "change the schema, or leave `validate` out of smcp.toml";
                Error::Invalid(Refusal::new(format!("the inputSchema of tool {shown:?} {error}")).hint(hint))
            })?;
            schemas.insert(name.to_owned(), schema);
        }
        Ok(Self(schemas))
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    /// What is wrong with them, for whoever made the call. A tool that is not known has none that would fit.
    pub(crate) fn check(&self, tool: &str, arguments: Option<&RawValue>) -> Result<(), String> {
        let schema = self.0.get(tool).ok_or("the tool has no schema to check them against")?;
        schema.check(arguments).map_err(|misfit| match misfit {
            Misfit::Rules(_) => format!("they do not fit the tool's inputSchema: {misfit}"),
            Misfit::TooMuchWork => misfit.to_string(),
        })
    }
}
