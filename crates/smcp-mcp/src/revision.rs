//! The published revisions of MCP, in order, and the two eras they belong to.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A revision of the protocol. Ordered by date of publication.
#[allow(non_camel_case_types, reason = "the specification names its revisions by date")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// HTTP with SSE in two endpoints; here it is spoken over Streamable HTTP, as SDKs do.
    V2024_11_05,
    /// Streamable HTTP, and the one revision with JSON-RPC batches.
    V2025_03_26,
    /// The `MCP-Protocol-Version` header; batches are gone.
    V2025_06_18,
    /// Tasks, icons, resumable polling. The last one with `initialize`.
    V2025_11_25,
    /// Stateless: every request carries its revision and capabilities in `_meta`.
    V2026_07_28,
}

/// How a revision starts and keeps a conversation (2026-07-28, basic/versioning, "Terminology").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// A session made by `initialize`.
    Legacy,
    /// Metadata on every request, no session.
    Modern,
}

/// The text names no revision that this build knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision of MCP that is known here")]
pub struct UnknownRevision;

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The last revision with sessions: what we ask a legacy server for.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// The latest revision.
    pub const LATEST: Self = Self::V2026_07_28;

    /// The revision as the protocol writes it: its date.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era the revision belongs to.
    #[must_use]
    pub const fn era(self) -> Era {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => Era::Legacy,
            Self::V2026_07_28 => Era::Modern,
        }
    }

    /// Whether a body may be a JSON-RPC batch. 2025-03-26 (basic/index, "Batching") alone says so: 2024-11-05 lists
    /// three message types and no array of them, and 2025-06-18 took batches out again.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// Whether clients send `MCP-Protocol-Version` with every request after the first (from 2025-06-18 on).
    #[must_use]
    pub const fn has_version_header(self) -> bool {
        match self {
            Self::V2024_11_05 | Self::V2025_03_26 => false,
            Self::V2025_06_18 | Self::V2025_11_25 | Self::V2026_07_28 => true,
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, UnknownRevision> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text).ok_or(UnknownRevision)
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_order() {
        assert!(Revision::ALL.is_sorted());
        for revision in Revision::ALL {
            assert_eq!(revision.to_string().parse(), Ok(revision));
        }
        for unknown in ["", "2025-11-26", "2026-07-28 ", "draft", "DRAFT-2026-v1"] {
            assert_eq!(unknown.parse::<Revision>(), Err(UnknownRevision), "{unknown}");
        }
    }

    #[test]
    fn one_revision_has_batches_and_one_is_modern() {
        let having =
            |test: fn(Revision) -> bool| Revision::ALL.into_iter().filter(|r| test(*r)).collect::<Vec<_>>();
        assert_eq!(having(Revision::has_batches), [Revision::V2025_03_26]);
        assert_eq!(having(|r| r.era() == Era::Modern), [Revision::V2026_07_28]);
        assert_eq!(Revision::LATEST_LEGACY.era(), Era::Legacy);
    }
}
