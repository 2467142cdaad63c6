//! One exchange with hosted code: send, judge, relay; to its end on legacy revisions, as long as the client is there
//! on modern ones.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};
use smcp_mcp::{Batches, Body, Collector, Era, MessageId, MessageKind, Outcome, Revision, sse};
use smcp_types::{Error, Limit, Refusal, Result};

use super::{
    Conversation, McpBody, McpFailure, McpResponse,
    answer::{self, Form},
    legacy_answer, relay,
    wishes::Wish,
};
use crate::{
    Platform,
    authority::{Permit, UseServer},
    identity::VerifiedCaller,
    ports::{HostedBody, HostedRequest, HostedResponse, Target},
    room::Share,
    session::{self, Begun, LiveSession},
    streams::Owner,
    timeout::within,
};

/// A permitted request, ready to go.
pub(super) struct Call {
    pub(super) talk: Conversation,
    pub(super) permit: Arc<Permit<UseServer>>,
    pub(super) request: HostedRequest,
    /// Requests that wait for an answer.
    pub(super) waiting: Vec<MessageId>,
    /// Whose stream its answer is.
    pub(super) owner: Owner,
    /// Set for an `initialize`: whose session it begins.
    pub(super) begins: Option<Arc<VerifiedCaller>>,
    /// What it asks of its session.
    pub(super) wishes: Vec<Wish>,
}

impl Platform {
    /// Exchanges messages. On 2026-07-28 a client that goes away cancels the call; on older revisions only
    /// `notifications/cancelled` does, so there the exchange belongs to a task of its own.
    pub(super) async fn exchange(self: &Arc<Self>, call: Call) -> Result<McpResponse, McpFailure> {
        let id = call.waiting.first().cloned();
        let answered = match call.talk.revision.era() {
            Era::Modern => self.run(call).await,
            Era::Legacy => self.run_to_the_end(call).await,
        };
        answered.map_err(|error| McpFailure { id, cause: super::Cause::Platform(error) })
    }

    pub(super) async fn run(self: &Arc<Self>, call: Call) -> Result<McpResponse> {
        let started = self.clock.monotonic();
        let limit = call.request.head_timeout;
        let most = Most::of(self, &call.talk);
        let initialize = call.begins.is_some().then(|| call.request.body.clone());
        let to = (&call.permit, &call.talk.active.target);
        let response = self.call_in_session(to, call.talk.session.as_ref(), call.request).await?;
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(started));
        let form = answer::form(&response)?;
        let mut headers = answer::passed_back(&response.headers, form);
        let status = response.status;
        if let (Some(session), false, StatusCode::OK) = (&call.talk.session, call.wishes.is_empty(), status) {
            self.note_wishes(&session.record, &call.wishes).await?;
        }
        if let (Some(caller), Some(initialize), true) = (&call.begins, initialize, status == StatusCode::OK) {
            let inner = response.headers.get("mcp-session-id").cloned();
            let whole = self.read_first_answer(response, form, (left, most)).await?;
            legacy_answer::judge_first(form, &call.waiting, &whole.raw)?;
            if let Some(inner) = inner {
                let sealed = self.bind_session(caller, &call.talk, &inner, &initialize, &whole).await?;
                headers.insert("mcp-session-id", HeaderValue::from_str(&sealed).map_err(Error::internal)?);
            }
            return Ok(McpResponse { status, headers, body: McpBody::Whole(whole.raw) });
        }
        let body = match form {
            Form::Empty => McpBody::Whole(Bytes::new()),
            Form::Json => {
                let raw = self.read_json(response.body, (left, most)).await?;
                legacy_answer::judge(call.talk.revision, status, &call.waiting, &raw)?;
                McpBody::Whole(raw)
            }
            Form::Events => {
                let clock = Arc::clone(&self.clock);
                McpBody::Stream(relay::answering(response.body, call.waiting, clock, (left, most)))
            }
        };
        Ok(McpResponse { status, headers, body })
    }

    /// A hosted server that has lost the session (2025-11-25, Session Management) is told of it and asked again, once: it has
    /// done nothing yet.
    async fn call_in_session(
        self: &Arc<Self>,
        (permit, target): (&Arc<Permit<UseServer>>, &Target),
        session: Option<&LiveSession>,
        request: HostedRequest,
    ) -> Result<HostedResponse> {
        let Some(session) = session else { return self.isolates.call(permit, target, request).await };
        let mut again = request.clone();
        self.hear(session, (permit, target), &again).await;
        let response = self.isolates.call(permit, target, request).await?;
        if response.status != StatusCode::NOT_FOUND {
            return Ok(response);
        }
        let record = self.begin_again((permit, target), &again, session).await?;
        session::name_inner(&mut again.headers, &record.inner)?;
        self.hear(session, (permit, target), &again).await;
        let response = self.isolates.call(permit, target, again).await?;
        if response.status == StatusCode::NOT_FOUND {
            self.end_session(&record).await?;
            return Err(Error::NotFound("session"));
        }
        Ok(response)
    }

    /// GET: passed through until either side closes it, or the platform stops. It has no answer to wait for and no time limit.
    pub(super) async fn open_stream(&self, call: Call) -> Result<McpResponse, McpFailure> {
        let response = self.isolates.call(&call.permit, &call.talk.active.target, call.request).await?;
        let form = answer::form(&response)?;
        let headers = answer::passed_back(&response.headers, form);
        let body = match form {
            Form::Events => {
                let most = Most::of(self, &call.talk).bytes;
                let events = relay::without_ids(response.body, most);
                McpBody::Stream(Box::pin(events.take_until(self.stopping.begun())))
            }
            Form::Json => {
                let most = Most::of(self, &call.talk);
                McpBody::Whole(self.read_json(response.body, (STREAM_REFUSAL, most)).await?)
            }
            Form::Empty => McpBody::Whole(Bytes::new()),
        };
        Ok(McpResponse { status: response.status, headers, body })
    }

    pub(super) async fn read_json(&self, body: HostedBody, (left, most): (Duration, Most)) -> Result<Bytes> {
        within(&*self.clock, left, read_whole(body, most))
            .await
            .unwrap_or_else(|| Err(relay::timed_out(left)))
    }

    /// The answer to `initialize`, whole: which revision was agreed on has to be known before the client is told.
    pub(super) async fn read_first_answer(
        &self,
        response: HostedResponse,
        form: Form,
        (left, most): (Duration, Most),
    ) -> Result<Whole> {
        let reading = async {
            match form {
                Form::Json => {
                    let raw = read_whole(response.body, most).await?;
                    let agreed = agreed_revision(&raw);
                    Ok(Whole { raw, agreed })
                }
                Form::Events => read_until_answer(response.body, most).await,
                Form::Empty => Ok(Whole { raw: Bytes::new(), agreed: None }),
            }
        };
        within(&*self.clock, left, reading).await.unwrap_or_else(|| Err(relay::timed_out(left)))
    }

    /// Turns the hosted server's session id into one of ours.
    async fn bind_session(
        &self,
        caller: &VerifiedCaller,
        talk: &Conversation,
        inner: &HeaderValue,
        initialize: &Bytes,
        whole: &Whole,
    ) -> Result<String> {
        let unsound =
            |what: &str| Error::Hosted(Refusal::new(format!("its answer to initialize has {what}")));
        let inner = inner.to_str().map_err(|_| unsound("an unsound Mcp-Session-Id"))?;
        if !session::inner_id_is_sound(inner) {
            return Err(unsound("an unsound Mcp-Session-Id"));
        }
        let revision = whole.agreed.ok_or_else(|| unsound("no protocolVersion that we know"))?;
        let initialize = std::str::from_utf8(initialize).map_err(Error::internal)?;
        let begun = Begun { inner, revision, initialize };
        self.begin_session(caller, &talk.server, &talk.active.target.version, begun).await
    }
}

/// Longest wait for the rest of a refusal to open a stream.
const STREAM_REFUSAL: Duration = Duration::from_secs(5);

/// An answer as it came, and the revision it agrees on if it is one to `initialize`.
pub(super) struct Whole {
    raw: Bytes,
    pub(super) agreed: Option<Revision>,
}

async fn read_whole(mut body: HostedBody, mut most: Most) -> Result<Bytes> {
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        most.hold(read.len() + chunk.len())?;
        read.extend_from_slice(&chunk);
    }
    Ok(most.share.hold(read))
}

async fn read_until_answer(mut body: HostedBody, mut most: Most) -> Result<Whole> {
    let (mut raw, mut decoder, mut events) = (Vec::new(), sse::Decoder::new(most.bytes), Vec::new());
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        most.hold(raw.len() + chunk.len())?;
        raw.extend_from_slice(&chunk);
        decoder.push(&chunk, &mut events).map_err(|error| Error::Hosted(Refusal::new(error.to_string())))?;
        for data in events.drain(..).filter_map(|event| event.data) {
            if !relay::answered_ids(data.as_bytes()).is_empty() {
                let agreed = agreed_revision(data.as_bytes());
                return Ok(Whole { raw: most.share.hold(raw), agreed });
            }
        }
    }
    Ok(Whole { raw: most.share.hold(raw), agreed: None })
}

/// The most bytes one answer may have (`limits.response_bytes`), and its share of the room for answers.
#[derive(Debug)]
pub(super) struct Most {
    pub(super) bytes: usize,
    share: Share,
}

impl Most {
    pub(super) fn of(platform: &Platform, talk: &Conversation) -> Self {
        Self::of_target(platform, &talk.active.target)
    }

    pub(super) fn of_target(platform: &Platform, target: &Target) -> Self {
        let share = Share::new(&platform.answers, target.version.tenant);
        Self { bytes: target.limits.response_bytes as usize, share }
    }

    /// Whether an answer may have this many bytes.
    pub(super) fn fits(&self, bytes: usize) -> Result<()> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let limit = Limit::ResponseSize;
        let message = format!("its answer has more than the {} bytes that `{limit}` allows", self.bytes);
        Err(Error::Hosted(
            Refusal::new(message).hint(format!("answer less, or raise `{limit}` in smcp.toml")),
        ))
    }

    /// Makes room for as much of the answer as is held in memory.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<()> {
        self.fits(bytes)?;
        self.share.set(bytes)
    }
}

fn agreed_revision(message: &[u8]) -> Option<Revision> {
    let Ok(Body::Single(message)) = smcp_mcp::parse(message, Batches::Refused) else { return None };
    match message.kind {
        MessageKind::Response { outcome: Outcome::Result(result), .. } => {
            let collector = Collector::from_initialize(result).ok()?;
            collector.definitions().revisions.first().copied()
        }
        MessageKind::Response { .. } | MessageKind::Request { .. } | MessageKind::Notification { .. } => None,
    }
}
