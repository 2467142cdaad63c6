//! The logbook of hosted servers: takes lines without ever waiting, keeps them, shows them, passes them on live.

mod cleaning;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_core::Stream;
use futures_util::{
    StreamExt as _,
    lock::Mutex as AsyncMutex,
    stream::{self, BoxStream},
};
use smcp_types::{Digest, Result, ServerId, TenantId, UnixMillis};

use cleaning::Cleaning;

use crate::{
    Platform,
    authority::{On, ViewLogs},
    context::Ctx,
    ports::{Clock, LogLevel, LogLine, LogQuery, LogSink, LogStore, ServerRecord, VersionRef},
    secrets::Secrets,
};

/// Lines of one server that may wait to be stored; more are dropped and counted.
const MAX_WAITING: usize = 500;
/// The same in bytes of text: with five rounds a second, about 1 MiB of log per server and second.
const MAX_WAITING_BYTES: usize = 256 << 10;
/// Lines that one follower may lag behind.
const MAX_LAG: usize = 500;
/// Followers of one server.
const MAX_FOLLOWERS: usize = 16;
/// Lines kept of one server.
const KEEP_LINES: u32 = 10_000;
/// Bytes of text kept of one server.
const KEEP_BYTES: u32 = 16 << 20;
/// Lines shown at once: with 8 KiB each, still an answer of bearable size.
const MAX_SHOWN: u32 = 2_000;
/// How long lines are kept.
const KEEP_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long lines gather before they are stored together.
const GATHER: Duration = Duration::from_millis(200);

/// Takes the output of hosted code. `LogSink::append` never waits; `run` takes secrets out of what gathers, gives it to
/// those who follow, and stores it.
pub struct Logbook {
    store: Arc<dyn LogStore>,
    clock: Arc<dyn Clock>,
    cleaning: Cleaning,
    shelves: Mutex<HashMap<ServerId, Shelf>>,
    /// Counts lines, so that followers get what comes after them.
    lines: AtomicU64,
    /// Held while lines are on their way to the store: they keep their order.
    turn: AsyncMutex<()>,
}

/// A line on its way: its number, who printed it, and itself.
type Waiting = (u64, VersionRef, LogLine);

#[derive(Default)]
struct Shelf {
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    dropped: u64,
    followers: Vec<Arc<Follower>>,
}

/// What one follower has yet to read. Shared with its stream: when that is gone, so is the follower.
struct Follower {
    /// The number of the first line that it gets.
    since: u64,
    lines: Mutex<(Vec<(Digest, LogLine)>, u64)>,
}

impl Logbook {
    /// A logbook over a store, which keeps secrets out.
    #[must_use]
    pub fn new(store: Arc<dyn LogStore>, secrets: Arc<Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            cleaning: Cleaning::new(secrets),
            shelves: Mutex::default(),
            lines: AtomicU64::new(0),
            turn: AsyncMutex::new(()),
        }
    }

    /// Stores what gathers, for ever. The composition root runs this once and calls `flush` when it stops.
    pub async fn run(&self) {
        loop {
            self.clock.sleep(GATHER).await;
            self.flush_or_tell().await;
        }
    }

    async fn flush_or_tell(&self) {
        if let Err(error) = self.flush().await {
            tracing::error!(%error, "log lines of hosted servers were not stored");
        }
    }

    /// Stores what has gathered.
    ///
    /// # Errors
    /// Store errors; the lines are then lost, and the next ones are not held up.
    pub async fn flush(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        let now = self.clock.monotonic();
        self.cleaning.forget_unused(now);
        let mut stored = Vec::new();
        for mut lines in self.take() {
            let Some((_, version, _)) = lines.first() else { continue };
            let of = (version.tenant, version.server);
            self.cleaning.clean(of, now, lines.iter_mut().map(|(_, _, line)| line)).await;
            for follower in self.shelves().get(&of.1).into_iter().flat_map(|shelf| &shelf.followers) {
                lines.iter().for_each(|line| follower.give(line));
            }
            stored.extend(lines.into_iter().map(|(_, version, line)| (version, line)));
        }
        self.shelves().retain(|_, shelf| !shelf.waiting.is_empty() || shelf.has_followers());
        if stored.is_empty() {
            return Ok(());
        }
        Ok(self.store.append(&stored).await?)
    }

    /// What has gathered, by server.
    fn take(&self) -> Vec<Vec<Waiting>> {
        let now = self.clock.now();
        let mut shelves = self.shelves();
        let taken = shelves.values_mut().map(|shelf| {
            let mut lines = std::mem::take(&mut shelf.waiting);
            shelf.waiting_bytes = 0;
            let dropped = std::mem::take(&mut shelf.dropped);
            let last = lines.last().map(|(number, version, _)| (*number, *version));
            if let Some((number, version)) = last.filter(|_| dropped > 0) {
                lines.push((number, version, dropped_line(now, dropped)));
            }
            lines
        });
        taken.collect()
    }

    pub(crate) async fn sweep(&self) -> Result<()> {
        let keep_ms = i64::try_from(KEEP_FOR.as_millis()).unwrap_or(i64::MAX);
        let before = UnixMillis(self.clock.now().0.saturating_sub(keep_ms));
        Ok(self.store.sweep((KEEP_LINES, KEEP_BYTES), before).await?)
    }

    async fn tail(
        &self,
        tenant: TenantId,
        server: ServerId,
        query: LogQuery,
        limit: u32,
    ) -> Result<Vec<(Digest, LogLine)>> {
        self.flush().await?;
        Ok(self.store.tail(tenant, server, query, limit).await?)
    }

    fn follow(
        self: &Arc<Self>,
        server: ServerId,
    ) -> Option<impl Stream<Item = (Digest, LogLine)> + Send + 'static> {
        let since = self.lines.load(Ordering::Relaxed);
        let follower = Arc::new(Follower { since, lines: Mutex::default() });
        {
            let mut shelves = self.shelves();
            let shelf = shelves.entry(server).or_default();
            shelf.has_followers();
            if shelf.followers.len() >= MAX_FOLLOWERS {
                return None;
            }
            shelf.followers.push(Arc::clone(&follower));
        }
        let book = Arc::clone(self);
        let batches = stream::unfold((follower, book), |(follower, book)| async move {
            loop {
                book.flush_or_tell().await;
                let (lines, dropped) = follower.take();
                if let Some((version, _)) = lines.first() {
                    let note = (dropped > 0).then(|| (*version, dropped_line(book.clock.now(), dropped)));
                    let batch: Vec<_> = note.into_iter().chain(lines).collect();
                    return Some((stream::iter(batch), (follower, book)));
                }
                book.clock.sleep(GATHER).await;
            }
        });
        Some(batches.flatten())
    }

    fn shelves(&self) -> std::sync::MutexGuard<'_, HashMap<ServerId, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for Logbook {
    fn append(&self, version: &VersionRef, line: LogLine) {
        let mut shelves = self.shelves();
        let shelf = shelves.entry(version.server).or_default();
        if shelf.waiting.len() < MAX_WAITING && shelf.waiting_bytes < MAX_WAITING_BYTES {
            shelf.waiting_bytes += line.message.len();
            shelf.waiting.push((self.lines.fetch_add(1, Ordering::Relaxed), *version, line));
        } else {
            shelf.dropped += 1;
        }
    }
}

impl Shelf {
    /// Lets go of followers whose stream is gone.
    fn has_followers(&mut self) -> bool {
        self.followers.retain(|follower| Arc::strong_count(follower) > 1);
        !self.followers.is_empty()
    }
}

impl Follower {
    fn give(&self, (number, version, line): &Waiting) {
        if *number < self.since {
            return;
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.0.len() < MAX_LAG {
            lines.0.push((version.digest, line.clone()));
        } else {
            lines.1 += 1;
        }
    }

    fn take(&self) -> (Vec<(Digest, LogLine)>, u64) {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn dropped_line(at: UnixMillis, dropped: u64) -> LogLine {
    let message =
        format!("[smcp] {dropped} lines were dropped: the server writes faster than its log is kept");
    LogLine::platform(at, LogLevel::Warn, message)
}

impl Platform {
    /// The last lines of a server's log that are wanted, oldest first, each with the version that printed it.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn log_tail(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        query: LogQuery,
        limit: u32,
    ) -> Result<Vec<(Digest, LogLine)>> {
        self.authority.authorize::<ViewLogs>(&ctx.caller, On::Server(server))?;
        self.logbook.tail(server.tenant, server.id, query, limit.min(MAX_SHOWN)).await
    }

    /// The lines of a server's log as they come.
    ///
    /// # Errors
    /// As `authorize`; `Conflict` when too many follow already.
    pub fn log_follow(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        query: LogQuery,
    ) -> Result<BoxStream<'static, (Digest, LogLine)>> {
        self.authority.authorize::<ViewLogs>(&ctx.caller, On::Server(server))?;
        let lines = self.logbook.follow(server.id).ok_or_else(|| {
            smcp_types::Error::Conflict(smcp_types::Refusal::new("too many are following this server's log"))
        })?;
        let wanted = lines.filter(move |(_, line)| std::future::ready(query.wants(line)));
        Ok(wanted.take_until(self.stopping.begun()).boxed())
    }
}
