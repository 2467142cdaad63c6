//! Everything a model would read from a server: collected from its answers, bounded, stored, compared.

mod collect;

use crate::{Era, Method, Revision, template};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use collect::Collector;

/// Most items in one list of a server.
pub const MAX_ITEMS_PER_LIST: usize = 1000;
/// Most bytes of JSON that all definitions of a server may have together.
pub const MAX_DEFINITIONS_BYTES: usize = 4 << 20;
/// The stored form's version (DESIGN 18).
const FORMAT: u32 = 1;

/// One of the lists a server may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::ResourceTemplates];

    /// The method that lists it.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Resources => Method::ResourcesList,
            Self::ResourceTemplates => Method::ResourceTemplatesList,
        }
    }

    /// The kind that a method lists, if it lists one.
    #[must_use]
    pub fn of(method: &Method) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == *method)
    }

    /// The member of the result that holds the items.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }

    /// The member of an item that names it: what is unique in the list, and what a client calls it by.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::ResourceTemplates => "uriTemplate",
        }
    }

    /// The capability that offers it (schema, `ServerCapabilities`).
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::ResourceTemplates => "resources",
        }
    }

    /// Strings that an item must have besides its key, and whether it must have an `inputSchema`.
    const fn demands(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::Tools => (None, Some("inputSchema")),
            Self::Prompts => (None, None),
            Self::Resources | Self::ResourceTemplates => (Some("name"), None),
        }
    }
}

/// What a server shows of itself, as the platform stores it: JSON, `format` 1.
///
/// Made by a [`Collector`], which checks it. What is read back from the platform's own store is taken as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    format: u32,
    /// Revisions the server is known to speak, oldest first, at least one.
    pub revisions: Vec<Revision>,
    /// Who it says it is (schema, `Implementation`); null if it does not say, as a modern server may.
    pub server_info: Value,
    /// What it tells every model about itself.
    pub instructions: Option<String>,
    /// What it says it offers (schema, `ServerCapabilities`), an object.
    pub capabilities: Value,
    /// Tools, each with a unique `name` and an `inputSchema`, in the server's order.
    pub tools: Vec<Value>,
    /// Prompts, each with a unique `name`, in the server's order.
    pub prompts: Vec<Value>,
    /// Resources, each with a unique `uri` and a `name`, in the server's order.
    pub resources: Vec<Value>,
    /// Resource templates, each with a unique `uriTemplate` and a `name`, in the server's order.
    pub resource_templates: Vec<Value>,
}

impl Definitions {
    /// The items of a list.
    #[must_use]
    pub fn items(&self, kind: ListKind) -> &[Value] {
        match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources => &self.resources,
            ListKind::ResourceTemplates => &self.resource_templates,
        }
    }

    fn items_mut(&mut self, kind: ListKind) -> &mut Vec<Value> {
        match kind {
            ListKind::Tools => &mut self.tools,
            ListKind::Prompts => &mut self.prompts,
            ListKind::Resources => &mut self.resources,
            ListKind::ResourceTemplates => &mut self.resource_templates,
        }
    }

    /// The names (tools, prompts), URIs or URI templates of a list, in the server's order.
    pub fn names(&self, kind: ListKind) -> impl Iterator<Item = &str> {
        self.items(kind).iter().filter_map(move |item| item.get(kind.key())?.as_str())
    }

    /// The names of the tools. A hot path makes its own index of them: `has_tool` looks at one after the other.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.names(ListKind::Tools)
    }

    /// Whether there is a tool of this name. Linear in the number of tools.
    #[must_use]
    pub fn has_tool(&self, name: &str) -> bool {
        self.tool_names().any(|known| known == name)
    }

    /// Whether there is a prompt of this name. Linear in the number of prompts.
    #[must_use]
    pub fn has_prompt(&self, name: &str) -> bool {
        self.names(ListKind::Prompts).any(|known| known == name)
    }

    /// Whether this is the URI of a resource, or could have come out of one of the resource templates, or is such a
    /// template itself, as in a completion. Linear in the number of both.
    #[must_use]
    pub fn has_resource(&self, uri: &str) -> bool {
        self.names(ListKind::Resources).any(|known| known == uri)
            || self
                .names(ListKind::ResourceTemplates)
                .any(|known| known == uri || template::covers(known, uri))
    }

    /// Whether the server offers a list: its capabilities say so.
    #[must_use]
    pub fn offers(&self, kind: ListKind) -> bool {
        self.capabilities.get(kind.capability()).is_some_and(Value::is_object)
    }

    /// The latest revision of an era that the server speaks.
    #[must_use]
    pub fn latest_of(&self, era: Era) -> Option<Revision> {
        self.revisions.iter().copied().filter(|revision| revision.era() == era).max()
    }
}

/// Why a server's answer cannot be taken as its definitions. The text is for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionsError {
    /// The answer is not what the schema demands.
    #[error("the answer to `{method}` is not what MCP demands: {rule}")]
    Schema {
        /// What was asked.
        method: String,
        /// Which rule is broken, and by which item.
        rule: String,
    },
    /// The server speaks no revision that is known here.
    #[error("the server speaks no known revision of MCP: {0:?}")]
    Revision(Vec<String>),
    /// Two items of a list have one name.
    #[error("the answers to `{method}` have {name:?} twice")]
    Repeated {
        /// What was asked.
        method: String,
        /// The name, URI or URI template, at most 64 characters of it.
        name: String,
    },
    /// More than `MAX_ITEMS_PER_LIST` items.
    #[error("the answers to `{method}` have more than {MAX_ITEMS_PER_LIST} items")]
    TooMany {
        /// What was asked.
        method: String,
    },
    /// More than `MAX_DEFINITIONS_BYTES` bytes.
    #[error("the server's definitions are larger than 4 MiB")]
    TooLarge,
}

#[cfg(test)]
mod tests;
