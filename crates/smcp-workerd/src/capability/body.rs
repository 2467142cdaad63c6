//! Bodies in and out: nothing is read without a bound.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, header};
use smcp_core::ports::HostedBody;
use smcp_types::{Error, Refusal, Result};

/// A body that is one piece.
pub(super) fn whole(bytes: impl Into<Bytes>) -> HostedBody {
    let bytes = bytes.into();
    Box::pin(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
}

/// The length that the head announces, if it does.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads all of a body of at most `limit` bytes.
///
/// # Errors
/// `TooLarge`, naming `what`; `Invalid` when it is shorter or longer than announced; what cut it off.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: HostedBody,
    limit: usize,
    what: &str,
) -> Result<Vec<u8>> {
    let too_large = || Error::TooLarge(Refusal::new(format!("{what} has at most {limit} bytes")));
    let announced = announced(headers);
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if all.len() + piece.len() > limit {
            return Err(too_large());
        }
        all.extend_from_slice(&piece);
    }
    if announced.is_some_and(|length| length != all.len() as u64) {
        return Err(Error::invalid("the body is not as long as announced"));
    }
    Ok(all)
}
