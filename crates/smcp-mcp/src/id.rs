//! Ids of JSON-RPC messages: a string or an exact integer, written back as they were read.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;
use smcp_types::limits::MAX_INTEGER;
use std::fmt;

/// The id of a request. MCP (basic/index, "Requests") allows a string or an integer, never null; we also hold integers
/// to what every JSON reader keeps exact, since an answer must carry the very id that was asked with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageId {
    /// An integer between −(2^53 − 1) and 2^53 − 1.
    Integer(i64),
    /// A text; its own case and spelling, not normalised.
    Text(String),
}

impl MessageId {
    /// Reads an id as it stands in a message. `None` for null, a boolean, a fraction or exponent (even `1.0`), an
    /// integer beyond 2^53 − 1, a structure, or a string that is not Unicode.
    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text).ok().map(Self::Text);
        }
        // `-0` is an integer to few readers and would be written back as `0`.
        if text == "-0" {
            return None;
        }
        let number: i64 = text.parse().ok()?;
        (number.unsigned_abs() <= MAX_INTEGER.unsigned_abs()).then_some(Self::Integer(number))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<i64> for MessageId {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for MessageId {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        Self::from_raw(&raw)
            .ok_or_else(|| D::Error::custom("an id is a string or an integer within ±(2^53 − 1)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<MessageId> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn ids_are_written_back_as_they_were_read() {
        for text in [
            "0",
            "7",
            "-1",
            "9007199254740991",
            "-9007199254740991",
            r#""""#,
            r#""a b""#,
            r#""é\n""#,
            r#""1""#,
        ] {
            let id = read(text).unwrap_or_else(|| panic!("{text} is an id"));
            assert_eq!(serde_json::to_string(&id).unwrap(), text);
        }
        assert_ne!(read("1"), read(r#""1""#), "a string is never the number it spells");
    }

    #[test]
    fn everything_else_is_no_id() {
        for text in ["null", "true", "1.0", "1.5", "1e2", "-0", "9007199254740992", "-9007199254740992"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["99999999999999999999", "[]", "{}", r#""\ud800""#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
