//! The locked manifest: fully explicit, versioned, and refused by a node that does not understand all of it.

use serde::{Deserialize, Serialize};
use smcp_types::{LimitSet, Slug};
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    bindings::{self, D1Binding, DurableObjectBinding, KvBinding, Names, ObjectsBinding, SecretBindings},
    egress::{BrokenRule, EgressRules},
    manifest::{DefinitionsMode, SandboxClass, Validation},
    module, rules, triggers,
};

/// The format of the lock that this build writes and reads.
pub const LOCK_FORMAT: u32 = 1;
/// Capabilities that a lock may require of this build.
pub const UNDERSTOOD: &[&str] =
    &["d1", "durable_objects", "egress", "kv", "objects", "secrets", "triggers", "validate"];

/// How much of a foreign text is shown in an error.
const SHOWN_CHARS: usize = 64;

/// What a node runs by. Made by `Manifest::lock`, stored and sent as JSON.
///
/// The fields stand in the order of their names, without white space and with the maps sorted, so `serde_json` writes
/// the canonical form of RFC 8785: keys and var names are ASCII, numbers are small integers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedManifest {
    /// The runtime's behaviour as of this date, `YYYY-MM-DD`.
    pub compatibility_date: String,
    /// Changes to that behaviour, sorted, each once.
    pub compatibility_flags: Vec<String>,
    /// When its scheduled handler is called, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crons: Vec<String>,
    /// SQL databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub d1: Vec<D1Binding>,
    /// Whether definitions are pinned.
    pub definitions: DefinitionsMode,
    /// Classes whose objects keep their state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub durable_objects: Vec<DurableObjectBinding>,
    /// Where its code may send requests, and which secrets are added.
    #[serde(default, skip_serializing_if = "EgressRules::is_empty")]
    pub egress: EgressRules,
    /// The path the server answers MCP on.
    pub endpoint: String,
    /// `LOCK_FORMAT`.
    pub format: u32,
    /// KV namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kv: Vec<KvBinding>,
    /// The limits it asks for; a tenant's ceilings may be lower.
    pub limits: LimitSet,
    /// The name of the module to start from.
    pub main: String,
    /// The server's name.
    pub name: Slug,
    /// Buckets of objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectsBinding>,
    /// Capabilities that a node must understand to run this, sorted, each once: an older node says what it lacks instead
    /// of tripping over a field. All that the other fields use are among them.
    pub requires: Vec<String>,
    /// How tightly the sandbox closes. Left out when standard, as in locks that are older than the field.
    #[serde(default, skip_serializing_if = "SandboxClass::is_standard")]
    pub sandbox: SandboxClass,
    /// Secrets in the clear.
    #[serde(default, skip_serializing_if = "SecretBindings::is_empty")]
    pub secrets: SecretBindings,
    /// What is checked of calls.
    #[serde(default, rename = "validate", skip_serializing_if = "Validation::is_nothing")]
    pub validation: Validation,
    /// Text bindings of the server's code.
    pub vars: BTreeMap<String, String>,
}

/// Why a lock is refused. The text is for whoever uploaded it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Of another release's format.
    #[error("the locked manifest has format {0}, but this node reads format {LOCK_FORMAT} only")]
    Format(u64),
    /// It asks for capabilities this node does not have.
    #[error("the locked manifest requires what this node does not offer: {}", .0.join(", "))]
    Requires(Vec<String>),
    /// Not the JSON of a lock.
    #[error("not a locked manifest: {0}")]
    Shape(String),
    /// A value breaks a rule.
    #[error("the locked manifest is not valid: `{path}` {rule}")]
    Rule {
        /// The key.
        path: String,
        /// What is wrong with its value.
        rule: String,
    },
}

impl LockedManifest {
    /// Reads an uploaded lock and validates it. Format and requirements are looked at first, so that a lock of a later
    /// release is refused for what it needs and not for a field that is unknown here.
    ///
    /// # Errors
    /// The first of: no JSON, another format, a capability unknown here, another shape, a broken rule.
    pub fn from_json(json: &[u8]) -> Result<Self, LockError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
            #[serde(default)]
            requires: Vec<String>,
        }
        let shape = |error: serde_json::Error| LockError::Shape(shown(&error.to_string()));
        let head: Head = serde_json::from_slice(json).map_err(shape)?;
        if head.format != u64::from(LOCK_FORMAT) {
            return Err(LockError::Format(head.format));
        }
        understood(&head.requires)?;
        let lock: Self = serde_json::from_slice(json).map_err(shape)?;
        lock.validate()?;
        Ok(lock)
    }

    /// Checks everything again from scratch: a lock comes from outside, whoever claims to have made it.
    ///
    /// # Errors
    /// The first of: another format, a capability unknown here, a broken rule.
    pub fn validate(&self) -> Result<(), LockError> {
        if self.format != LOCK_FORMAT {
            return Err(LockError::Format(self.format.into()));
        }
        understood(&self.requires)?;
        let rule = |path: &str, rule: rules::Rule| {
            rule.map_err(|rule| LockError::Rule { path: path.to_owned(), rule })
        };
        // A slug read from JSON may be the platform's own name, which nobody can deploy.
        let name = self.name.as_str().parse::<Slug>();
        rule("name", name.map(|_| ()).map_err(|why| format!("is no name for a server: {why}")))?;
        rule("main", module::check_name(&self.main).map_err(|why| why.to_string()))?;
        rule("endpoint", rules::endpoint(&self.endpoint))?;
        rule("compatibility_date", rules::compatibility_date(&self.compatibility_date))?;
        rule("compatibility_flags", rules::compatibility_flag_count(self.compatibility_flags.len()))?;
        rule(
            "compatibility_flags",
            self.compatibility_flags.iter().try_for_each(|flag| rules::compatibility_flag(flag)),
        )?;
        rule("compatibility_flags", ascending(&self.compatibility_flags))?;
        rule("requires", ascending(&self.requires))?;
        for (name, value) in &self.vars {
            let path = || format!("vars.{}", shown(name));
            rule(&path(), rules::var_name(name).and_then(|()| rules::var_value(value)))?;
        }
        rule("vars", rules::vars_total(&self.vars))?;
        rule("crons", triggers::crons(self.crons.iter().map(String::as_str)))?;
        rule("crons", ascending(&self.crons))?;
        rule("validate", self.validation.with(self.definitions).map(drop))?;
        self.validate_bindings()?;
        self.egress.validate().map_err(|BrokenRule { path, rule }| LockError::Rule { path, rule })?;
        let missing = self.uses().into_iter().find(|used| !self.requires.contains(used));
        rule("requires", missing.map_or(Ok(()), |used| Err(format!("must name `{used}`, which is used"))))?;
        self.limits
            .iter()
            .try_for_each(|(limit, value)| rule(&limit.to_string(), limit.check(value.into()).map(|_| ())))
    }
}

impl LockedManifest {
    /// The capabilities that its fields use, as `requires` names them.
    pub(crate) fn uses(&self) -> Vec<String> {
        let sections = [
            ("d1", self.d1.is_empty()),
            ("durable_objects", self.durable_objects.is_empty()),
            ("egress", self.egress.is_empty()),
            ("kv", self.kv.is_empty()),
            ("objects", self.objects.is_empty()),
            ("secrets", self.secrets.is_empty()),
            ("triggers", self.crons.is_empty()),
            ("validate", self.validation.is_nothing()),
        ];
        sections.into_iter().filter(|(_, unused)| !unused).map(|(name, _)| name.to_owned()).collect()
    }

    /// The secrets that are added on the way out: code finds a placeholder under each name.
    #[must_use]
    pub fn placeholders(&self) -> BTreeSet<&String> {
        self.egress.inject.iter().map(|rule| &rule.secret).collect()
    }

    /// Whether it is given any storage of its tenant's.
    #[must_use]
    pub fn has_storage(&self) -> bool {
        !(self.kv.is_empty() && self.objects.is_empty() && self.d1.is_empty())
    }

    /// Every name of `env` once, every store and class by its rule.
    fn validate_bindings(&self) -> Result<(), LockError> {
        let store = bindings::store_name;
        let sections = [
            ("d1", self.d1.iter().map(|one| (&one.binding, store(&one.database))).collect::<Vec<_>>()),
            ("kv", self.kv.iter().map(|one| (&one.binding, store(&one.namespace))).collect()),
            ("objects", self.objects.iter().map(|one| (&one.binding, store(&one.bucket))).collect()),
            (
                "durable_objects",
                self.durable_objects
                    .iter()
                    .map(|one| (&one.binding, bindings::class_name(&one.class)))
                    .collect(),
            ),
            ("secrets.plain", self.secrets.plain.iter().map(|name| (name, Ok(()))).collect()),
            ("egress.inject", self.placeholders().into_iter().map(|name| (name, Ok(()))).collect()),
        ];
        let mut names = Names::of_vars(&self.vars);
        for (section, entries) in sections {
            let rule =
                |rule: rules::Rule| rule.map_err(|rule| LockError::Rule { path: section.to_owned(), rule });
            rule(bindings::count(entries.len()))?;
            for (name, store) in entries {
                rule(names.take(name, section).and(store))?;
            }
        }
        let classes = self.durable_objects.iter().map(|one| &one.class);
        let repeated = bindings::repeated(classes)
            .map_or(Ok(()), |class| Err(format!("names the class `{class}` twice")));
        repeated.map_err(|rule| LockError::Rule { path: "durable_objects".to_owned(), rule })?;
        ascending(&self.secrets.plain)
            .map_err(|rule| LockError::Rule { path: "secrets.plain".to_owned(), rule })
    }
}

fn understood(requires: &[String]) -> Result<(), LockError> {
    let unknown = requires.iter().filter(|name| !UNDERSTOOD.contains(&name.as_str()));
    let unknown: Vec<String> = unknown.take(SHOWN_CHARS).map(|name| shown(name)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(LockError::Requires(unknown)) }
}

/// One order, no repeats: the same demands are the same bytes.
fn ascending(names: &[String]) -> rules::Rule {
    if names.is_sorted_by(|before, after| before < after) {
        return Ok(());
    }
    Err("must be sorted, each entry once".to_owned())
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
