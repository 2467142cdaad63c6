//! The layers a setting can come from, and reading through them with every mistake noted.

use std::collections::BTreeMap;

use super::{
    ConfigFile, Environment, Source,
    setting::{Setting, Shape},
};

/// Values of flags, by the key of their setting.
pub(crate) type Flags = BTreeMap<&'static str, Vec<String>>;

/// Flags over environment over file.
pub(crate) struct Layers {
    flags: Flags,
    pub(super) environment: Environment,
    pub(super) file: ConfigFile,
}

/// A value as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) values: Vec<String>,
    pub(crate) source: Source,
}

impl Layers {
    pub(crate) fn new(flags: Flags, environment: Environment, file: ConfigFile) -> Self {
        Self { flags, environment, file }
    }

    /// The value of the highest layer that has one.
    ///
    /// # Errors
    /// When the environment's value is not Unicode.
    pub(crate) fn find(&self, setting: &Setting) -> Result<Option<Given>, String> {
        if let Some((values, flag)) = self.flags.get(setting.key).zip(setting.flag) {
            return Ok(Some(Given { values: values.clone(), source: Source::Flag(flag) }));
        }
        if let Some(text) = self.environment.text(setting.variable)? {
            let values = match setting.shape {
                Shape::List => text.split(',').map(|item| item.trim().to_owned()).collect(),
                Shape::Text | Shape::Secret | Shape::Duration | Shape::Switch | Shape::Number => vec![text],
            };
            return Ok(Some(Given { values, source: Source::Environment(setting.variable) }));
        }
        let found = self.file.get(setting);
        Ok(found
            .map(|found| Given { values: found.values.clone(), source: Source::File { line: found.line } }))
    }

    /// Begins to read settings.
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { layers: self, mistakes: Vec::new() }
    }
}

/// Settings being read.
pub(super) struct Reading<'a> {
    layers: &'a Layers,
    mistakes: Vec<String>,
}

impl Reading<'_> {
    /// The setting's value where it was given and is right. `parse` says what is wrong after the setting's name.
    pub(super) fn one<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str, Source) -> Result<T, String>,
    ) -> Option<(T, Source)> {
        let (mut values, source) = self.many(setting, parse)?;
        Some((values.pop()?, source))
    }

    /// The same for a list.
    pub(super) fn many<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str, Source) -> Result<T, String>,
    ) -> Option<(Vec<T>, Source)> {
        let given = match self.layers.find(setting) {
            Ok(given) => given?,
            Err(mistake) => {
                self.mistakes.push(mistake);
                return None;
            }
        };
        let mut values = Vec::new();
        for value in &given.values {
            match parse(value, given.source) {
                Ok(value) => values.push(value),
                Err(why) => self.wrong(setting, given.source, &why),
            }
        }
        Some((values, given.source))
    }

    pub(super) fn wrong(&mut self, setting: &Setting, source: Source, why: &str) {
        let name = match source {
            Source::Flag(_) | Source::Environment(_) => source.to_string(),
            Source::File { .. } => format!("{source}: `{}`", setting.key),
            Source::Default => format!("`{}`", setting.key),
        };
        self.mistakes.push(format!("{name} {why}"));
    }

    /// `value`, if nothing was wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<String>> {
        match value {
            Some(value) if self.mistakes.is_empty() => Ok(value),
            Some(_) | None => Err(self.mistakes),
        }
    }
}
