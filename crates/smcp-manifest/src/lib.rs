//! `smcp.toml`: parse, validate, lock; and bundles with their digest.

use serde::{Deserialize, Serialize};
use smcp_types::Slug;
use std::collections::BTreeMap;

/// What kind of module, for the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// An ECMAScript module.
    EsModule,
    /// A WebAssembly module.
    Wasm,
    /// A string.
    Text,
    /// Bytes.
    Data,
    /// A JSON value.
    Json,
}

/// One module of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Relative name, as imports spell it.
    pub name: String,
    /// What it is.
    pub kind: ModuleKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A fully explicit manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedManifest {
    /// Version of this format.
    pub format: u32,
    /// What a node must understand to run this.
    pub requires: Vec<String>,
    /// The server's name.
    pub name: Slug,
    /// Name of the main module.
    pub main: String,
    /// Path of the MCP endpoint inside hosted code.
    pub endpoint: String,
    /// Workers compatibility date.
    pub compatibility_date: String,
    /// Workers compatibility flags.
    pub compatibility_flags: Vec<String>,
    /// Text bindings.
    pub vars: BTreeMap<String, String>,
    /// Longest call, in milliseconds.
    pub call_timeout_ms: u64,
}

/// Manifest and modules, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    manifest: LockedManifest,
    modules: Vec<Module>,
}

impl Bundle {
    /// The locked manifest.
    pub fn manifest(&self) -> &LockedManifest {
        &self.manifest
    }

    /// The modules, sorted by name.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }
}
