//! `smcp.toml` as authors write it, the lock that nodes understand, and the bundle with its digest.

mod bindings;
mod bundle;
mod egress;
mod later;
mod lock;
mod manifest;
mod module;
mod reader;
mod rules;
mod triggers;

pub use bindings::{
    D1Binding, DurableObjectBinding, KvBinding, MAX_BINDINGS, MAX_STORE_NAME_CHARS, ObjectsBinding,
    SecretBindings,
};
pub use bundle::{Bundle, BundleError};
pub use egress::{
    BrokenRule, DEFAULT_EGRESS_PORT, Decision, EgressRule, EgressRules, Host, HostError, InjectRule,
    Injection, Outgoing, PLACEHOLDER, PathError, Scheme,
};
pub use lock::{LOCK_FORMAT, LockError, LockedManifest, UNDERSTOOD};
pub use manifest::{DefinitionsMode, Manifest, SandboxClass, Validation};
pub use module::{Module, ModuleKind, ModuleNameError};
pub use reader::Mistake;
pub use rules::{
    DEFAULT_ENDPOINT, MAX_COMPATIBILITY_FLAGS, MAX_ENDPOINT_CHARS, MAX_VAR_BYTES, MAX_VAR_NAME_CHARS,
    MAX_VARS_BYTES,
};
pub use triggers::{Cron, MAX_CRONS};
