//! Opaque ids: UUIDv7 in memory, lower-case base32 in text (DESIGN 16).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

use crate::{UnixMillis, base32};

/// Characters of an id in text: 128 bits in base32 without padding.
const TEXT_CHARS: usize = 26;

/// The text is not an id: 26 characters of lower-case base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 26 characters of lower-case base32")]
pub struct ParseIdError;

fn decode(text: &str) -> Result<[u8; 16], ParseIdError> {
    if text.len() != TEXT_CHARS {
        return Err(ParseIdError);
    }
    let bytes = base32::decode(text).map_err(|_| ParseIdError)?;
    bytes.try_into().map_err(|_| ParseIdError)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Makes a UUIDv7 from the time and ten random bytes (RFC 9562, section 5.7).
            #[must_use]
            pub fn new(now: UnixMillis, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.0).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes())
            }

            /// The id with these bytes, as a store or a sealed token holds them.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base32::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), base32::encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                decode(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A tenant. Leads every primary key; stands in every API key.
    TenantId;
    /// A hosted server of a tenant; outlives its versions and its slug.
    ServerId;
    /// An API key's record. Stays the same when the key is rotated: it is the key's lineage.
    KeyId;
    /// A legacy MCP session, inside the sealed `Mcp-Session-Id`.
    SessionId;
    /// An event stream that answers a legacy request, inside every event id.
    StreamId;
    /// One request to the platform; in every answer, log line and error.
    RequestId;
    /// An entry of the key ring: a sealing key, a pepper.
    RingKeyId;
    /// A key of a tenant's data: stands in everything sealed with it.
    DataKeyId;
    /// A master key, named by something derived from it that says nothing about it.
    MasterKeyId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_sorts_by_time() {
        let early = TenantId::new(UnixMillis(1_000), [7; 10]);
        let late = TenantId::new(UnixMillis(2_000), [3; 10]);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.as_bytes()[6] >> 4, 7, "the version nibble says 7");
    }

    #[test]
    fn other_spellings_are_refused() {
        // The last character carries three bits: of 77777777777777777777777774 no other ending reads the same.
        assert_eq!(ServerId::from_bytes([0xff; 16]).to_string(), "77777777777777777777777774");
        let id = ServerId::from_bytes([0x5a; 16]).to_string();
        for bad in [
            "",
            "77777777777777777777777775",
            &id.to_uppercase(),
            &format!("{id}a"),
            &id[1..],
            &id.replace('l', "1"),
            "é777777777777777777777777",
        ] {
            assert_eq!(bad.parse::<ServerId>(), Err(ParseIdError), "{bad}");
        }
    }
}
