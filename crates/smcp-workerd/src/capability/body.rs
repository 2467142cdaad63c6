//! Bodies in and out: nothing is read without a bound.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, header};
use smcp_core::{ports::HostedBody, room::Share};
use smcp_types::{Error, Refusal, Result};

/// A body that is one piece.
pub(super) fn whole(bytes: impl Into<Bytes>) -> HostedBody {
    let bytes = bytes.into();
    Box::pin(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
}

/// A body that is one piece and takes its share of the room until whoever reads it has taken it.
///
/// # Errors
/// `Unavailable` when there is no room.
pub(super) fn held(bytes: Vec<u8>, mut share: Share) -> Result<HostedBody> {
    share.set(bytes.len())?;
    Ok(whole(share.hold(bytes)))
}

/// A stream that keeps a share for as long as it is there.
pub(super) fn with_share(body: HostedBody, share: Share) -> HostedBody {
    Box::pin(stream::unfold((body, share), |(mut body, share)| async move {
        let piece = body.next().await?;
        Some((piece, (body, share)))
    }))
}

/// The length that the head announces, if it does.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads all of a body of at most `limit` bytes. What has come takes its share of the room.
///
/// # Errors
/// `TooLarge`, naming `what`; `Unavailable` when there is no room; `Invalid` when it is shorter or longer than announced;
/// what cut it off.
pub(super) async fn read(
    (headers, mut body): (&HeaderMap, HostedBody),
    (limit, what): (usize, &str),
    share: &mut Share,
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
        share.set(all.len() + piece.len())?;
        all.extend_from_slice(&piece);
    }
    if announced.is_some_and(|length| length != all.len() as u64) {
        return Err(Error::invalid("the body is not as long as announced"));
    }
    Ok(all)
}
