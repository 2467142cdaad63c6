//! The walk that refuses JSON which two readers could read differently: repeated keys, and nesting without bound.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smcp_types::limits::MAX_JSON_DEPTH;
use std::{borrow::Cow, collections::BTreeSet, fmt};

/// Up to this many keys of one object are compared one by one; an object with more gets a set.
const LINEAR_KEYS: usize = 16;
/// How much of a repeated key is shown to the caller.
const SHOWN_KEY_CHARS: usize = 64;

/// Why a JSON text, though its grammar is right, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More than `MAX_JSON_DEPTH` arrays and objects inside each other.
    TooDeep,
    /// This key stands twice in one object, perhaps spelled with other escapes.
    Repeated(String),
    /// A string with half a surrogate pair, or a number that no `f64` holds.
    Unreadable,
}

impl Fault {
    pub(crate) fn repeated(key: &str) -> Self {
        Self::Repeated(key.chars().take(SHOWN_KEY_CHARS).collect())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "more than {MAX_JSON_DEPTH} arrays and objects inside each other"),
            Self::Repeated(key) => write!(f, "the key {key:?} appears twice in one object"),
            Self::Unreadable => f.write_str("a string is not Unicode or a number is out of range"),
        }
    }
}

/// The keys of the objects that are open, innermost last, in one buffer that all objects of a message share.
#[derive(Default)]
pub(crate) struct Strict<'de> {
    keys: Vec<Cow<'de, str>>,
}

/// One open object: where its keys start in the buffer, or their set once they are many.
pub(crate) struct Scope<'de> {
    /// How many arrays and objects are open, this one included.
    pub(crate) depth: usize,
    start: usize,
    // A tree, not a hash set: its worst case does not depend on a random seed, which wasm32 does not have.
    many: Option<BTreeSet<Cow<'de, str>>>,
}

impl<'de> Strict<'de> {
    /// Opens an object that stands inside `depth` arrays and objects.
    pub(crate) fn open(&self, depth: usize) -> Scope<'de> {
        Scope { depth: depth + 1, start: self.keys.len(), many: None }
    }

    /// Takes note of a key of the innermost object.
    ///
    /// # Errors
    /// `Repeated` if the object has it already.
    pub(crate) fn insert(&mut self, scope: &mut Scope<'de>, key: Cow<'de, str>) -> Result<(), Fault> {
        let known = match &scope.many {
            Some(set) => set.contains(&key),
            None => self.keys[scope.start..].contains(&key),
        };
        if known {
            return Err(Fault::repeated(&key));
        }
        match &mut scope.many {
            Some(set) => _ = set.insert(key),
            None => self.keys.push(key),
        }
        if self.keys.len() - scope.start > LINEAR_KEYS {
            scope.many = Some(self.keys.drain(scope.start..).collect());
        }
        Ok(())
    }

    /// Walks a value that stands inside `depth` arrays and objects.
    ///
    /// # Errors
    /// The first fault in reading order.
    pub(crate) fn check(&mut self, raw: &'de RawValue, depth: usize) -> Result<(), Fault> {
        let mut fault = None;
        let walk = Walk { strict: self, fault: &mut fault, depth };
        // The grammar was checked when `raw` was cut out, so an error without a fault is about a value.
        match walk.deserialize(&mut serde_json::Deserializer::from_str(raw.get())) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.keys.clear();
                Err(fault.unwrap_or(Fault::Unreadable))
            }
        }
    }
}

/// Checks one value on its own.
///
/// # Errors
/// The first fault in reading order.
pub(crate) fn check(raw: &RawValue) -> Result<(), Fault> {
    Strict::default().check(raw, 0)
}

struct Walk<'w, 'de> {
    strict: &'w mut Strict<'de>,
    fault: &'w mut Option<Fault>,
    depth: usize,
}

impl<'de> Walk<'_, 'de> {
    /// Goes inside an array or object. Bounds the recursion: far below serde_json's own 128.
    fn enter<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth >= MAX_JSON_DEPTH {
            *self.fault = Some(Fault::TooDeep);
            return Err(E::custom("too deep"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.enter()?;
        let depth = self.depth + 1;
        while seq.next_element_seed(Walk { strict: self.strict, fault: self.fault, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.enter()?;
        let mut scope = self.strict.open(self.depth);
        while let Some(key) = map.next_key_seed(Key)? {
            if let Err(repeated) = self.strict.insert(&mut scope, key) {
                *self.fault = Some(repeated);
                return Err(A::Error::custom("repeated key"));
            }
            map.next_value_seed(Walk { strict: self.strict, fault: self.fault, depth: scope.depth })?;
        }
        self.strict.keys.truncate(scope.start);
        Ok(())
    }
}

/// Reads a key or string, borrowed from the text unless it has escapes.
pub(crate) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The text of a JSON string. `None` if the value is not a string or not Unicode.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    Key.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).ok()
}

/// Whether `key` is another spelling of `known` to a reader that ignores case, Unicode's odd cases included: `ſ`
/// reads as `s` and the Kelvin sign as `k`.
pub(crate) fn folds_to(key: &str, known: &str) -> bool {
    key != known && folded(key).eq(folded(known))
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<Fault> {
        check(serde_json::from_str(text).unwrap_or_else(|why| panic!("{text}: {why}"))).err()
    }

    #[test]
    fn keys_are_compared_after_unescaping_at_every_level() {
        let many = (0..40).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(",");
        for (text, key) in [
            (r#"{"a":1,"a":2}"#.to_owned(), "a"),
            (r#"{"a":1,"\u0061":2}"#.to_owned(), "a"),
            (r#"[{"x":{"y":[{"b":0,"c":1,"b":0}]}}]"#.to_owned(), "b"),
            (r#"{"":1,"":2}"#.to_owned(), ""),
            (format!(r#"{{{many},"k0":1}}"#), "k0"),
            (format!(r#"{{{many},"in":{{"z":1,"z":1}}}}"#), "z"),
            (format!(r#"{{"in":{{{many}}},"in":1}}"#), "in"),
        ] {
            assert_eq!(fault(&text), Some(Fault::Repeated(key.to_owned())), "{text}");
        }
        for text in [r#"{"a":{"a":{"a":[]}},"b":{"a":1}}"#.to_owned(), format!(r#"[{{{many}}},{{{many}}}]"#)]
        {
            assert_eq!(fault(&text), None, "{text}");
        }
    }

    #[test]
    fn look_alikes_are_found() {
        for key in ["Params", "PARAMS", "param\u{17f}"] {
            assert!(folds_to(key, "params"), "{key}");
        }
        for key in ["params", "param", "params2", ""] {
            assert!(!folds_to(key, "params"), "{key}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(fault(&nested(MAX_JSON_DEPTH)), None);
        assert_eq!(fault(&nested(MAX_JSON_DEPTH + 1)), Some(Fault::TooDeep));
        assert_eq!(fault(&nested(200_000)), Some(Fault::TooDeep));
    }

    #[test]
    fn values_that_readers_disagree_about_are_refused() {
        for text in [r#""\ud800""#, r#"{"\udc00":1}"#, "1e999", "[-1e999]"] {
            assert_eq!(fault(text), Some(Fault::Unreadable), "{text}");
        }
    }
}
