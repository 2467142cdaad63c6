//! Relaying an event stream: bytes pass unchanged; requests the stream leaves open get an error before it ends.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use smcp_mcp::{Batches, MessageId, MessageKind, errors, sse};
use smcp_types::{Error, Refusal, Result};

use super::exchange::Most;
use crate::{
    ports::{Clock, HostedBody},
    timeout::within,
};

/// Where a relayed stream is.
struct Relay {
    upstream: HostedBody,
    /// Requests nobody has answered yet.
    waiting: Vec<MessageId>,
    /// `None` once the stream can no longer be followed.
    decoder: Option<sse::Decoder>,
    /// The server numbers its events: it may close the stream and answer on another (2025-11-25, Transports,
    /// Resumability and Redelivery), so that an early end is no failure.
    resumable: bool,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    limit: Duration,
    over: bool,
    read: usize,
    most: Most,
}

/// The stream that answers a POST. When it breaks off, or is not over within `limit`, or has
/// more than `most` bytes, each request still waiting is answered with an error that says so, and the stream ends.
pub(super) fn answering(
    upstream: HostedBody,
    waiting: Vec<MessageId>,
    clock: Arc<dyn Clock>,
    (limit, most): (Duration, Most),
) -> HostedBody {
    let deadline = clock.monotonic().saturating_add(limit);
    let decoder = Some(sse::Decoder::new(most.bytes));
    let relay = Relay {
        upstream,
        waiting,
        decoder,
        resumable: false,
        clock,
        deadline,
        limit,
        over: false,
        read: 0,
        most,
    };
    Box::pin(stream::unfold(relay, |mut relay| async move {
        let chunk = relay.next().await?;
        Some((Ok(chunk), relay))
    }))
}

impl Relay {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let left = self.deadline.saturating_sub(self.clock.monotonic());
        match within(&*self.clock, left, self.upstream.next()).await {
            None => self.give_up(&timed_out(self.limit)),
            Some(read) => self.take(read),
        }
    }

    fn take(&mut self, read: Option<Result<Bytes>>) -> Option<Bytes> {
        match read {
            Some(Ok(chunk)) => {
                self.read += chunk.len();
                if let Err(error) = self.most.fits(self.read) {
                    return self.give_up(&error);
                }
                self.note(&chunk);
                let held = self.decoder.as_ref().map_or(0, sse::Decoder::held);
                match self.most.hold(held) {
                    Ok(()) => Some(chunk),
                    Err(error) => self.give_up(&error),
                }
            }
            Some(Err(error)) => self.give_up(&error),
            None if self.resumable => {
                self.over = true;
                None
            }
            None => self.give_up(&Error::Hosted(Refusal::new("it closed the stream without an answer"))),
        }
    }

    /// Notes which requests a chunk answers.
    fn note(&mut self, chunk: &[u8]) {
        let Some(decoder) = &mut self.decoder else { return };
        let mut events = Vec::new();
        if decoder.push(chunk, &mut events).is_err() {
            self.decoder = None;
        }
        for event in events {
            self.resumable |= event.id.is_some();
            if let Some(data) = event.data.filter(|_| !self.waiting.is_empty()) {
                let answered = answered_ids(data.as_bytes());
                self.waiting.retain(|waiting| !answered.contains(waiting));
            }
        }
    }

    /// The last chunk: an error for each request that is still open, or nothing if there is none.
    fn give_up(&mut self, why: &Error) -> Option<Bytes> {
        self.over = true;
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return None;
        }
        // Whatever line the upstream was cut off in must not swallow ours.
        let mut out = b"\n\n".to_vec();
        for id in waiting {
            let body = smcp_mcp::errors::error_body(Some(&id), errors::INTERNAL_ERROR, &spoken(why), None);
            sse::encode(&sse::Event::message(body), &mut out);
        }
        Some(out.into())
    }
}

/// The stream of what a server says by itself, without its ids: nobody could come back with them.
pub(super) fn without_ids(upstream: HostedBody, limit: usize) -> HostedBody {
    let mut decoder = sse::Decoder::new(limit);
    Box::pin(upstream.map(move |chunk| {
        let (mut events, mut out) = (Vec::new(), Vec::new());
        let read = decoder.push(&chunk?, &mut events);
        read.map_err(|error| Error::Hosted(Refusal::new(error.to_string())))?;
        events.into_iter().for_each(|event| sse::encode(&sse::Event { id: None, ..event }, &mut out));
        Ok(out.into())
    }))
}

/// What a client is told of a failure inside a stream, where no status can say it any more.
pub(super) fn spoken(error: &Error) -> String {
    match error {
        Error::Hosted(refusal) => format!("the hosted server failed: {refusal}"),
        Error::TimedOut(refusal) | Error::Unavailable(refusal) => refusal.message.clone(),
        Error::Invalid(_)
        | Error::Unauthenticated
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::TooLarge(_)
        | Error::Limited { .. }
        | Error::Damaged(_)
        | Error::Internal(_) => "the call failed".to_owned(),
    }
}

/// The error of a call that took too long.
pub(super) fn timed_out(limit: Duration) -> Error {
    Error::TimedOut(
        Refusal::new(format!("the hosted server did not answer within {} ms", limit.as_millis()))
            .hint("`limits.call_timeout_ms` in smcp.toml"),
    )
}

/// The requests that a message answers, or a batch of them.
pub(crate) fn answered_ids(messages: &[u8]) -> Vec<MessageId> {
    let Ok(body) = smcp_mcp::parse(messages, Batches::Allowed) else { return Vec::new() };
    let answered = body.messages().iter().filter_map(|message| match &message.kind {
        MessageKind::Response { id, .. } => id.clone(),
        MessageKind::Request { .. } | MessageKind::Notification { .. } => None,
    });
    answered.collect()
}
