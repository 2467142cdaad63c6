//! `Mcp-Session-Id`: the text that a client holds, and what is sealed in it.

use crate::Revision;
use data_encoding::BASE64URL_NOPAD;
use smcp_types::{SessionId, UnixMillis};

/// Longest sealed id worth opening: ours have about 150 characters.
const MAX_SEALED_CHARS: usize = 256;
/// Longest session id taken from a hosted server.
const MAX_INNER_CHARS: usize = 512;

/// All that never changes about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionClaims {
    /// Which one.
    pub session: SessionId,
    /// Whose it is, as a fingerprint.
    pub caller: [u8; 16],
    /// What was agreed on.
    pub revision: Revision,
    /// When it ends, however busy it is.
    pub expires: UnixMillis,
}

impl SessionClaims {
    /// What is sealed.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(50);
        out.extend_from_slice(self.session.as_bytes());
        out.extend_from_slice(&self.caller);
        out.extend_from_slice(&self.expires.0.to_be_bytes());
        out.extend_from_slice(self.revision.as_str().as_bytes());
        out
    }

    /// Reads what was sealed. `None` when it is something else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (caller, rest) = rest.split_first_chunk::<16>()?;
        let (expires, revision) = rest.split_first_chunk::<8>()?;
        Some(Self {
            session: SessionId::from_bytes(*session),
            caller: *caller,
            expires: UnixMillis(i64::from_be_bytes(*expires)),
            revision: std::str::from_utf8(revision).ok()?.parse().ok()?,
        })
    }
}

/// The text of a sealed id.
#[must_use]
pub fn encode_session_id(sealed: &[u8]) -> String {
    BASE64URL_NOPAD.encode(sealed)
}

/// The sealed bytes of a text. `None` when it is none of ours, or too long; each has one spelling.
#[must_use]
pub fn decode_session_id(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_SEALED_CHARS { None } else { BASE64URL_NOPAD.decode(text.as_bytes()).ok() }
}

/// A session id from hosted code is fit to be sent back to it: visible ASCII (2025-11-25, Transports, Session
/// Management) and not endless.
#[must_use]
pub fn hosted_id_is_sound(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_INNER_CHARS && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn claims_survive(session in any::<[u8; 16]>(), caller in any::<[u8; 16]>(), expires in any::<i64>(), at in 0_usize..5) {
            let claims = SessionClaims {
                session: SessionId::from_bytes(session),
                caller,
                revision: Revision::ALL[at],
                expires: UnixMillis(expires),
            };
            prop_assert_eq!(SessionClaims::from_bytes(&claims.to_bytes()), Some(claims));
            let text = encode_session_id(&claims.to_bytes());
            prop_assert!(hosted_id_is_sound(&text));
            prop_assert_eq!(decode_session_id(&text), Some(claims.to_bytes()));
        }
    }

    #[test]
    fn anything_else_is_none() {
        assert_eq!(decode_session_id(&"A".repeat(257)), None);
        assert_eq!(decode_session_id("A=="), None);
        assert_eq!(decode_session_id("AB"), None, "bits that say nothing");
        for bytes in
            [&[][..], &[0; 39], &[0; 40], &[0; 50], b"0123456789abcdef0123456789abcdef012345672025-11-2"]
        {
            assert_eq!(SessionClaims::from_bytes(bytes), None);
        }
        for id in ["", "a b", "é", "a\n", &"x".repeat(513)] {
            assert!(!hosted_id_is_sound(id));
        }
    }
}
