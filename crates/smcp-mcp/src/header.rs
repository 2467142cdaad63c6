//! Values of `Mcp-Name` and `Mcp-Param-*`: as they are, or in base64 between marks.

use data_encoding::BASE64;
use std::borrow::Cow;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// Writes a text as the value of `Mcp-Name` or `Mcp-Param-*` (2026-07-28, basic/transports/streamable-http, "Value
/// Encoding"): as it is where that is safe, else as `=?base64?…?=`. What looks encoded already is encoded again.
#[must_use]
pub fn encode_header_value(text: &str) -> Cow<'_, str> {
    let safe = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t'));
    let padded = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let marked = text.starts_with(PREFIX) && text.ends_with(SUFFIX);
    // An empty value is lost on some proxies, so it is encoded too; readers decode it to the same text.
    if safe && !padded && !marked && !text.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{PREFIX}{}{SUFFIX}", BASE64.encode(text.as_bytes())))
}

/// Reads such a value, to be compared with the body before anything trusts it. `None` when it is not printable ASCII,
/// or encoded wrongly; the answer is then `errors::HEADER_MISMATCH`.
#[must_use]
pub fn decode_header_value(value: &str) -> Option<Cow<'_, str>> {
    if !value.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t')) {
        return None;
    }
    let Some(inner) = value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = BASE64.decode(inner.as_bytes()).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::any, prop_assert_eq, proptest};

    #[test]
    fn the_examples_of_the_specification() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode_header_value(text), value);
            assert_eq!(decode_header_value(value).as_deref(), Some(text));
        }
    }

    #[test]
    fn wrong_values_are_not_read() {
        for value in ["=?base64?*?=", "=?base64?QQ?=", "=?base64?/w==?=", "é", "a\u{1}", "=?base64?QR==?="] {
            assert_eq!(decode_header_value(value), None, "{value}");
        }
        assert_eq!(
            decode_header_value("=?BASE64?QQ==?=").as_deref(),
            Some("=?BASE64?QQ==?="),
            "marks have one case"
        );
    }

    proptest! {
        #[test]
        fn any_text_survives(text in any::<String>()) {
            let value = encode_header_value(&text).into_owned();
            prop_assert_eq!(decode_header_value(&value).map(Cow::into_owned), Some(text));
        }
    }
}
