//! The environment of the process, read once.
#![allow(clippy::disallowed_methods, reason = "the composition root is where the environment is read")]

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// Variables besides the settings' own.
const OTHERS: [&str; 5] = ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NO_COLOR"];

/// The variables that mean something here.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<&'static str, OsString>,
}

impl Environment {
    /// Reads the variables of this process.
    pub(crate) fn read() -> Self {
        let names = super::ALL.iter().map(|setting| setting.variable).chain(OTHERS);
        Self { variables: names.filter_map(|name| Some((name, std::env::var_os(name)?))).collect() }
    }

    /// An environment made up.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&'static str, &str)]) -> Self {
        Self { variables: variables.iter().map(|(name, value)| (*name, value.into())).collect() }
    }

    /// A variable as text; an empty one is as good as none.
    ///
    /// # Errors
    /// When it is not Unicode.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, String> {
        match self.variables.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(format!("{name} is not Unicode")),
            },
        }
    }

    /// Whether people asked for no colour (<https://no-color.org>).
    pub(crate) fn no_color(&self) -> bool {
        self.variables.get("NO_COLOR").is_some_and(|value| !value.is_empty())
    }

    /// Where the configuration file is looked for, if there is a home at all.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        self.base("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("smcp").join("config.toml"))
    }

    /// Where a node keeps everything by default.
    pub(crate) fn data_dir(&self) -> Option<PathBuf> {
        self.base("XDG_DATA_HOME", ".local/share").map(|folder| folder.join("smcp"))
    }

    /// Where what can be made again is kept.
    pub(crate) fn cache_dir(&self) -> Option<PathBuf> {
        self.base("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("smcp"))
    }

    /// A base directory; a relative one is ignored, as its specification asks.
    fn base(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let absolute =
            |name: &str| self.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
    }
}
