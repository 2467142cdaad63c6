//! Reading the targets of requests: percent-encoding and queries, strictly.

use smcp_types::{Error, Result};

/// Longest target that is looked at: every byte of the longest prefix and cursor encoded is shorter.
const MAX_BYTES: usize = 8 << 10;
/// Most parameters of a query.
const MAX_PARAMETERS: usize = 16;

/// The text that a percent-encoded one stands for.
///
/// # Errors
/// `Invalid` for a `%` without two hexadecimal digits, and for what is not UTF-8.
pub(super) fn decode(text: &str) -> Result<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digit = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
            let pair = digit(1).zip(digit(2)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            out.push(pair.ok_or_else(|| Error::invalid("the target is not percent-encoded rightly"))?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).map_err(|_| Error::invalid("the target is not UTF-8"))
}

/// A query's parameters: names and values, decoded, in their order.
///
/// # Errors
/// As `decode`; `Invalid` for too many.
pub(super) fn query(uri: &http::Uri) -> Result<Vec<(String, String)>> {
    let query = uri.query().unwrap_or_default();
    if query.len() > MAX_BYTES {
        return Err(Error::invalid("the query is too long"));
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    if pairs.clone().count() > MAX_PARAMETERS {
        return Err(Error::invalid("the query has too many parameters"));
    }
    let form = |text: &str| decode(&text.replace('+', " "));
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((form(name)?, form(value)?))
        })
        .collect()
}
