//! Taking secrets out of what comes back: a second layer, as good as its list of encodings and no better.

mod gzip;
mod spellings;
mod stream;

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use smcp_types::{Error, Result, Secret};
use zeroize::Zeroizing;

pub use gzip::Gunzip;
pub use stream::Redacting;

/// Under which encodings a secret is found, also when it is split over chunks. Anything else that an approved host does
/// with a secret before it sends it back, such as reversing, encrypting or wrapping it to lines, is not seen.
pub const ENCODINGS: &[&str] = &[
    "raw, and in any case of its ASCII letters",
    "base64, standard and URL alphabet, at each of the three alignments to the bytes before it",
    "hexadecimal, upper and lower case",
    "URL percent-encoding: encodeURI, encodeURIComponent, RFC 3986, form, and every byte escaped",
    "JSON escapes: as few as needed, `\\/`, HTML-safe as Go, PHP and .NET write it, ASCII only, and every character as \\u00XX",
    "HTML entities: named, decimal and hexadecimal quotes",
    "as `console.log` shows it inside of something else, and each line of a text of several lines",
    "gzip of a body that says so in Content-Encoding",
];

/// Shorter secrets, in bytes, are not redacted: they would be found in what has nothing to do with them.
pub const SHORTEST_REDACTED: usize = 8;

/// What stands where a secret was.
const MARK: &str = "[redacted]";

/// Finds some secrets in every one of the encodings.
pub struct Redactor {
    finder: AhoCorasick,
    /// What it looks for, lower case, sorted, each once.
    spellings: Vec<Zeroizing<Vec<u8>>>,
}

impl Redactor {
    /// Gets ready for these secrets.
    ///
    /// # Errors
    /// They are too long to be looked for: nothing may pass unseen then.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret<String>>) -> Result<Self> {
        let long = secrets.into_iter().filter(|secret| secret.expose().len() >= SHORTEST_REDACTED);
        let mut spellings: Vec<_> = long.flat_map(|secret| spellings::of(secret.expose())).collect();
        spellings.iter_mut().for_each(|spelling| spelling.make_ascii_lowercase());
        spellings.sort_unstable_by(|one, other| one.as_slice().cmp(other.as_slice()));
        spellings.dedup_by(|one, other| one.as_slice() == other.as_slice());
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(spellings.iter().map(|spelling| spelling.as_slice()))
            .map_err(|_| Error::internal("secrets are too long to be redacted"))?;
        Ok(Self { finder, spellings })
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.spellings.is_empty()
    }

    /// A text without the secrets.
    #[must_use]
    pub fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact_bytes(text.as_bytes())).into_owned()
    }

    /// Bytes without the secrets, where all of them are at hand.
    #[must_use]
    pub fn redact_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        without(bytes, self.merged(bytes))
    }

    /// Where secrets stand; those that overlap are one, so that no rest of either stays.
    fn merged(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        joined(self.finder.find_overlapping_iter(bytes).map(|found| found.range()).collect())
    }

    /// Where the part begins that could be the start of a secret whose rest is still to come.
    fn unfinished(&self, bytes: &[u8]) -> usize {
        let longest = self.spellings.iter().map(|spelling| spelling.len()).max().unwrap_or(0);
        let first = bytes.len().saturating_sub(longest.saturating_sub(1));
        let tail = bytes[first..].to_ascii_lowercase();
        let begins = (0..tail.len()).find(|at| self.starts_one(&tail[*at..]));
        begins.map_or(bytes.len(), |at| first + at)
    }

    fn starts_one(&self, start: &[u8]) -> bool {
        let at = self.spellings.partition_point(|spelling| spelling.as_slice() < start);
        self.spellings[at..]
            .iter()
            .take(2)
            .any(|spelling| spelling.len() > start.len() && spelling.starts_with(start))
    }
}

/// A line without the secrets of any of the redactors. Where its end may be missing, what a secret could begin with does not
/// stay there either.
#[must_use]
pub fn redact_line(redactors: &[&Redactor], line: &str, may_be_cut: bool) -> String {
    let bytes = line.as_bytes();
    let mut found: Vec<_> = redactors.iter().flat_map(|redactor| redactor.merged(bytes)).collect();
    if may_be_cut {
        let begun = redactors.iter().map(|redactor| redactor.unfinished(bytes)).min();
        let rest = begun.filter(|begun| bytes.len() - begun >= SHORTEST_REDACTED);
        found.extend(rest.map(|begun| begun..bytes.len()));
    }
    String::from_utf8_lossy(&without(bytes, joined(found))).into_owned()
}

/// Ranges in order; those that overlap are one.
fn joined(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in found {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            Some(_) | None => joined.push(range),
        }
    }
    joined
}

/// The mark in place of ranges.
fn without(bytes: &[u8], ranges: Vec<Range<usize>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for range in ranges {
        out.extend_from_slice(&bytes[at..range.start]);
        out.extend_from_slice(MARK.as_bytes());
        at = range.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} spellings)", self.spellings.len())
    }
}

#[cfg(test)]
mod tests;
