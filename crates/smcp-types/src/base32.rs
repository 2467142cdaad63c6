//! Lower-case base32 without padding: the alphabet of ids and API keys.

use data_encoding::{DecodeError, Encoding, Specification};
use std::sync::LazyLock;

/// RFC 4648 base32 in lower case: no `_` and no `-`, so that a value can stand inside an API key and a DNS label.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    #[allow(
        clippy::expect_used,
        reason = "a constant specification; every test of an id would find it wrong"
    )]
    spec.encoding().expect("a valid base32 alphabet")
});

/// The text of these bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    BASE32.encode(bytes)
}

/// The bytes of a text.
///
/// # Errors
/// When the text is not exactly what `encode` writes: trailing bits are checked, so every value has one spelling.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    BASE32.decode(text.as_bytes())
}
