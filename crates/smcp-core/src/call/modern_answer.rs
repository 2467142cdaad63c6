//! Judging what hosted code answers on 2026-07-28: one response to the one request, with its state sealed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Map, Value, json};
use smcp_mcp::{
    Batches, Message, MessageKind, Outcome, errors,
    rounds::{self, Question},
    sse,
};
use smcp_types::{Error, Refusal, Result};

use super::{exchange::Most, relay, state::Asked};
use crate::{Platform, ports::HostedBody, timeout::within};

/// A response that may go to the client.
pub(super) struct Judged {
    /// The status that belongs to its error code, if the revision says which.
    pub(super) status: Option<StatusCode>,
    /// What goes instead of what came, where that differs.
    pub(super) body: Option<String>,
}

/// Judges a whole answer.
///
/// # Errors
/// `Hosted` when it is not the response to this request.
pub(super) fn json(platform: &Platform, asked: &Asked, raw: &[u8]) -> Result<Judged> {
    let parsed = smcp_mcp::parse(raw, Batches::Refused).map_err(garbage)?;
    match parsed.messages() {
        [message] if matches!(message.kind, MessageKind::Response { .. }) => {
            response(platform, asked, message)
        }
        _ => Err(garbage("it is no JSON-RPC response")),
    }
}

/// Judges one response.
pub(super) fn response(platform: &Platform, asked: &Asked, message: &Message<'_>) -> Result<Judged> {
    let MessageKind::Response { id, outcome } = &message.kind else {
        return Err(garbage("it is no JSON-RPC response"));
    };
    match (id, outcome) {
        (Some(id), _) if *id != asked.id => Err(garbage("it answers another request")),
        (None, Outcome::Result(_)) => Err(garbage("it has no id")),
        (_, Outcome::Error(error)) => Ok(Judged { status: status_of(error.code), body: None }),
        (_, Outcome::Result(result)) if asked.has_rounds() => {
            let Some(question) = rounds::question(result).map_err(garbage)? else {
                return Ok(Judged { status: None, body: None });
            };
            if let Some(missing) = missing(asked, &question) {
                return Ok(missing);
            }
            let sealed = platform.seal_state(asked, question.state.as_deref())?;
            let body = rounds::with_asked_state(message, &sealed);
            Ok(Judged { status: None, body: Some(body.ok_or_else(|| garbage("it has no result"))?) })
        }
        (_, Outcome::Result(_)) => Ok(Judged { status: None, body: None }),
    }
}

/// A question that the client cannot answer is not put to it (Multi Round-Trip Requests, "Server Requirements").
fn missing(asked: &Asked, question: &Question) -> Option<Judged> {
    let missing = question.needs.iter().filter(|need| !asked.capabilities.iter().any(|has| has == *need));
    let required: Map<String, Value> = missing.map(|need| ((*need).to_owned(), json!({}))).collect();
    if required.is_empty() {
        return None;
    }
    let code = errors::MISSING_REQUIRED_CLIENT_CAPABILITY;
    let data = json!({ "requiredCapabilities": required });
    let text = "the server asks for what the client has not declared";
    let body = errors::error_body(Some(&asked.id), code, text, Some(data));
    Some(Judged { status: Some(StatusCode::BAD_REQUEST), body: Some(body) })
}

/// The status of errors that clients tell by it (Streamable HTTP, "Protocol Version Header", "Server Validation").
fn status_of(code: i64) -> Option<StatusCode> {
    match i32::try_from(code) {
        Ok(errors::METHOD_NOT_FOUND) => Some(StatusCode::NOT_FOUND),
        Ok(
            errors::HEADER_MISMATCH
            | errors::MISSING_REQUIRED_CLIENT_CAPABILITY
            | errors::UNSUPPORTED_PROTOCOL_VERSION,
        ) => Some(StatusCode::BAD_REQUEST),
        _ => None,
    }
}

pub(super) fn garbage(why: impl ToString) -> Error {
    Error::Hosted(Refusal::new(format!("its answer is not MCP: {}", why.to_string())))
}

/// The stream that answers one request: notifications, then the response, which ends it.
struct Relay {
    platform: Arc<Platform>,
    asked: Asked,
    upstream: HostedBody,
    decoder: sse::Decoder,
    deadline: Duration,
    limit: Duration,
    read: usize,
    most: Most,
    over: bool,
}

/// Passes on what belongs to the request. When the stream breaks off, says something that is not MCP, is not over
/// within `limit` or has more than `most` bytes, the request is answered with an error that says so.
pub(super) fn relay(
    platform: &Arc<Platform>,
    asked: Asked,
    upstream: HostedBody,
    (limit, most): (Duration, Most),
) -> HostedBody {
    let relay = Relay {
        platform: Arc::clone(platform),
        asked,
        upstream,
        decoder: sse::Decoder::new(most.bytes),
        deadline: platform.clock.monotonic().saturating_add(limit),
        limit,
        read: 0,
        most,
        over: false,
    };
    Box::pin(stream::unfold(relay, |mut relay| async move {
        let chunk = relay.next().await?;
        Some((Ok(chunk), relay))
    }))
}

impl Relay {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let left = self.deadline.saturating_sub(self.platform.clock.monotonic());
            let out = match within(&*self.platform.clock, left, self.upstream.next()).await {
                None => Err(relay::timed_out(self.limit)),
                Some(None) => Err(Error::Hosted(Refusal::new("it closed the stream without an answer"))),
                Some(Some(Err(error))) => Err(error),
                Some(Some(Ok(chunk))) => self.take(&chunk),
            };
            match out {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Some(out.into()),
                Err(error) => {
                    self.over = true;
                    return Some(failure(&self.asked, &error));
                }
            }
        }
        None
    }

    /// The events of a chunk, without their ids: nothing can be resumed on this revision.
    fn take(&mut self, chunk: &[u8]) -> Result<Vec<u8>> {
        self.read += chunk.len();
        self.most.fits(self.read)?;
        let mut events = Vec::new();
        self.decoder.push(chunk, &mut events).map_err(garbage)?;
        self.most.hold(self.decoder.held())?;
        let mut out = Vec::new();
        if events.is_empty() && self.decoder.is_between_events() {
            // A comment: somebody wants the connection to look alive.
            out.extend_from_slice(b":\n\n");
        }
        for data in events.into_iter().filter_map(|event| event.data) {
            match self.pass(data) {
                Ok(Some(data)) => sse::encode(&sse::Event::message(data), &mut out),
                Ok(None) => {}
                Err(error) => {
                    self.over = true;
                    out.extend_from_slice(&failure(&self.asked, &error));
                }
            }
            if self.over {
                break;
            }
        }
        Ok(out)
    }

    fn pass(&mut self, data: String) -> Result<Option<String>> {
        let parsed = smcp_mcp::parse(data.as_bytes(), Batches::Refused).map_err(garbage)?;
        let [message] = parsed.messages() else { return Err(garbage("it is no message")) };
        match &message.kind {
            MessageKind::Notification { .. } => Ok(Some(data)),
            MessageKind::Request { .. } => Err(garbage("it sends a request of its own on a stream")),
            MessageKind::Response { .. } => {
                let judged = response(&self.platform, &self.asked, message)?;
                self.over = true;
                Ok(Some(judged.body.unwrap_or(data)))
            }
        }
    }
}

/// The last event of a stream that went wrong.
pub(super) fn failure(asked: &Asked, error: &Error) -> Bytes {
    tracing::warn!(request.id = %asked.request_id, reason = %error, "a stream of a hosted server failed");
    let data = json!({ "requestId": asked.request_id.to_string() });
    let body = errors::error_body(Some(&asked.id), errors::INTERNAL_ERROR, &relay::spoken(error), Some(data));
    let mut out = Vec::new();
    sse::encode(&sse::Event::message(body), &mut out);
    out.into()
}
