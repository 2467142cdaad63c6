//! Slugs: the names people give tenants and servers, fit for a path and a DNS label (DESIGN 16).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

use crate::limits::MAX_SLUG_CHARS;

/// Names that would read as the platform's own in a path or a host name. Sorted.
const RESERVED: &[&str] = &[
    "admin",
    "api",
    "app",
    "assets",
    "auth",
    "authorize",
    "console",
    "docs",
    "health",
    "livez",
    "localhost",
    "login",
    "logout",
    "mail",
    "mcp",
    "metrics",
    "oauth",
    "platform",
    "readyz",
    "root",
    "smcp",
    "static",
    "status",
    "support",
    "system",
    "t",
    "token",
    "well-known",
    "www",
];

/// A tenant's or server's name: 1 to 30 characters of `a-z` and `0-9`, with single hyphens inside, not reserved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Why a text is not a slug. Says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseSlugError {
    /// Empty or longer than 30 characters.
    #[error("a name has 1 to 30 characters")]
    Length,
    /// A character that is neither `a-z`, `0-9` nor `-`.
    #[error("a name is made of a-z, 0-9 and hyphens")]
    Character,
    /// A hyphen at an end, or two in a row: `--` separates names in host names.
    #[error("a name has single hyphens, and only inside")]
    Hyphen,
    /// One of the platform's own words.
    #[error("this name is reserved for the platform")]
    Reserved,
}

impl Slug {
    /// The name of the tenant that the platform itself is: the home of its administrators. Nobody else can take it.
    #[must_use]
    pub fn platform() -> Self {
        Self("platform".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text has a slug's form, reserved or not: what a path segment must look like before anything is
    /// looked up.
    ///
    /// # Errors
    /// The first rule the text breaks, except `Reserved`.
    pub fn check_form(text: &str) -> Result<(), ParseSlugError> {
        if text.is_empty() || text.len() > MAX_SLUG_CHARS {
            return Err(ParseSlugError::Length);
        }
        if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(ParseSlugError::Character);
        }
        if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(ParseSlugError::Hyphen);
        }
        Ok(())
    }
}

impl FromStr for Slug {
    type Err = ParseSlugError;

    fn from_str(text: &str) -> Result<Self, ParseSlugError> {
        Self::check_form(text)?;
        if RESERVED.binary_search(&text).is_ok() {
            return Err(ParseSlugError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slug({})", self.0)
    }
}

impl Serialize for Slug {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The platform's own tenant is read back from the store like any other.
        if text == "platform" {
            return Ok(Self::platform());
        }
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_list_is_sorted_for_its_search() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn names_follow_the_rules() {
        for good in ["a", "notes", "my-server-2", "0x", &"a".repeat(30)] {
            assert!(good.parse::<Slug>().is_ok(), "{good}");
        }
        use ParseSlugError::{Character, Hyphen, Length, Reserved};
        for (bad, why) in [
            ("", Length),
            (&*"a".repeat(31), Length),
            ("Notes", Character),
            ("my_server", Character),
            ("é", Character),
            ("-a", Hyphen),
            ("a-", Hyphen),
            ("a--b", Hyphen),
            ("admin", Reserved),
            ("platform", Reserved),
        ] {
            assert_eq!(bad.parse::<Slug>(), Err(why), "{bad}");
        }
    }
}
