//! Event streams that a client may come back to: every event of a legacy answer is stored before it is sent, and found again
//! by `Last-Event-ID`, also after the platform was killed.

mod live;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hmac::{Hmac, Mac};
use http::HeaderValue;
use sha2::{Digest as _, Sha256};
use smcp_mcp::{EventId, EventPosition, MessageId, errors, sse};
use smcp_types::{Error, Refusal, Result, ServerId, StreamId, TenantId};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    identity::VerifiedCaller,
    keyring::Keyring,
    ports::{
        Clock, Entropy, Kind, Place, RingPurpose, Scope, ServerRecord, SessionRecord, StreamEvent, StreamLog,
        StreamRecord,
    },
    vault::Vault,
};
use live::Live;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// How long events are kept after the last one of their stream.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Bytes of events that are kept for one session.
const MAX_SCOPE_BYTES: u64 = 4 << 20;
/// Streams that are kept for one session.
const MAX_SCOPE_STREAMS: u32 = 1_000;
/// What is kept is cut to these bounds each time so many bytes more have come.
const TRIM_EVERY: usize = 256 << 10;
/// The bit of a stream's id that says whether it is a standing one: what becomes of its ids differs, also when nothing of it is
/// kept any more.
const STANDING: u8 = 1;
/// The byte that has it.
const LAST: usize = 15;
/// The requests that a standing stream answers.
const NO_REQUESTS: &str = "[]";
/// What a stream weighs by itself.
const STREAM_WEIGHT: usize = 512;
/// Scopes whose bytes are counted.
const MAX_WEIGHED: usize = 50_000;

/// Whose a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    tenant: TenantId,
    server: ServerId,
    scope: Scope,
}

impl Owner {
    /// A session's, or where there is none a caller's at a server.
    pub(crate) fn of(
        server: &ServerRecord,
        session: Option<&SessionRecord>,
        caller: &VerifiedCaller,
    ) -> Self {
        let scope = session.map_or_else(
            || {
                let mut hash = Sha256::new();
                hash.update(b"smcp stream scope v1");
                hash.update(server.id.as_bytes());
                hash.update(caller.fingerprint());
                let mut scope = [0; 16];
                scope.copy_from_slice(&hash.finalize()[..16]);
                Scope(scope)
            },
            Self::scope_of,
        );
        Self { tenant: server.tenant, server: server.id, scope }
    }

    fn scope_of(session: &SessionRecord) -> Scope {
        Scope(*session.id.as_bytes())
    }
}

/// All streams.
pub(crate) struct Streams {
    log: Arc<dyn StreamLog>,
    vault: Arc<Vault>,
    ring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Those that are being written.
    live: Mutex<HashMap<StreamId, Arc<Live>>>,
    /// Bytes that came since a scope was cut to its bounds.
    weights: Mutex<HashMap<Scope, usize>>,
}

impl Streams {
    pub(crate) fn new(
        log: Arc<dyn StreamLog>,
        (vault, ring): (Arc<Vault>, Arc<Keyring>),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
    ) -> Self {
        Self { log, vault, ring, clock, entropy, live: Mutex::default(), weights: Mutex::default() }
    }

    /// Begins a stream that answers these requests. Nothing is stored before its first event.
    pub(crate) fn begin(self: &Arc<Self>, owner: Owner, requests: &[MessageId]) -> Result<Writer> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        id[LAST] &= !STANDING;
        let record = StreamRecord {
            tenant: owner.tenant,
            id: StreamId::from_bytes(id),
            scope: owner.scope,
            requests: serde_json::to_string(requests).map_err(Error::internal)?,
            last: 0,
            ended: false,
            expires_at: self.clock.now().after(KEPT_FOR),
        };
        let live = Arc::new(Live::default());
        self.lock().insert(record.id, Arc::clone(&live));
        Ok(Writer::new(Arc::clone(self), owner, live, record))
    }

    /// Begins a standing stream of a session.
    pub(crate) fn stand(self: &Arc<Self>, owner: Owner) -> Writer {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        id[LAST] |= STANDING;
        self.standing(owner, StreamId::from_bytes(id), 0)
    }

    /// The same stream as before the platform was started again; `None` when nothing of it is kept.
    pub(crate) async fn stand_again(self: &Arc<Self>, owner: Owner, id: StreamId) -> Result<Option<Writer>> {
        let stored = self.log.stream(owner.tenant, id).await?;
        let stored = stored.filter(|stream| stream.scope == owner.scope);
        Ok(stored.map(|stream| self.standing(owner, id, stream.last)))
    }

    fn standing(self: &Arc<Self>, owner: Owner, id: StreamId, last: i64) -> Writer {
        let record = StreamRecord {
            tenant: owner.tenant,
            id,
            scope: owner.scope,
            requests: NO_REQUESTS.to_owned(),
            last,
            ended: false,
            expires_at: self.clock.now().after(KEPT_FOR),
        };
        Writer::new(Arc::clone(self), owner, Arc::new(Live::after(last)), record)
    }

    /// Whether a position is in a standing stream.
    pub(crate) fn is_standing(position: &EventPosition) -> bool {
        position.stream[LAST] & STANDING != 0
    }

    /// Where the event of this id stands.
    ///
    /// # Errors
    /// `Invalid` for an id that is not of this owner.
    pub(crate) fn known(&self, owner: &Owner, id: &HeaderValue) -> Result<EventPosition> {
        id.to_str().ok().and_then(|id| self.position(owner, id)).ok_or_else(gone)
    }

    /// What comes after this event.
    ///
    /// # Errors
    /// `Invalid` for one of a stream that is no longer kept.
    pub(crate) async fn resume(self: &Arc<Self>, owner: Owner, position: EventPosition) -> Result<Reader> {
        let id = StreamId::from_bytes(position.stream);
        let live = self.lock().get(&id).cloned();
        let stored = self.log.stream(owner.tenant, id).await?;
        let record = stored.filter(|stream| stream.scope == owner.scope).ok_or_else(gone)?;
        if let Some(live) = live {
            return Ok(Reader::of(self, &owner, record, live.attach()).from(position.number));
        }
        if self.clock.now() >= record.expires_at {
            return Err(gone());
        }
        let record = if record.ended { record } else { self.settle(&record).await? };
        Ok(Reader::stored(self, &owner, record, position.number))
    }

    /// Forgets everything of a session that has ended.
    pub(crate) async fn forget(&self, session: &SessionRecord) -> Result<()> {
        self.lock_weights().remove(&Owner::scope_of(session));
        Ok(self.log.forget(session.tenant, Owner::scope_of(session)).await?)
    }

    /// Deletes what has expired.
    pub(crate) async fn sweep(&self, at_once: u32) -> Result<()> {
        while self.log.sweep(self.clock.now(), at_once).await? == u64::from(at_once) {}
        Ok(())
    }

    fn position(&self, owner: &Owner, text: &str) -> Option<EventPosition> {
        let id = EventId::parse(text)?;
        let keys = self.ring.all_of(RingPurpose::EventIds);
        let ours =
            |key: &[u8; 32]| tag(key, owner, id.position).is_some_and(|t| bool::from(t.ct_eq(&id.tag)));
        keys.into_iter().any(|(_, key)| ours(key.expose())).then_some(id.position)
    }

    fn event_id(&self, owner: &Owner, position: EventPosition) -> Result<String> {
        let (_, key) = self.ring.current(RingPurpose::EventIds)?;
        let tag = tag(key.expose(), owner, position).ok_or_else(|| Error::internal("no tag"))?;
        Ok(EventId { position, tag }.to_string())
    }

    async fn seal(&self, stream: &StreamRecord, number: i64, plain: &[u8]) -> Result<Vec<u8>> {
        let namespace = stream.id.to_string();
        self.vault.seal(&place(stream, &namespace, number), plain).await
    }

    async fn open(&self, stream: &StreamRecord, event: &StreamEvent) -> Result<Zeroizing<Vec<u8>>> {
        let namespace = stream.id.to_string();
        self.vault.open(&place(stream, &namespace, event.number), &event.sealed).await
    }

    /// Counts what came, and cuts what is kept of its scope when that was much.
    async fn weigh(&self, stream: &StreamRecord, bytes: usize) {
        let weight = {
            let mut weights = self.lock_weights();
            if weights.len() >= MAX_WEIGHED {
                // What is kept is a little more than its bound for once.
                weights.clear();
            }
            let weight = weights.entry(stream.scope).or_default();
            *weight += bytes + STREAM_WEIGHT;
            let reached = *weight;
            if reached >= TRIM_EVERY {
                weights.remove(&stream.scope);
            }
            reached
        };
        if weight < TRIM_EVERY {
            return;
        }
        let trimmed = self.log.trim(stream.tenant, stream.scope, MAX_SCOPE_BYTES, MAX_SCOPE_STREAMS).await;
        if let Err(error) = trimmed {
            tracing::error!(%error, "what is kept of a session's streams was not cut");
        }
    }

    fn gone(&self, stream: &StreamRecord) {
        self.lock().remove(&stream.id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_weights(&self) -> MutexGuard<'_, HashMap<Scope, usize>> {
        self.weights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> Error {
    let message = "this Last-Event-ID names no event that is still kept";
    Error::Invalid(Refusal::new(message).hint("open the stream without it, or send the request again"))
}

fn place<'a>(stream: &StreamRecord, namespace: &'a str, number: i64) -> Place<'a> {
    let version = number.unsigned_abs();
    Place { tenant: stream.tenant, kind: Kind::StreamEvent, namespace, key: "", version }
}

/// Binds a position to its owner: an id of somebody else's stream is as good as a made-up one.
fn tag(key: &[u8; 32], owner: &Owner, position: EventPosition) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(b"smcp event id v1");
    for part in [owner.tenant.as_bytes(), owner.server.as_bytes(), &owner.scope.0, &position.stream] {
        mac.update(part);
    }
    mac.update(&position.number.to_be_bytes());
    mac.finalize().into_bytes()[..16].try_into().ok()
}

/// An error for each of these requests.
pub(crate) fn unanswered(open: &[MessageId], why: &str) -> Vec<sse::Event> {
    let body = |id: &MessageId| errors::error_body(Some(id), errors::INTERNAL_ERROR, why, None);
    open.iter().map(|id| sse::Event::message(body(id))).collect()
}

fn interrupted(open: &[MessageId]) -> Vec<sse::Event> {
    unanswered(open, "the platform stopped while this call ran: it may have been carried out or not")
}
