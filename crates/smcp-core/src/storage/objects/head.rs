//! What is known of an object beside its content, and what a request may demand of it.

use serde::{Deserialize, Serialize};
use smcp_types::UnixMillis;

/// The headers an object is served with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpFields {
    /// `Content-Type`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Language`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Cache-Control`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Expires`, as milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_expiry: Option<String>,
}

/// One entry of custom metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomField {
    /// Its name.
    pub k: String,
    /// Its value.
    pub v: String,
}

/// Hashes of the content, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums {
    /// MD5; of every object that was put at once.
    #[serde(default)]
    pub md5: Option<String>,
    /// SHA-1, if it was given.
    #[serde(default)]
    pub sha1: Option<String>,
    /// SHA-256, if it was given.
    #[serde(default)]
    pub sha256: Option<String>,
    /// SHA-384, if it was given.
    #[serde(default)]
    pub sha384: Option<String>,
    /// SHA-512, if it was given.
    #[serde(default)]
    pub sha512: Option<String>,
}

/// What a writer says of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Headers.
    pub http: HttpFields,
    /// Custom metadata.
    pub custom: Vec<CustomField>,
}

/// Everything known of an object beside its content; sealed as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Bytes of content.
    pub size: u64,
    /// MD5 in hexadecimal, or `<hash>-<parts>`.
    pub etag: String,
    /// When it was stored.
    pub uploaded: i64,
    /// What its writer said.
    pub labels: Labels,
    /// Hashes.
    pub checksums: Checksums,
}

/// An etag in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagTest {
    /// Any object.
    Any,
    /// This very content.
    Strong(String),
    /// Content that is as good as this.
    Weak(String),
}

/// Conditions of a request (RFC 9110, section 13, as R2 has them).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One of these must match.
    pub etag_matches: Option<Vec<EtagTest>>,
    /// None of these may match.
    pub etag_does_not_match: Option<Vec<EtagTest>>,
    /// It was stored before this.
    pub uploaded_before: Option<UnixMillis>,
    /// It was stored after this.
    pub uploaded_after: Option<UnixMillis>,
    /// Times are compared by the second.
    pub seconds_granularity: bool,
}

impl Conditions {
    /// Whether they hold for an object, or for none.
    #[must_use]
    pub fn hold(&self, head: Option<&Head>) -> bool {
        let Some(head) = head else { return self.etag_matches.is_none() && self.uploaded_after.is_none() };
        let includes = |tests: &[EtagTest], weak: bool| {
            tests.iter().any(|test| match test {
                EtagTest::Any => true,
                EtagTest::Strong(etag) => *etag == head.etag,
                EtagTest::Weak(etag) => weak && *etag == head.etag,
            })
        };
        let granular = |millis: i64| if self.seconds_granularity { millis.div_euclid(1000) } else { millis };
        let uploaded = granular(head.uploaded);
        let matches = self.etag_matches.as_deref().map(|tests| includes(tests, false));
        let differs = self.etag_does_not_match.as_deref().map(|tests| !includes(tests, true));
        // An etag that was asked for and fits outweighs a time.
        let after = self.uploaded_after.is_none_or(|at| granular(at.0) < uploaded || differs == Some(true));
        let before = self.uploaded_before.is_none_or(|at| uploaded < granular(at.0) || matches == Some(true));
        matches != Some(false) && differs != Some(false) && after && before
    }
}

/// A part of an object's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// From here on, so many.
    From(u64, Option<u64>),
    /// The last so many.
    Suffix(u64),
    /// A `Range` header (RFC 9110, section 14.2); anything but one range means all of it.
    Header(String),
}

impl Range {
    /// Offset and length within `size` bytes; `None` when no byte of it lies in them.
    #[must_use]
    pub fn within(&self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::From(offset, length) => {
                let left = size.checked_sub(*offset)?;
                let length = length.unwrap_or(left).min(left);
                (length > 0).then_some((*offset, length))
            }
            Self::Suffix(0) => None,
            Self::Suffix(last) => {
                let length = size.min(*last);
                (length > 0).then_some((size - length, length))
            }
            Self::Header(text) => match one_range(text) {
                Some((Some(first), last)) => {
                    let length = last.map(|last| last.saturating_sub(first).saturating_add(1));
                    (first < size).then_some(())?;
                    Self::From(first, length).within(size)
                }
                Some((None, Some(last))) => Self::Suffix(last).within(size),
                Some((None, None)) | None => Some((0, size)),
            },
        }
    }
}

fn one_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        digits => digits.parse().ok().map(Some),
    };
    let (first, last) = (number(first)?, number(last)?);
    let ordered = first.zip(last).is_none_or(|(first, last)| first <= last);
    ordered.then_some((first, last))
}
