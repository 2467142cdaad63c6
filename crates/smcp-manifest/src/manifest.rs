//! The manifest as authors write it: `smcp.toml`, format 1.

mod draft;
mod outgoing;
mod sections;

use serde::{Deserialize, Serialize};
use smcp_types::{LimitSet, Slug};
use std::collections::BTreeMap;

use crate::{
    bindings::{D1Binding, DurableObjectBinding, KvBinding, ObjectsBinding, SecretBindings},
    egress::EgressRules,
    lock::{LOCK_FORMAT, LockedManifest},
    reader::{Mistake, Reader},
};
use draft::Draft;

/// Largest `smcp.toml`, in bytes: room for every var and then some.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Whether a model may see definitions that were not seen at deploy (DESIGN 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinitionsMode {
    /// What the server showed at deploy is all it has.
    #[default]
    Pinned,
    /// The server may change its lists while it runs.
    Dynamic,
}

/// What is checked of a call before hosted code hears of it, beyond what MCP demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// No more.
    #[default]
    Nothing,
    /// The arguments of tools, against the `inputSchema` that was pinned.
    Arguments,
}

impl Validation {
    /// Whether nothing was asked for.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Only what is pinned can be checked against.
    pub(crate) fn with(self, definitions: DefinitionsMode) -> Result<Self, String> {
        match (self, definitions) {
            (Self::Arguments, DefinitionsMode::Dynamic) => {
                Err("needs `definitions = \"pinned\"`: dynamic definitions have no schema to check against"
                    .to_owned())
            }
            (Self::Arguments, DefinitionsMode::Pinned) | (Self::Nothing, _) => Ok(self),
        }
    }
}

/// How tightly the sandbox closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxClass {
    /// All layers; V8 compiles to machine code.
    #[default]
    Standard,
    /// Besides, no memory that is writable and executable: no compiler in V8, no WebAssembly, slower code.
    Hardened,
}

impl SandboxClass {
    /// Whether nothing was asked for.
    pub(crate) fn is_standard(&self) -> bool {
        *self == Self::Standard
    }
}

/// A manifest, parsed and checked, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The server's name.
    pub name: Slug,
    /// The file to start from, relative to the manifest, `/`-separated.
    pub main: String,
    /// Whether `main` and what it imports are made into one module before upload.
    pub bundle: bool,
    /// The path the server answers MCP on.
    pub endpoint: String,
    /// The runtime's behaviour as of this date, `YYYY-MM-DD`.
    pub compatibility_date: String,
    /// Changes to that behaviour, sorted, each once.
    pub compatibility_flags: Vec<String>,
    /// Whether definitions are pinned.
    pub definitions: DefinitionsMode,
    /// What is checked of calls.
    pub validation: Validation,
    /// Text bindings of the server's code.
    pub vars: BTreeMap<String, String>,
    /// The limits it asks for; the others have their defaults.
    pub limits: LimitSet,
    /// How tightly the sandbox closes.
    pub sandbox: SandboxClass,
    /// KV namespaces.
    pub kv: Vec<KvBinding>,
    /// Buckets of objects.
    pub objects: Vec<ObjectsBinding>,
    /// SQL databases.
    pub d1: Vec<D1Binding>,
    /// Classes whose objects keep their state.
    pub durable_objects: Vec<DurableObjectBinding>,
    /// Secrets in the clear.
    pub secrets: SecretBindings,
    /// Where its code may send requests, and which secrets are added.
    pub egress: EgressRules,
    /// When its scheduled handler is called.
    pub crons: Vec<String>,
}

impl Manifest {
    /// Reads the text of `smcp.toml`.
    ///
    /// # Errors
    /// All mistakes together, in the order of the text, missing keys last. Where the text is no TOML, only those
    /// places are told.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("smcp.toml must have at most {MAX_TEXT_BYTES} bytes");
            return Err(vec![Mistake { line: None, path: String::new(), message }]);
        }
        let mut reader = Reader::new(text);
        let document = reader.document()?;
        let mut draft = Draft::default();
        for item in Reader::items("", document.get_ref()) {
            draft.read(&mut reader, item);
        }
        let manifest = draft.finish(&mut reader);
        let mistakes = reader.finish();
        match manifest {
            Some(manifest) if mistakes.is_empty() => Ok(manifest),
            Some(_) | None => Err(mistakes),
        }
    }

    /// The lock: everything a node has to know, spelled out. `main_module` is the name of the module that the code
    /// ended up in, which bundling changes.
    #[must_use]
    pub fn lock(&self, main_module: &str) -> LockedManifest {
        let mut lock = LockedManifest {
            compatibility_date: self.compatibility_date.clone(),
            compatibility_flags: self.compatibility_flags.clone(),
            crons: self.crons.clone(),
            d1: self.d1.clone(),
            definitions: self.definitions,
            durable_objects: self.durable_objects.clone(),
            egress: self.egress.clone(),
            endpoint: self.endpoint.clone(),
            format: LOCK_FORMAT,
            kv: self.kv.clone(),
            limits: self.limits.clone(),
            main: main_module.to_owned(),
            name: self.name.clone(),
            objects: self.objects.clone(),
            requires: Vec::new(),
            sandbox: self.sandbox,
            secrets: self.secrets.clone(),
            validation: self.validation,
            vars: self.vars.clone(),
        };
        lock.requires = lock.uses();
        lock
    }
}

#[cfg(test)]
mod tests;
