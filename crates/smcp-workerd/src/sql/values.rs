//! Values in both directions: parameters as D1's binding sends them, rows as it expects them.

use std::{fmt, io::Write as _};

use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

const EXPECTED: &str = "a parameter is a number, a string, null or an array of bytes";

/// One of the statements of a request.
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    pub(super) sql: String,
    #[serde(default, deserialize_with = "nothing_is_none")]
    pub(super) params: Vec<Parameter>,
}

/// A request: one statement or several.
#[derive(Debug)]
pub(super) struct Queries(pub(super) Vec<Query>);

/// A value to bind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parameter {
    Null,
    /// JavaScript has one kind of number.
    Number(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
}

fn nothing_is_none<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Parameter>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for Queries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Queries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement or an array of statements")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Queries, A::Error> {
                let one = Query::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Queries(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Queries, A::Error> {
                let mut queries = Vec::new();
                while let Some(query) = seq.next_element()? {
                    queries.push(query);
                }
                Ok(Queries(queries))
            }
        }
        from.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(from)?.get();
        let read = match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map(|Text(text)| Self::Text(text)),
            Some(b'[') => serde_json::from_str(json).map(|bytes: Vec<f64>| Self::Bytes(bytes_of(&bytes))),
            Some(b'n') => Ok(Self::Null),
            Some(b'-' | b'0'..=b'9') => serde_json::from_str(json).map(Self::Number),
            Some(_) | None => Err(serde::de::Error::custom(EXPECTED)),
        };
        read.map_err(serde::de::Error::custom)
    }
}

/// The binding lets only numbers of 0 to 255 pass, and typed arrays cut off what is behind the point.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as said")]
fn bytes_of(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().map(|number| *number as u8).collect()
}

/// A text whose surrogates need not be in pairs: what JavaScript has, SQLite keeps.
struct Text(Vec<u8>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(bytes.to_owned()))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

impl ToSql for Parameter {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Writes a value of a row as JSON.
pub(super) fn write_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        // In full: JavaScript rounds it to what it can hold, others need not.
        ValueRef::Integer(number) => write_display(number, out),
        ValueRef::Real(number) if number.is_finite() => write_json(&number, out),
        // JSON has no name for it.
        ValueRef::Real(_) => out.extend_from_slice(b"null"),
        ValueRef::Text(text) => write_json(&*String::from_utf8_lossy(text), out),
        ValueRef::Blob(bytes) => {
            out.push(b'[');
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_display(*byte, out);
            }
            out.push(b']');
        }
    }
}

/// Writes anything that JSON can say.
pub(super) fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    // Strings and numbers to memory: it does not fail.
    let _ = serde_json::to_writer(out, value);
}

fn write_display(value: impl fmt::Display, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(text: &str) -> Result<Vec<Query>, serde_json::Error> {
        serde_json::from_str::<Queries>(text).map(|Queries(queries)| queries)
    }

    #[test]
    fn one_statement_or_many_with_or_without_parameters() {
        let one = queries(r#"{"sql":"SELECT ?","params":[1,"é",null,[0,255,1.5],1e300,-2]}"#).unwrap();
        assert_eq!(
            one[0].params,
            [
                Parameter::Number(1.0),
                Parameter::Text("é".into()),
                Parameter::Null,
                Parameter::Bytes(vec![0, 255, 1]),
                Parameter::Number(1e300),
                Parameter::Number(-2.0),
            ]
        );
        let lone = queries(r#"{"sql":"a","params":["\ud800a"]}"#).unwrap();
        assert_eq!(lone[0].params, [Parameter::Text(b"\xed\xa0\x80a".to_vec())]);
        let many = queries(r#"[{"sql":"a"},{"sql":"b","params":null,"other":1}]"#).unwrap();
        assert_eq!(many.len(), 2);
        assert!(many.iter().all(|query| query.params.is_empty()));
        for bad in [
            r#"{"sql":"a","params":[true]}"#,
            r#"{"sql":"a","params":[{}]}"#,
            r#"{"sql":"a","params":[["x"]]}"#,
            r#"{"params":[]}"#,
            "1",
            "[1]",
            "{",
        ] {
            assert!(queries(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_what_javascript_reads() {
        let written = |value| {
            let mut out = Vec::new();
            write_value(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(ValueRef::Integer(i64::MAX)), "9223372036854775807");
        assert_eq!(written(ValueRef::Real(0.1)), "0.1");
        assert_eq!(written(ValueRef::Real(f64::INFINITY)), "null");
        assert_eq!(written(ValueRef::Text(b"a\"\0\xff")), "\"a\\\"\\u0000\u{fffd}\"");
        assert_eq!(written(ValueRef::Blob(&[0, 255])), "[0,255]");
        assert_eq!(written(ValueRef::Null), "null");
    }
}
