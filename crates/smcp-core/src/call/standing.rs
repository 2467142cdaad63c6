//! Standing streams: what a hosted server says unasked, for the clients of one session. They stay open while the server
//! sleeps; then they cost no connection to it (2025-11-25, Transports, Listening for Messages from the Server).

mod follow;
mod upstream;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, lock::Mutex as AsyncMutex, stream};
use smcp_mcp::{EventPosition, Revision, sse};
use smcp_types::{Error, Result, ServerId, SessionId, StreamId, TenantId, UnixMillis};

use crate::{
    Platform,
    ports::{Clock, HostedBody},
    session::LiveSession,
    stopping::Stopping,
    streams::{Owner, Reader, Streams, Writer},
    timeout::within,
};
use upstream::Upstream;

/// Streams that one session has open at the same time; the oldest gives way.
const MAX_STREAMS: usize = 4;
/// Sweeps after which nothing is kept for a session that nobody listens to.
const UNREAD_SWEEPS: u32 = 2;
/// How often a session that somebody listens to is kept from expiring.
const KEEP_EVERY: Duration = Duration::from_secs(900);
/// A stream that says nothing shows so often that it is alive: what stands between may close silent connections.
const ALIVE_EVERY: Duration = Duration::from_secs(25);

/// The standing streams of every session that has any.
#[derive(Default)]
pub(crate) struct Standings(Mutex<HashMap<SessionId, Arc<Standing>>>);

impl Standings {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, session: &SessionId) -> Option<Arc<Standing>> {
        self.lock().get(session).cloned()
    }

    /// Those of a session, from now on if there were none.
    pub(super) fn begin(&self, session: &LiveSession, owner: Owner) -> Arc<Standing> {
        let made = || Arc::new(Standing::new(session, owner));
        Arc::clone(self.lock().entry(session.record.id).or_insert_with(made))
    }

    /// The session is over, and so are its streams.
    pub(crate) fn end(&self, session: &SessionId) {
        if let Some(standing) = self.lock().remove(session) {
            standing.ended.begin();
        }
    }

    /// The server is gone, and so is all that listens to it.
    pub(crate) fn end_of(&self, server: ServerId) {
        self.all(|standing| standing.server == server)
            .iter()
            .for_each(|standing| self.end(&standing.session));
    }

    fn all(&self, which: impl Fn(&Standing) -> bool) -> Vec<Arc<Standing>> {
        self.lock().values().filter(|standing| which(standing)).cloned().collect()
    }
}

/// The standing streams of one session, and its one stream from the hosted server.
pub(crate) struct Standing {
    tenant: TenantId,
    server: ServerId,
    session: SessionId,
    begun: UnixMillis,
    revision: Revision,
    owner: Owner,
    /// In the order in which clients came. What is said goes to the last that somebody reads (same section: a message is sent
    /// on one stream only).
    streams: AsyncMutex<Vec<Open>>,
    upstream: Upstream,
    ended: Stopping,
    unread: AtomicU32,
    /// When its session was last seen to be one.
    kept: AtomicI64,
}

/// One of them.
struct Open {
    writer: Writer,
    /// The last event before those that nobody has been shown.
    unseen: Option<i64>,
}

impl Standing {
    fn new(session: &LiveSession, owner: Owner) -> Self {
        let record = &session.record;
        Self {
            tenant: record.tenant,
            server: record.server,
            session: record.id,
            begun: record.created_at,
            revision: session.revision,
            owner,
            streams: AsyncMutex::new(Vec::with_capacity(1)),
            upstream: Upstream::default(),
            ended: Stopping::new(),
            unread: AtomicU32::new(0),
            kept: AtomicI64::new(record.created_at.0),
        }
    }

    /// A stream for a client: one that nobody reads, with all that it has been sent since, or a new one.
    async fn attach(&self, log: &Arc<Streams>) -> Result<Reader> {
        let mut open = self.streams.lock().await;
        if open.last().is_none_or(|last| last.writer.is_read()) {
            self.push(&mut open, log.stand(self.owner));
        }
        let last = open.last_mut().ok_or_else(|| Error::internal("no stream"))?;
        let after = last.unseen.take().unwrap_or(last.writer.last());
        // With this its client can come back before anything was said; older revisions have no such event.
        if self.revision >= Revision::V2025_11_25 {
            let event = sse::Event { data: Some(String::new()), ..Default::default() };
            last.writer.write(vec![event]).await;
        }
        Ok(last.writer.reader().from(after))
    }

    /// A stream for a client that comes back: what came after the event that it has seen last, and what comes.
    async fn resume(&self, log: &Arc<Streams>, position: EventPosition) -> Result<Reader> {
        let id = StreamId::from_bytes(position.stream);
        let mut open = self.streams.lock().await;
        if let Some(known) = open.iter_mut().find(|open| open.writer.id() == id) {
            known.unseen = None;
            return Ok(known.writer.reader().from(position.number));
        }
        let Some(writer) = log.stand_again(self.owner, id).await? else {
            drop(open);
            // Whoever comes back so late that nothing is kept any more has missed what was said, and hears the rest.
            return self.attach(log).await;
        };
        let reader = writer.reader().from(position.number);
        self.push(&mut open, writer);
        Ok(reader)
    }

    fn push(&self, open: &mut Vec<Open>, writer: Writer) {
        open.retain(|open| open.writer.is_read());
        if open.len() >= MAX_STREAMS {
            open.remove(0);
        }
        open.push(Open { writer, unseen: None });
    }

    /// Stores what a server says, and shows it to one client; the next that comes, if there is none.
    async fn say(&self, log: &Arc<Streams>, events: Vec<sse::Event>) {
        let mut open = self.streams.lock().await;
        if open.is_empty() {
            self.push(&mut open, log.stand(self.owner));
        }
        let at = open.iter().rposition(|open| open.writer.is_read()).unwrap_or(open.len() - 1);
        let Some(open) = open.get_mut(at) else { return };
        let before = open.writer.last();
        open.writer.write(events).await;
        if !open.writer.is_read() {
            open.unseen.get_or_insert(before);
        }
    }

    /// Waits for a slow client.
    async fn room(&self) {
        let room = {
            let open = self.streams.lock().await;
            open.iter().rfind(|open| open.writer.is_read()).map(|open| open.writer.room())
        };
        if let Some(room) = room {
            room.await;
        }
    }

    /// Whether somebody listens.
    async fn is_read(&self) -> bool {
        self.streams.lock().await.iter().any(|open| open.writer.is_read())
    }

    /// Whether nobody has listened for a while.
    async fn is_left(&self) -> bool {
        if self.is_read().await {
            self.unread.store(0, Ordering::Relaxed);
            return false;
        }
        self.unread.fetch_add(1, Ordering::Relaxed) + 1 >= UNREAD_SWEEPS
    }
}

impl Platform {
    /// What a client of a session is sent that listens, or comes back to listen.
    pub(super) async fn stand(
        self: &Arc<Self>,
        session: &LiveSession,
        owner: Owner,
        position: Option<EventPosition>,
    ) -> Result<HostedBody> {
        let standing = self.standings.begin(session, owner);
        standing.unread.store(0, Ordering::Relaxed);
        let reader = match position {
            Some(position) => standing.resume(&self.streams, position).await?,
            None => standing.attach(&self.streams).await?,
        };
        let body = kept_alive(Arc::clone(&self.clock), reader.body());
        let ended = futures_util::future::select(standing.ended.begun(), self.stopping.begun());
        Ok(Box::pin(body.take_until(ended)))
    }

    /// Ends sessions that are too old for their streams to go on, and what is kept for those that nobody listens to; sessions
    /// that somebody listens to are in use.
    pub(crate) async fn sweep_standings(&self) -> Result<()> {
        for standing in self.standings.all(|_| true) {
            if standing.is_left().await {
                self.standings.end(&standing.session);
                continue;
            }
            let now = self.clock.now();
            if now.since(UnixMillis(standing.kept.load(Ordering::Relaxed))) < KEEP_EVERY {
                continue;
            }
            match self.keep_listened((standing.tenant, standing.session, standing.begun)).await? {
                true => standing.kept.store(now.0, Ordering::Relaxed),
                false => self.standings.end(&standing.session),
            }
        }
        Ok(())
    }
}

/// With a comment whenever there was nothing for a while.
fn kept_alive(clock: Arc<dyn Clock>, body: HostedBody) -> HostedBody {
    Box::pin(stream::unfold((body, clock), |(mut body, clock)| async {
        let next = within(&*clock, ALIVE_EVERY, body.next()).await;
        let chunk = match next {
            Some(chunk) => chunk?,
            None => Ok(Bytes::from_static(b":\n\n")),
        };
        Some((chunk, (body, clock)))
    }))
}
