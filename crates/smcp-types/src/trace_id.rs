//! The id of a trace, as W3C Trace Context writes it.

use std::{fmt, str::FromStr};

/// A trace of which a request is a part. In text: 32 lower-case hexadecimal characters, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The text is not the id of a trace: 32 lower-case hexadecimal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a trace: expected 32 lower-case hexadecimal characters")]
pub struct ParseTraceIdError;

impl TraceId {
    /// The id with these bytes, unless all of them are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        bytes.iter().any(|byte| *byte != 0).then_some(Self(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl FromStr for TraceId {
    type Err = ParseTraceIdError;

    fn from_str(text: &str) -> Result<Self, ParseTraceIdError> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| ParseTraceIdError)?;
        bytes.try_into().ok().and_then(Self::from_bytes).ok_or(ParseTraceIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id.parse::<TraceId>().unwrap().to_string(), id);
        for bad in ["", &id[1..], &id.to_uppercase(), &"0".repeat(32), &format!("{id}0")] {
            assert_eq!(bad.parse::<TraceId>(), Err(ParseTraceIdError), "{bad}");
        }
    }
}
