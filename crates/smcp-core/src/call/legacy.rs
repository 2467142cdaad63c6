//! A call on a legacy revision: it runs to its end whatever becomes of its client, and its events are kept for one that comes
//! back.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use smcp_mcp::{EventPosition, MessageId, Revision, sse};
use smcp_types::{Error, Refusal, Result};

use super::{
    McpBody, McpResponse, answer,
    answer::Form,
    exchange::{Call, Most},
    legacy_answer,
    relay::{self, answered_ids},
};
use crate::{
    Platform,
    authority::{Permit, UseServer},
    ports::{HostedBody, HostedRequest, Target},
    streams::{Owner, Writer, unanswered},
    timeout::within,
};

/// A call without an answer by then is answered as a stream, so that its client can come back for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// When a client whose connection broke comes back, if the server does not say.
const RETRY_MILLIS: u64 = 1_000;
/// How soon and how late we ask a server again that has closed its stream to be asked again.
const ASK_AGAIN: (u64, u64) = (20, 10_000);

/// Where the head of the answer goes.
type Head = oneshot::Sender<Result<McpResponse>>;

/// A call on its way.
struct Carried {
    platform: Arc<Platform>,
    permit: Arc<Permit<UseServer>>,
    target: Target,
    /// How the server is asked again.
    request: HostedRequest,
    waiting: Vec<MessageId>,
    owner: Owner,
    revision: Revision,
    most: usize,
    /// The hosted server's own last event id, and the delay that it asked for.
    hosted: (Option<String>, Option<u64>),
    deadline: Duration,
}

impl Platform {
    /// Runs a call in a task of its own.
    pub(super) async fn run_to_the_end(self: &Arc<Self>, call: Call) -> Result<McpResponse> {
        let (head, answered) = oneshot::channel();
        let platform = Arc::clone(self);
        self.tasks.detach(Box::pin(async move {
            let carried = Carried::of(&platform, &call);
            carried.run(call, head).await;
        }));
        answered.await.unwrap_or_else(|_| Err(Error::Unavailable(Refusal::new("the platform is stopping"))))
    }

    /// GET with `Last-Event-ID`: what has come since, then what comes.
    pub(super) async fn resumed(&self, owner: Owner, last: EventPosition) -> Result<McpResponse> {
        Ok(events(self.streams.resume(owner, last).await?.body()))
    }
}

/// An answer of events.
pub(super) fn events(body: HostedBody) -> McpResponse {
    let headers = answer::passed_back(&HeaderMap::new(), Form::Events);
    McpResponse { status: StatusCode::OK, headers, body: McpBody::Stream(body) }
}

impl Carried {
    fn of(platform: &Arc<Platform>, call: &Call) -> Self {
        let mut request = call.request.clone();
        request.method = http::Method::GET;
        request.body = Bytes::new();
        request.headers.remove(http::header::CONTENT_TYPE);
        Self {
            platform: Arc::clone(platform),
            permit: Arc::clone(&call.permit),
            target: call.talk.active.target.clone(),
            waiting: call.waiting.clone(),
            owner: call.owner,
            revision: call.talk.revision,
            most: Most::of(platform, &call.talk).bytes,
            hosted: (None, None),
            deadline: platform.clock.monotonic().saturating_add(request.head_timeout),
            request,
        }
    }

    /// Whether the client's revision knows events that only carry an id (2025-11-25, Transports, Sending Messages).
    fn primes(&self) -> bool {
        self.revision >= Revision::V2025_11_25 && !self.waiting.is_empty()
    }

    async fn run(mut self, call: Call, head: Head) {
        let platform = Arc::clone(&self.platform);
        let early = self.primes() && call.begins.is_none();
        let mut answer = pin!(platform.run(call));
        let first = match early {
            true => within(&*platform.clock, PATIENCE, &mut answer).await,
            false => Some(answer.as_mut().await),
        };
        match first {
            Some(Ok(McpResponse { status, headers, body: McpBody::Stream(upstream) })) => {
                let opened = self.open().await;
                let (writer, body) = match opened {
                    Ok(opened) => opened,
                    Err(error) => return drop(head.send(Err(error))),
                };
                // An error here means the client has gone; the call goes on.
                let _ = head.send(Ok(McpResponse { status, headers, body: McpBody::Stream(body) }));
                self.carry(upstream, writer).await;
            }
            Some(answer) => drop(head.send(answer)),
            None => {
                let (mut writer, body) = match self.open().await {
                    Ok(opened) => opened,
                    Err(error) => return drop(head.send(Err(error))),
                };
                let _ = head.send(Ok(events(body)));
                match answer.await {
                    Ok(McpResponse { body: McpBody::Stream(upstream), .. }) => {
                        return self.carry(upstream, writer).await;
                    }
                    Ok(McpResponse { body: McpBody::Whole(whole), .. }) => {
                        self.write_whole(&mut writer, &whole).await
                    }
                    Err(error) => self.give_up(&mut writer, &error).await,
                }
                writer.end().await;
            }
        }
    }

    /// A stream, and the body that its client reads.
    async fn open(&self) -> Result<(Writer, HostedBody)> {
        let mut writer = self.platform.streams.begin(self.owner, &self.waiting)?;
        let body = writer.reader().body();
        if self.primes() {
            let retry = Some(RETRY_MILLIS);
            writer.write(vec![sse::Event { data: Some(String::new()), retry, ..Default::default() }]).await;
        }
        Ok((writer, body))
    }

    /// Carries a stream to its end: over connections that the hosted server closes to be asked again, too.
    async fn carry(mut self, mut upstream: HostedBody, mut writer: Writer) {
        loop {
            self.pump(upstream, &mut writer).await;
            if self.waiting.is_empty() {
                break;
            }
            // It has said that it answers elsewhere, and so do we (2025-11-25, Transports, Resumability and Redelivery).
            writer.close_reader();
            upstream = match self.asked_again().await {
                Ok(upstream) => upstream,
                Err(error) => {
                    self.give_up(&mut writer, &error).await;
                    break;
                }
            };
        }
        writer.end().await;
    }

    /// Stores and shows what comes, until the server closes the stream.
    async fn pump(&mut self, mut upstream: HostedBody, writer: &mut Writer) {
        let (mut decoder, mut events) = (sse::Decoder::new(self.most), Vec::new());
        while let Some(chunk) = upstream.next().await {
            writer.room().await;
            // The relay behind this has judged it, and ends the stream itself when something is wrong with it.
            let Ok(chunk) = chunk else { break };
            if decoder.push(&chunk, &mut events).is_err() {
                break;
            }
            let shown: Vec<sse::Event> = events.drain(..).filter_map(|event| self.note(event)).collect();
            if !shown.is_empty() {
                writer.write(shown).await;
            }
        }
    }

    /// Notes what an event says to us; what is left of it is the client's.
    fn note(&mut self, event: sse::Event) -> Option<sse::Event> {
        let event = legacy_answer::judged(event, self.revision, &self.waiting, self.request.request_id);
        let (hosted, retry) = &mut self.hosted;
        *hosted = event.id.filter(|id| !id.is_empty()).or(hosted.take());
        *retry = event.retry.or(*retry);
        let data = event.data.filter(|data| !data.is_empty() || self.primes());
        if let Some(data) = &data {
            let answered = answered_ids(data.as_bytes());
            self.waiting.retain(|id| !answered.contains(id));
        }
        let says_nothing = data.as_ref().is_none_or(String::is_empty) && event.retry.is_none();
        let retry = event.retry.map(|millis| millis.min(ASK_AGAIN.1));
        (!says_nothing).then_some(sse::Event { event: event.event, data, id: None, retry })
    }

    /// The rest of a stream that the server has closed: where it was is said in its own id.
    async fn asked_again(&mut self) -> Result<HostedBody> {
        let closed = || Error::Hosted(Refusal::new("it closed the stream without an answer"));
        let id = self.hosted.0.take().ok_or_else(closed)?;
        let delay = self.hosted.1.unwrap_or(RETRY_MILLIS).clamp(ASK_AGAIN.0, ASK_AGAIN.1);
        let platform = Arc::clone(&self.platform);
        platform.clock.sleep(Duration::from_millis(delay)).await;
        let left = self.deadline.saturating_sub(platform.clock.monotonic());
        if left.is_zero() {
            return Err(relay::timed_out(self.request.head_timeout));
        }
        let mut request = self.request.clone();
        request.head_timeout = left;
        request.headers.insert("last-event-id", HeaderValue::from_str(&id).map_err(|_| closed())?);
        let response = platform.isolates.call(&self.permit, &self.target, request).await?;
        if response.status != StatusCode::OK || answer::form(&response)? != Form::Events {
            return Err(closed());
        }
        // A stream that says nothing new is asked for again from the same place.
        self.hosted.0 = Some(id);
        let most = Most::of_target(&platform, &self.target);
        let clock = Arc::clone(&platform.clock);
        Ok(relay::answering(response.body, self.waiting.clone(), clock, (left, most)))
    }

    /// Shows an answer that came as JSON.
    async fn write_whole(&mut self, writer: &mut Writer, whole: &[u8]) {
        let answered = answered_ids(whole);
        if !answered.is_empty()
            && let Ok(text) = std::str::from_utf8(whole)
        {
            self.waiting.retain(|id| !answered.contains(id));
            writer.write(vec![sse::Event::message(text)]).await;
        }
        let without = Error::Hosted(Refusal::new("its answer has none for this request"));
        self.give_up(writer, &without).await;
    }

    /// Answers what is still open with an error.
    async fn give_up(&mut self, writer: &mut Writer, why: &Error) {
        let open = std::mem::take(&mut self.waiting);
        if !open.is_empty() {
            writer.write(unanswered(&open, &relay::spoken(why))).await;
        }
    }
}
