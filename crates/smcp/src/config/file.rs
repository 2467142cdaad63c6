//! The configuration file: TOML, every mistake noted with its line, unknown keys with a suggestion.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::setting::{ALL, KEY, Setting, Shape};

/// A value in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFile {
    /// One, or as many as the list has.
    pub(crate) values: Vec<String>,
    pub(crate) line: usize,
}

/// What the configuration file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFile {
    /// Where it is or would be; `None` when there is no home.
    pub(crate) path: Option<PathBuf>,
    values: BTreeMap<&'static str, InFile>,
}

impl ConfigFile {
    /// Reads a file. One that is not there says nothing.
    ///
    /// # Errors
    /// All mistakes together.
    pub(crate) fn read(path: Option<PathBuf>) -> Result<Self, Vec<String>> {
        let Some(place) = &path else { return Ok(Self::default()) };
        let text = match fs::read_to_string(place) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(vec![format!("{}: {error}", place.display())]),
        };
        let mut file = Self::parse(&text).map_err(|mistakes| {
            mistakes.into_iter().map(|mistake| format!("{}: {mistake}", place.display())).collect::<Vec<_>>()
        })?;
        if file.get(&KEY).is_some() && is_open_to_others(place) {
            let place = place.display();
            return Err(vec![format!("{place} holds a key, and others may read it: chmod 600 {place}")]);
        }
        file.path = path;
        Ok(file)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// All mistakes together, each with its line.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mistake = |error: &toml::de::Error| {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                format!("line {line}: {}", error.message().replace('\n', "; "))
            };
            return Err(errors.iter().map(mistake).collect());
        }
        let mut found = Found { text, values: BTreeMap::new(), mistakes: Vec::new() };
        found.table("", document.get_ref());
        if found.mistakes.is_empty() {
            return Ok(Self { path: None, values: found.values });
        }
        found.mistakes.sort_unstable();
        Err(found.mistakes.into_iter().map(|(line, mistake)| format!("line {line}: {mistake}")).collect())
    }

    pub(crate) fn get(&self, setting: &Setting) -> Option<&InFile> {
        self.values.get(setting.key)
    }
}

/// The tables of the file.
const SECTIONS: [&str; 4] = ["egress", "node", "sandbox", "storage"];

/// What has been read so far.
struct Found<'t> {
    text: &'t str,
    values: BTreeMap<&'static str, InFile>,
    mistakes: Vec<(usize, String)>,
}

impl Found<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            let line = line_of(self.text, key.span().start);
            let setting = ALL.into_iter().find(|setting| setting.key == path);
            match (setting, value.get_ref()) {
                (None, DeValue::Table(inner)) if prefix.is_empty() && SECTIONS.contains(&path.as_str()) => {
                    self.table(&format!("{path}."), inner)
                }
                (None, _) => self.mistakes.push((line, unknown(&path))),
                (Some(setting), _) if !setting.in_file => {
                    let mistake = format!("`{path}` does not belong in a file: use {}", setting.variable);
                    self.mistakes.push((line, mistake));
                }
                (Some(setting), value) => match values(setting, value) {
                    Ok(values) => _ = self.values.insert(setting.key, InFile { values, line }),
                    Err(rule) => self.mistakes.push((line, format!("`{path}` {rule}"))),
                },
            }
        }
    }
}

fn values(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    match setting.shape {
        Shape::Text | Shape::Secret => text(value).map(|text| vec![text]).ok_or("must be a string"),
        Shape::Duration => {
            let number = value.as_integer().map(|number| number.as_str().to_owned());
            let text = number.or_else(|| text(value)).map(|text| vec![text]);
            text.ok_or("must be a whole number of seconds, or a string such as \"5m\"")
        }
        Shape::Switch => {
            let switch = value.as_bool().map(|switch| vec![switch.to_string()]);
            switch.ok_or("must be true or false")
        }
        Shape::Number => {
            let number = value.as_integer().map(|number| vec![number.as_str().to_owned()]);
            number.ok_or("must be a whole number")
        }
        Shape::List => {
            let items = value.as_array().map(|items| items.iter().map(|item| text(item.get_ref())).collect());
            items.flatten().ok_or("must be a list of strings")
        }
    }
}

fn unknown(path: &str) -> String {
    let near = ALL.iter().filter(|setting| setting.in_file).map(|setting| {
        // A key in the wrong section is as near as a misspelt one.
        let bare = |path: &str| path.rsplit('.').next().unwrap_or_default().replace('-', "_");
        (strsim::damerau_levenshtein(&bare(path), &bare(setting.key)), setting.key)
    });
    match near.min().filter(|(distance, key)| *distance <= 1 + key.len() / 5) {
        Some((_, key)) => format!("unknown key `{path}`; did you mean `{key}`?"),
        None => format!("unknown key `{path}`; `smcp config --explain` lists those there are"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}
