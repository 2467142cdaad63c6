//! What a version's code is given by name: storage of its tenant, objects of its own, secrets in the clear.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::rules::{self, Rule};

/// Most bindings of one kind.
pub const MAX_BINDINGS: usize = 32;
/// Longest name of a store.
pub const MAX_STORE_NAME_CHARS: usize = 63;

/// A KV namespace under a name of the code's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvBinding {
    /// The code reads `env.<binding>`.
    pub binding: String,
    /// The namespace, among its tenant's.
    pub namespace: String,
}

/// A bucket of objects under a name of the code's: what Cloudflare calls R2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsBinding {
    /// The code reads `env.<binding>`.
    pub binding: String,
    /// The bucket, among its tenant's.
    pub bucket: String,
}

/// A SQL database under a name of the code's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct D1Binding {
    /// The code reads `env.<binding>`.
    pub binding: String,
    /// The database, among its tenant's.
    pub database: String,
}

/// A class of the code's, whose objects keep their state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurableObjectBinding {
    /// The code reads `env.<binding>`.
    pub binding: String,
    /// The exported class.
    pub class: String,
}

/// Secrets that code gets as they are. What it does not need to read is injected on the way out instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretBindings {
    /// The names, sorted, each once: of the binding and of the secret.
    pub plain: Vec<String>,
}

impl SecretBindings {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }
}

/// The name of the store of a binding that does not say: that of the server and of the binding.
pub(crate) fn default_store(server: &str, binding: &str) -> String {
    format!("{server}-{}", binding.to_ascii_lowercase().replace(['_', '$'], "-"))
}

/// The name of a namespace, bucket or database: also the name of a file.
pub(crate) fn store_name(name: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fine = !name.is_empty()
        && name.len() <= MAX_STORE_NAME_CHARS
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fine {
        return Ok(());
    }
    Err(format!(
        "must have 1 to {MAX_STORE_NAME_CHARS} characters of a-z, 0-9 and inner hyphens, not {:?}",
        name.chars().take(80).collect::<String>()
    ))
}

/// The name of an exported class.
pub(crate) fn class_name(name: &str) -> Rule {
    rules::identifier(name).map_err(|_| "must be the name of an exported class".to_owned())
}

/// Every name that code finds in `env`, each with where the manifest gives it.
pub(crate) struct Names<'a>(BTreeMap<&'a str, &'static str>);

impl<'a> Names<'a> {
    /// Begins with the variables.
    pub(crate) fn of_vars(vars: &'a BTreeMap<String, String>) -> Self {
        Self(vars.keys().map(|name| (name.as_str(), "vars")).collect())
    }

    /// Takes a further name.
    ///
    /// # Errors
    /// A clause that says where it is taken already, or what is wrong with it.
    pub(crate) fn take(&mut self, name: &'a str, section: &'static str) -> Rule {
        rules::var_name(name)?;
        match self.0.insert(name, section) {
            None => Ok(()),
            Some(other) => Err(format!("has the name `{name}`, which `{other}` gives already")),
        }
    }
}

/// How many entries a section may have.
pub(crate) fn count(entries: usize) -> Rule {
    if entries <= MAX_BINDINGS { Ok(()) } else { Err(format!("must have at most {MAX_BINDINGS} entries")) }
}

/// A name that comes twice.
pub(crate) fn repeated<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stores() {
        for good in ["a", "notes-cache", "0", &"a".repeat(63)] {
            assert_eq!(store_name(good), Ok(()), "{good}");
        }
        for bad in ["", "A", "-a", "a-", "a/b", "..", "a.b", "a b", "é", &"a".repeat(64)] {
            assert!(store_name(bad).is_err(), "{bad}");
        }
        assert_eq!(default_store("notes", "MY_CACHE"), "notes-my-cache");
    }

    #[test]
    fn one_name_is_given_once() {
        let vars = BTreeMap::from([("A".to_owned(), String::new())]);
        let mut names = Names::of_vars(&vars);
        assert_eq!(names.take("B", "kv"), Ok(()));
        assert_eq!(names.take("A", "kv"), Err("has the name `A`, which `vars` gives already".to_owned()));
        assert_eq!(names.take("B", "d1"), Err("has the name `B`, which `kv` gives already".to_owned()));
        assert!(names.take("SMCP_X", "kv").is_err() && names.take("a-b", "kv").is_err());
    }
}
