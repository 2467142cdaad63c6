//! A request of 2026-07-28: stateless, checked against its headers and its metadata, cancelled when its client goes.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;
use smcp_mcp::{
    Batches, Body, Message, MessageId, MessageKind, Method, RequestMeta, check_modern, errors, rounds,
};
use smcp_types::{Error, Refusal, Result};

use super::{
    Cause, Conversation, McpBody, McpFailure, McpResponse,
    answer::{self, Form},
    exchange::Most,
    listening, modern_answer,
    state::{Asked, Brought},
};
use crate::{
    Platform,
    authority::{Permit, UseServer},
    context::Ctx,
    ports::HostedRequest,
    servers::version_ref,
};

/// A permitted request, ready to go.
struct Modern {
    permit: Permit<UseServer>,
    request: HostedRequest,
    /// What the answer has to be to; `None` for a notification.
    asked: Option<Asked>,
    is_listen: bool,
}

impl Platform {
    /// POST on 2026-07-28. Dropping what this returns drops the call upstream (Streamable HTTP, "Cancellation").
    pub(super) async fn send_modern(
        self: &Arc<Self>,
        ctx: &Ctx,
        mut talk: Conversation,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<McpResponse, McpFailure> {
        let id = message_id(&body);
        let failed = |error: Error| McpFailure { id: id.clone(), cause: Cause::Platform(error) };
        let ready = self.ready_modern(ctx, &mut talk, headers, &body).await?;
        let started = self.clock.monotonic();
        let limit = ready.request.head_timeout;
        let most = Most::of(self, &talk);
        let call = self.isolates.call(&ready.permit, &talk.active.target, ready.request);
        let response = call.await.map_err(failed)?;
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(started));
        let form = answer::form(&response).map_err(failed)?;
        let mut headers = answer::passed_back(&response.headers, form);
        let Some(asked) = ready.asked else {
            // A notification: there is no message to send back.
            headers.remove(http::header::CONTENT_TYPE);
            let body = McpBody::Whole(Bytes::new());
            return Ok(McpResponse { status: response.status, headers, body });
        };
        match form {
            Form::Empty => {
                let status = response.status.as_u16();
                let message = format!("it answered {status} without a message");
                Err(failed(Error::Hosted(Refusal::new(message))))
            }
            Form::Json => {
                let raw = self.read_json(response.body, (left, most)).await.map_err(failed)?;
                let judged = modern_answer::json(self, &asked, &raw).map_err(failed)?;
                let status = judged.status.unwrap_or(response.status);
                let body = McpBody::Whole(judged.body.map_or(raw, Bytes::from));
                Ok(McpResponse { status, headers, body })
            }
            Form::Events if response.status != StatusCode::OK => {
                let message = format!("it answered {} with a stream", response.status.as_u16());
                Err(failed(Error::Hosted(Refusal::new(message))))
            }
            Form::Events => {
                let body = if ready.is_listen {
                    listening::relay(self, asked, response.body, most)
                } else {
                    modern_answer::relay(self, asked, response.body, (left, most))
                };
                Ok(McpResponse { status: response.status, headers, body: McpBody::Stream(body) })
            }
        }
    }

    /// Everything that is checked before the hosted server hears of the request.
    async fn ready_modern(
        &self,
        ctx: &Ctx,
        talk: &mut Conversation,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Modern, McpFailure> {
        let parsed = smcp_mcp::parse(body, Batches::Refused)?;
        let [message] = parsed.messages() else {
            return Err(Error::internal("a single message is not one").into());
        };
        let id = message.id().cloned();
        let failed = |cause: Cause| McpFailure { id: id.clone(), cause };
        let meta = checked(message, talk, headers).map_err(failed)?;
        let checked = self.check_messages(ctx, talk, &parsed)?;
        let method = Method::of(message.method().unwrap_or_default());
        mirrors(message, &method, talk, headers).map_err(failed)?;
        let to = (&talk.server, talk.active.digest());
        let asked = id.clone().map(|id| Asked::new(ctx, to, id, (&method, message.params()), &meta));
        let mut sent = body.clone();
        let brought = match &asked {
            Some(asked) if rounds::has_rounds(&method) => {
                self.brought_state(asked, message.params()).map_err(failed)?
            }
            _ => None,
        };
        if let Some(Brought { version, own }) = brought {
            let changed = rounds::with_brought_state(message, own.as_deref());
            sent = changed.ok_or_else(|| Error::internal("a checked request has no parameters"))?.into();
            if version != talk.active.digest() {
                self.back_to(talk, version).await.map_err(|error| failed(Cause::Platform(error)))?;
            }
        }
        let mut request = self
            .hosted_request(ctx, talk, &with_trace(headers, &meta), http::Method::POST, sent)
            .map_err(|error| failed(Cause::Platform(error)))?;
        if asked.is_none() {
            // Nothing was compared with a notification's.
            super::message::remove_mirrors(&mut request.headers);
        }
        // What is asked next is bound to the version that is asked now.
        let asked = asked.map(|asked| asked.of_version(talk.active.digest()));
        let is_listen = method == Method::SubscriptionsListen;
        Ok(Modern { permit: checked.permit, request, asked, is_listen })
    }

    /// A retry goes to the version that asked, as long as it is there.
    async fn back_to(&self, talk: &mut Conversation, version: smcp_types::Digest) -> Result<()> {
        let gone = || {
            Error::Conflict(
                Refusal::new("the version that asked for input is gone").hint("make the call again"),
            )
        };
        // Objects have one process at a time, and that is the active version's.
        if talk.active.target.keeps_state() {
            return Err(gone());
        }
        let issuing = self.stored_version(version_ref(&talk.server, version)).await?;
        talk.active = issuing.ok_or_else(gone)?;
        Ok(())
    }
}

/// What the message itself must be on this revision.
fn checked(message: &Message<'_>, talk: &Conversation, headers: &HeaderMap) -> Result<RequestMeta, Cause> {
    let name = match &message.kind {
        MessageKind::Request { method, .. } => method,
        // "Header requirements for notification POSTs are not defined by this revision."
        MessageKind::Notification { .. } => return Ok(RequestMeta::default()),
        MessageKind::Response { .. } => {
            let message = "on this revision a client sends requests, never responses".to_owned();
            return Err(Cause::Envelope { code: errors::INVALID_REQUEST, message });
        }
    };
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let meta = check_modern(message, talk.revision, header)
        .map_err(|fault| Cause::Envelope { code: fault.code, message: fault.message })?;
    if Method::of(name).is_gone_in_modern_era() {
        return Err(Cause::UnknownMethod);
    }
    Ok(meta)
}

/// Parameters that headers repeat, by the schema that was pinned.
fn mirrors(
    message: &Message<'_>,
    method: &Method,
    talk: &Conversation,
    headers: &HeaderMap,
) -> Result<(), Cause> {
    if *method != Method::ToolsCall || talk.active.mirrors.is_empty() || !talk.active.is_pinned() {
        return Ok(());
    }
    let params = message.params().and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let params = params.unwrap_or_default();
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some(mirrors) = talk.active.mirrors.get(name) else { return Ok(()) };
    let all = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    mirrors
        .check(params.get("arguments"), all)
        .map_err(|message| Cause::Envelope { code: errors::HEADER_MISMATCH, message })
}

/// The client's headers, with the trace that its `_meta` names when no header does.
fn with_trace(headers: &HeaderMap, meta: &RequestMeta) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove("last-event-id");
    if headers.contains_key("traceparent") {
        return headers;
    }
    headers.remove("tracestate");
    for (name, value) in [("traceparent", &meta.traceparent), ("tracestate", &meta.tracestate)] {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A body of 2026-07-28 whose header is missing is not taken for one of an older revision (Streamable HTTP, "Server
/// Validation").
pub(super) fn check_is_legacy(headers: &HeaderMap, body: &Body<'_>) -> Result<(), McpFailure> {
    let [message] = body.messages() else { return Ok(()) };
    if headers.contains_key("mcp-protocol-version") || smcp_mcp::spoken_revision(message).is_none() {
        return Ok(());
    }
    let text = "the header mcp-protocol-version is missing, and `_meta` names a revision that needs it";
    let cause = Cause::Envelope { code: errors::HEADER_MISMATCH, message: text.to_owned() };
    Err(McpFailure { id: message.id().cloned(), cause })
}

/// Whether a body is the question what the server is.
pub(super) fn discovers(body: &[u8]) -> bool {
    let Ok(parsed) = smcp_mcp::parse(body, Batches::Refused) else { return false };
    matches!(parsed.messages(), [message] if message.method() == Some("server/discover"))
}

/// The id of the request in a body, if there is one that can be read without doubt.
pub(super) fn message_id(body: &[u8]) -> Option<MessageId> {
    match smcp_mcp::parse(body, Batches::Refused) {
        Ok(parsed) => parsed.messages().first()?.id().cloned(),
        Err(error) => error.id,
    }
}
