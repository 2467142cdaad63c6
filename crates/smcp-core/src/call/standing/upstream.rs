//! The one stream that a session has from its hosted server: opened before a message goes there, while the process is awake.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::{
    StreamExt as _,
    future::{Either, select},
};
use http::{HeaderValue, Method, StatusCode, header};
use smcp_mcp::{Batches, MessageKind, sse};
use smcp_types::{Digest, Error, Result};

use super::Standing;
use crate::{
    Platform,
    authority::{Permit, UseServer},
    call::{
        answer::{self, Form},
        exchange::Most,
        modern_answer::garbage,
    },
    ports::{HostedBody, HostedRequest, HostedState, Target},
    session::LiveSession,
    timeout::within,
};

/// How long a request waits for a server to say whether it has such a stream.
const OPENED_WITHIN: Duration = Duration::from_secs(1);
/// One that is opened and ends again and again is opened only so often.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Bytes that a server may say unasked at once, and how many a second after that: they are stored, whoever listens.
const BURST: f64 = 1_048_576.0;
const PER_SECOND: f64 = 65_536.0;
/// What an event weighs beside its bytes: a row.
const EVENT_WEIGHT: usize = 512;
/// How many times as much it weighs when nobody listens.
const UNHEARD: usize = 8;

/// Whether there is one.
#[derive(Default)]
pub(super) struct Upstream(Mutex<State>);

#[derive(Default)]
struct State {
    phase: Phase,
    /// The session of the server's own in which it numbered its events, and the id of the last.
    last: Option<(String, HeaderValue)>,
    /// When a message last went to the server.
    used: Duration,
}

#[derive(Default)]
enum Phase {
    /// None, and none is asked for before this time.
    #[default]
    New,
    Closed {
        not_before: Duration,
    },
    Opening,
    /// In this session of this version's. Dropping the sender closes it.
    Open {
        of: (Digest, String),
        _close: oneshot::Sender<()>,
    },
    /// This version has none.
    Refused(Digest),
}

impl Upstream {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        matches!(self.lock().phase, Phase::Open { .. })
    }

    /// When a message last went to the server.
    fn used(&self) -> Duration {
        self.lock().used
    }

    fn close(&self, not_before: Duration) {
        self.lock().phase = Phase::Closed { not_before };
    }

    /// Whether it has to be opened, by whoever asks.
    fn opens(&self, now: Duration, version: Digest, inner: &str) -> bool {
        let mut state = self.lock();
        state.used = now;
        let opens = match &state.phase {
            Phase::New => true,
            Phase::Closed { not_before } => now >= *not_before,
            Phase::Opening => false,
            Phase::Open { of: (digest, session), .. } => (*digest, session.as_str()) != (version, inner),
            Phase::Refused(digest) => *digest != version,
        };
        if opens {
            state.phase = Phase::Opening;
        }
        opens
    }
}

/// What comes of opening it, when this is dropped.
struct Opening {
    standing: Arc<Standing>,
    to: Phase,
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.standing.upstream.lock().phase = std::mem::take(&mut self.to);
    }
}

impl Platform {
    /// Opens the session's stream from its server, if somebody listens to the session, or may soon, and it is not open. The
    /// caller's own request waits for that for a moment, so that nothing is said before; whether it comes to be or not.
    pub(in crate::call) async fn hear(
        self: &Arc<Self>,
        session: &LiveSession,
        (permit, target): (&Arc<Permit<UseServer>>, &Target),
        like: &HostedRequest,
    ) {
        let Some(standing) = self.standings.get(&session.record.id) else { return };
        let inner =
            like.headers.get("mcp-session-id").and_then(|inner| inner.to_str().ok()).unwrap_or_default();
        if !standing.upstream.opens(self.clock.monotonic(), target.version.digest, inner) {
            return;
        }
        let (done, opened) = oneshot::channel::<()>();
        let (platform, permit, target) = (Arc::clone(self), Arc::clone(permit), target.clone());
        let (request, inner) = (standing.request(like), inner.to_owned());
        self.tasks.detach(Box::pin(async move {
            platform.open_upstream(standing, (permit, target), (request, inner)).await;
            drop(done);
        }));
        // An error is what dropping the sender gives.
        within(&*self.clock, OPENED_WITHIN, opened).await;
    }

    async fn open_upstream(
        self: &Arc<Self>,
        standing: Arc<Standing>,
        (permit, target): (Arc<Permit<UseServer>>, Target),
        (request, inner): (HostedRequest, String),
    ) {
        let again = Phase::Closed { not_before: self.clock.monotonic().saturating_add(AGAIN_AFTER) };
        let mut opening = Opening { standing: Arc::clone(&standing), to: again };
        let version = target.version.digest;
        match self.isolates.call(&permit, &target, request).await {
            Ok(response)
                if response.status == StatusCode::OK && answer::form(&response) == Ok(Form::Events) =>
            {
                let (close, closed) = oneshot::channel();
                opening.to = Phase::Open { of: (version, inner), _close: close };
                drop(opening);
                let most = Most::of_target(self, &target);
                let heard = Arc::clone(self).listen_to(standing, response.body, (most, closed));
                self.tasks.detach(Box::pin(heard));
            }
            // It does not know the session any more: whoever asked is told, and begins it again.
            Ok(response) if response.status == StatusCode::NOT_FOUND => opening.to = Phase::New,
            Ok(_) | Err(Error::TimedOut(_)) => opening.to = Phase::Refused(version),
            Err(Error::Limited { .. }) => self.give_way(&standing),
            Err(error) => tracing::debug!(%error, "a server's stream was not opened"),
        }
    }

    /// The same for a client that has just come: a server that sleeps is not woken for it.
    pub(in crate::call) fn hear_if_awake(
        self: &Arc<Self>,
        session: LiveSession,
        (permit, target): (Arc<Permit<UseServer>>, Target),
        like: HostedRequest,
    ) {
        if session.record.version != target.version.digest
            || !matches!(self.isolates.state(&target.version), HostedState::Ready { .. })
        {
            return;
        }
        let platform = Arc::clone(self);
        self.tasks.detach(Box::pin(async move {
            platform.hear(&session, (&permit, &target), &like).await;
        }));
    }

    /// A server has only so many streams: the one that has been of no use for longest makes room for the next try.
    fn give_way(&self, to: &Standing) {
        let others = self.standings.all(|other| {
            (other.server, other.upstream.is_open()) == (to.server, true) && other.session != to.session
        });
        if let Some(oldest) = others.iter().min_by_key(|other| other.upstream.used()) {
            oldest.upstream.close(self.clock.monotonic().saturating_add(AGAIN_AFTER));
        }
    }

    /// Carries what the server says to whoever listens, until either of them ends it.
    async fn listen_to(
        self: Arc<Self>,
        standing: Arc<Standing>,
        upstream: HostedBody,
        (mut most, mut closed): (Most, oneshot::Receiver<()>),
    ) {
        let over = select(standing.ended.begun(), self.stopping.begun());
        let mut upstream = upstream.take_until(over);
        let mut decoder = sse::Decoder::new(most.bytes);
        let opened = self.clock.monotonic();
        let mut allowed = (BURST, opened);
        loop {
            let chunk = match select(upstream.next(), &mut closed).await {
                Either::Left((Some(Ok(chunk)), _)) => chunk,
                Either::Left(_) => break,
                // Another one has taken its place, or it gave way.
                Either::Right(_) => return,
            };
            standing.room().await;
            let mut weight = chunk.len();
            let heard = decoder_push(&mut decoder, &chunk).and_then(|events| {
                most.hold(decoder.held())?;
                weight += EVENT_WEIGHT * events.len();
                standing.judged(events)
            });
            match heard {
                Ok(events) if events.is_empty() => {}
                Ok(events) => standing.say(&self.streams, events).await,
                Err(error) => {
                    tracing::warn!(reason = %error, "the stream of a hosted server was closed");
                    break;
                }
            }
            if !standing.is_read().await {
                weight *= UNHEARD;
            }
            self.slow_down(&mut allowed, weight).await;
        }
        standing.upstream.close(opened.saturating_add(AGAIN_AFTER));
    }

    async fn slow_down(&self, (left, since): &mut (f64, Duration), said: usize) {
        let now = self.clock.monotonic();
        let earned = now.saturating_sub(*since).as_secs_f64() * PER_SECOND;
        (*left, *since) = ((*left + earned).min(BURST) - said as f64, now);
        if *left < 0.0 {
            self.clock.sleep(Duration::from_secs_f64(-*left / PER_SECOND)).await;
        }
    }
}

fn decoder_push(decoder: &mut sse::Decoder, chunk: &Bytes) -> Result<Vec<sse::Event>> {
    let mut events = Vec::new();
    decoder.push(chunk, &mut events).map_err(garbage)?;
    Ok(events)
}

impl Standing {
    /// The GET, from where the server was when it says so itself.
    fn request(&self, like: &HostedRequest) -> HostedRequest {
        let mut request = like.clone();
        (request.method, request.body) = (Method::GET, Bytes::new());
        request.headers.remove(header::CONTENT_TYPE);
        request.headers.remove("last-event-id");
        // Tried once: an id that it does not like keeps nobody from hearing it.
        let last = self.upstream.lock().last.take();
        if let (Some((inner, id)), Some(now)) = (last, request.headers.get("mcp-session-id"))
            && now == inner.as_str()
        {
            request.headers.insert("last-event-id", id);
        }
        request
    }

    /// What clients are shown: requests and notifications. It answers nothing here (2025-11-25, Transports, Listening for
    /// Messages from the Server).
    fn judged(&self, events: Vec<sse::Event>) -> Result<Vec<sse::Event>> {
        let mut shown = Vec::new();
        for event in events {
            self.note(&event);
            let Some(data) = event.data.filter(|data| !data.is_empty()) else { continue };
            let parsed = smcp_mcp::parse(data.as_bytes(), Batches::from(self.revision)).map_err(garbage)?;
            let answers = |kind: &MessageKind<'_>| matches!(kind, MessageKind::Response { .. });
            if parsed.messages().iter().any(|message| answers(&message.kind)) {
                return Err(garbage("it answers on a stream that is no answer"));
            }
            drop(parsed);
            shown.push(sse::Event { event: event.event, data: Some(data), id: None, retry: None });
        }
        Ok(shown)
    }

    fn note(&self, event: &sse::Event) {
        let mut state = self.upstream.lock();
        let Phase::Open { of: (_, inner), .. } = &state.phase else { return };
        let id = event.id.as_deref().filter(|id| !id.is_empty());
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
            state.last = Some((inner.clone(), id));
        }
    }
}
