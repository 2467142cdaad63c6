//! The members of a JSON object in their order, values as they stand: to read one, or to write the object with one changed.

use crate::strict::Key;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// An object whose text has been checked by `parse`: no key stands there twice.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Members<'a> {
    /// `None` when the text is no object.
    pub(crate) fn of(object: &'a str) -> Option<Self> {
        Read.deserialize(&mut serde_json::Deserializer::from_str(object)).ok().map(Self)
    }

    /// The text of a member's value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }

    /// A member that is a string.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(|value| serde_json::from_str(value).ok())
    }

    /// Puts a value at the place of the one before, or at the end; takes the member away for `None`.
    pub(crate) fn set(&mut self, key: &'a str, value: Option<String>) {
        let at = self.0.iter().position(|(known, _)| known == key);
        match (at, value) {
            (Some(at), Some(value)) => self.0[at].1 = Cow::Owned(value),
            (Some(at), None) => _ = self.0.remove(at),
            (None, Some(value)) => self.0.push((Cow::Borrowed(key), Cow::Owned(value))),
            (None, None) => {}
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The object as JSON.
    pub(crate) fn write(&self) -> String {
        let mut out = String::from("{");
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&serde_json::Value::from(key).to_string());
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

struct Read;

impl<'de> DeserializeSeed<'de> for Read {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Read {
    type Value = Vec<(Cow<'de, str>, Cow<'de, str>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            members.push((key, Cow::Borrowed(map.next_value::<&'de RawValue>()?.get())));
        }
        Ok(members)
    }
}
