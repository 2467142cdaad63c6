//! Bodies in and out: nothing is read without a bound.

use std::sync::{Arc, Mutex, PoisonError};

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

/// What a service has left of a body.
pub(super) struct Rest(Arc<Mutex<HostedBody>>);

/// A body for a service, and what it leaves of it.
pub(super) fn shared(body: HostedBody) -> (HostedBody, Rest) {
    let rest = Rest(Arc::new(Mutex::new(body)));
    (rest.reader(), rest)
}

impl Rest {
    fn reader(&self) -> HostedBody {
        let body = Arc::clone(&self.0);
        Box::pin(stream::poll_fn(move |context| {
            body.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
        }))
    }

    /// Reads up to so many bytes and keeps nothing of them: unread ones would reset the connection, answer and all.
    pub(super) async fn pass_over(self, most: usize) {
        let (mut left, mut body) = (most, self.reader());
        while let Some(Ok(chunk)) = body.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(count: u8) -> HostedBody {
        Box::pin(stream::iter((0..count).map(|number| Ok(Bytes::from(vec![number; 4])))))
    }

    #[tokio::test]
    async fn what_a_service_leaves_is_read_up_to_a_bound() {
        let (mut body, rest) = shared(pieces(3));
        assert_eq!(body.next().await.unwrap().unwrap(), [0; 4][..]);
        rest.pass_over(1 << 20).await;
        assert!(body.next().await.is_none(), "all of it was read");
        let (mut body, rest) = shared(pieces(3));
        rest.pass_over(8).await;
        assert_eq!(body.next().await.unwrap().unwrap(), [2; 4][..], "more than that was not");
    }
}
