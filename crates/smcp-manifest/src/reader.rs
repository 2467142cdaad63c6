//! Reading TOML with every mistake noted: its line, its key, and what to write instead.

use std::fmt;

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use crate::later::{LATER, Later, asks_for_nothing};

/// A wrong key shown in a message is cut to this many characters.
const SHOWN_CHARS: usize = 64;

/// One mistake in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line of `smcp.toml`, from 1; `None` for something that is missing.
    pub line: Option<usize>,
    /// The path of the key, such as `limits.call_timeout_ms`; empty where the text is no TOML.
    pub path: String,
    /// What is wrong and what to write instead, for the author.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A value with where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    start: usize,
    pub(crate) value: &'a DeValue<'a>,
}

impl Item<'_> {
    /// The key as an author would write it, shortened.
    pub(crate) fn shown_key(&self) -> String {
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let shown: String = self.key.chars().take(SHOWN_CHARS).collect();
        if !shown.is_empty() && shown.bytes().all(bare) { shown } else { format!("{shown:?}") }
    }

    /// The path as an author would write it.
    pub(crate) fn path(&self) -> String {
        let key = self.shown_key();
        if self.table.is_empty() { key } else { format!("{}.{key}", self.table) }
    }
}

/// Collects the mistakes of one text.
pub(crate) struct Reader<'t> {
    text: &'t str,
    mistakes: Vec<Mistake>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, mistakes: Vec::new() }
    }

    /// Parses the text.
    ///
    /// # Errors
    /// Every place where it is no TOML; what the rest says is then guesswork and not looked at.
    pub(crate) fn document(&self) -> Result<Spanned<DeTable<'t>>, Vec<Mistake>> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Ok(document);
        }
        let mistake = |error: &toml::de::Error| Mistake {
            line: error.span().map(|span| self.line(span.start)),
            path: String::new(),
            message: error.message().replace('\n', "; "),
        };
        Err(errors.iter().map(mistake).collect())
    }

    /// The items of a table in the order they stand.
    pub(crate) fn items<'a>(table_path: &'a str, table: &'a DeTable<'a>) -> Vec<Item<'a>> {
        let item = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| Item {
            table: table_path,
            key: key.get_ref().as_ref(),
            start: key.span().start,
            value: value.get_ref(),
        };
        let mut items: Vec<Item<'a>> = table.iter().map(item).collect();
        items.sort_by_key(|item| item.start);
        items
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    /// Notes a mistake of an item; `rule` continues the sentence that its path starts.
    pub(crate) fn wrong(&mut self, item: Item<'_>, rule: impl fmt::Display) {
        let path = item.path();
        let message = format!("`{path}` {rule}");
        self.mistakes.push(Mistake { line: Some(self.line(item.start)), path, message });
    }

    /// Notes that a key is missing.
    pub(crate) fn missing(&mut self, path: &str, advice: &str) {
        let message = format!("`{path}` is missing: {advice}");
        self.mistakes.push(Mistake { line: None, path: path.to_owned(), message });
    }

    /// The value if the rule holds, else a mistake.
    pub(crate) fn keep<T>(&mut self, item: Item<'_>, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|rule| self.wrong(item, rule)).ok()
    }

    /// A string.
    pub(crate) fn string<'a>(&mut self, item: Item<'a>) -> Option<&'a str> {
        let text = item.value.as_str();
        if text.is_none() {
            self.wrong(item, format_args!("must be a string in quotes, not {}", kind(item.value)));
        }
        text
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, item: Item<'_>) -> Option<bool> {
        let fine = item.value.as_bool();
        if fine.is_none() {
            self.wrong(item, format_args!("must be true or false, not {}", kind(item.value)));
        }
        fine
    }

    /// An integer.
    pub(crate) fn integer(&mut self, item: Item<'_>) -> Option<i64> {
        let Some(number) = item.value.as_integer() else {
            self.wrong(item, format_args!("must be a whole number, not {}", kind(item.value)));
            return None;
        };
        let read = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "is too large");
        self.keep(item, read)
    }

    /// A table.
    pub(crate) fn table<'a>(&mut self, item: Item<'a>) -> Option<&'a DeTable<'a>> {
        let table = item.value.as_table();
        if table.is_none() {
            self.wrong(item, format_args!("must be a section, not {}", kind(item.value)));
        }
        table
    }

    /// A list of tables, `[[…]]`.
    pub(crate) fn tables<'a>(&mut self, item: Item<'a>) -> Option<Vec<&'a DeTable<'a>>> {
        let tables: Option<Vec<_>> =
            item.value.as_array().and_then(|list| list.iter().map(|one| one.get_ref().as_table()).collect());
        if tables.is_none() {
            let key = item.shown_key();
            self.wrong(item, format_args!("must be written as sections in double brackets, `[[{key}]]`"));
        }
        tables
    }

    /// A list of strings.
    pub(crate) fn strings<'a>(&mut self, item: Item<'a>) -> Option<Vec<&'a str>> {
        let strings: Option<Vec<_>> =
            item.value.as_array().and_then(|list| list.iter().map(|one| one.get_ref().as_str()).collect());
        if strings.is_none() {
            self.wrong(item, "must be a list of strings");
        }
        strings
    }

    /// A key that is none of `offered`: fine if it asks for nothing that is known, else a mistake.
    pub(crate) fn other(&mut self, item: Item<'_>, offered: &[&str]) {
        match Later::of(item.table, item.key) {
            Some(_) if asks_for_nothing(item.value) => {}
            Some(later) => {
                let mistake = Mistake {
                    line: Some(self.line(item.start)),
                    path: item.path(),
                    message: later.refusal(),
                };
                self.mistakes.push(mistake);
            }
            None => self.unknown(item, offered),
        }
    }

    fn unknown(&mut self, item: Item<'_>, offered: &[&str]) {
        let later = LATER.iter().filter(|later| later.table == item.table).map(|later| later.key);
        let path = item.path();
        let message = match nearest(item.key, offered.iter().copied().chain(later)) {
            Some(key) => format!("unknown key `{path}`; did you mean `{}`?", Item { key, ..item }.path()),
            None if offered.is_empty() => format!("unknown key `{path}`"),
            None => format!("unknown key `{path}`; known here: {}", offered.join(", ")),
        };
        self.mistakes.push(Mistake { line: Some(self.line(item.start)), path, message });
    }

    /// The mistakes, those with a line first and in the order of the text.
    pub(crate) fn finish(mut self) -> Vec<Mistake> {
        self.mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        self.mistakes
    }
}

/// The known key that a wrong one was probably meant to be.
fn nearest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let wrong: String = wrong.chars().take(SHOWN_CHARS).flat_map(char::to_lowercase).collect();
    let wrong = wrong.replace('-', "_");
    known
        .map(|key| (strsim::damerau_levenshtein(&wrong, key), key))
        .filter(|(distance, key)| *distance <= 1 + key.len() / 4)
        .min()
        .map(|(_, key)| key)
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
