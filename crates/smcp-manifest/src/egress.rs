//! What hosted code may reach and where its secrets are put: `egress.allow` and `[[egress.inject]]`, locked.

pub(crate) mod check;
mod host;
mod matching;
mod path;

use serde::{Deserialize, Serialize};

pub use check::BrokenRule;
pub use host::{Host, HostError};
pub use matching::{Decision, Outgoing, PathError, Scheme};

/// The port of a rule that names none.
pub const DEFAULT_EGRESS_PORT: u16 = 443;
/// What stands for the secret in the format of a header.
pub const PLACEHOLDER: &str = "{}";

/// All rules of a manifest. Empty, nothing leaves.
///
/// Like the lock they are part of, the structs below have their fields in the order of the names, so that `serde_json`
/// writes RFC 8785's canonical form. Lists keep the order of the author.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRules {
    /// Where requests may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<EgressRule>,
    /// Which of them get a secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectRule>,
}

/// A host that requests may go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRule {
    /// A name, a name with `*.` before it for everything below, or an address in its canonical form.
    pub host: String,
    /// Upper case, sorted, each once; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Sorted, each once; empty for 443.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// A secret that the platform adds to requests over https, to this very host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectRule {
    /// A name, without `*.`.
    pub host: String,
    /// Where it is put.
    pub into: Injection,
    /// Upper case, sorted, each once; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The path starts with it, and then ends or goes on with a new segment. `/` for every path.
    pub path_prefix: String,
    /// The port.
    pub port: u16,
    /// The name of the secret.
    pub secret: String,
}

/// Where a secret is put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Injection {
    /// `Authorization: Basic`, with the secret as the password.
    Basic {
        /// The name before the colon; may be empty.
        user: String,
    },
    /// A header.
    Header {
        /// Its value, with `{}` where the secret goes, like `Bearer {}`.
        format: String,
        /// Its name, lower case.
        name: String,
    },
    /// A query parameter. Other parties log URLs: a header is better.
    Query {
        /// Its name.
        name: String,
    },
}

impl EgressRules {
    /// Whether nothing may leave.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.inject.is_empty()
    }

    /// The same rules in the one spelling that `validate` takes: hosts and header names lower case, methods upper case,
    /// lists sorted. What is wrong stays wrong.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        for rule in &mut self.allow {
            rule.host = host::canonical_pattern(&rule.host);
            rule.ports.sort_unstable();
            rule.ports.dedup();
            canonical_methods(&mut rule.methods);
        }
        for rule in &mut self.inject {
            rule.host = host::canonical_pattern(&rule.host);
            canonical_methods(&mut rule.methods);
            if let Injection::Header { name, .. } = &mut rule.into {
                name.make_ascii_lowercase();
            }
        }
        self
    }
}

fn canonical_methods(methods: &mut Vec<String>) {
    methods.iter_mut().for_each(|method| method.make_ascii_uppercase());
    methods.sort_unstable();
    methods.dedup();
}

#[cfg(test)]
mod tests;
