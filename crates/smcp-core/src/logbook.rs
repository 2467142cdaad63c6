//! The logbook of hosted servers: takes lines without ever waiting, keeps them, shows them, passes them on live.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_core::Stream;
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use smcp_types::{Result, ServerId, TenantId, UnixMillis};

use crate::{
    Platform,
    authority::{On, ViewLogs},
    context::Ctx,
    ports::{Clock, LogLevel, LogLine, LogSink, LogStore, ServerRecord, VersionRef},
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

/// Takes the output of hosted code. `LogSink::append` never waits; `run` stores what gathers.
pub struct Logbook {
    store: Arc<dyn LogStore>,
    clock: Arc<dyn Clock>,
    shelves: Mutex<HashMap<ServerId, Shelf>>,
}

#[derive(Default)]
struct Shelf {
    waiting: Vec<(VersionRef, LogLine)>,
    waiting_bytes: usize,
    dropped: u64,
    followers: Vec<Arc<Follower>>,
}

/// What one follower has yet to read. Shared with its stream: when that is gone, so is the follower.
#[derive(Default)]
struct Follower {
    lines: Mutex<(Vec<LogLine>, u64)>,
}

impl Logbook {
    /// A logbook over a store.
    #[must_use]
    pub fn new(store: Arc<dyn LogStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, shelves: Mutex::default() }
    }

    /// Stores what gathers, for ever. The composition root runs this once and calls `flush` when it stops.
    pub async fn run(&self) {
        loop {
            self.clock.sleep(GATHER).await;
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "log lines of hosted servers were not stored");
            }
        }
    }

    /// Stores what has gathered.
    ///
    /// # Errors
    /// Store errors; the lines are then lost, and the next ones are not held up.
    pub async fn flush(&self) -> Result<()> {
        let now = self.clock.now();
        let mut lines = Vec::new();
        for shelf in self.shelves().values_mut() {
            lines.append(&mut shelf.waiting);
            shelf.waiting_bytes = 0;
            let dropped = std::mem::take(&mut shelf.dropped);
            if dropped > 0
                && let Some((version, _)) = lines.last()
            {
                lines.push((*version, dropped_line(now, dropped)));
            }
        }
        self.shelves().retain(|_, shelf| !shelf.waiting.is_empty() || shelf.has_followers());
        if lines.is_empty() {
            return Ok(());
        }
        Ok(self.store.append(&lines).await?)
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
        level: LogLevel,
        limit: u32,
    ) -> Result<Vec<LogLine>> {
        self.flush().await?;
        Ok(self.store.tail(tenant, server, level, limit).await?)
    }

    fn follow(self: &Arc<Self>, server: ServerId) -> Option<impl Stream<Item = LogLine> + Send + 'static> {
        let follower = Arc::new(Follower::default());
        {
            let mut shelves = self.shelves();
            let shelf = shelves.entry(server).or_default();
            shelf.has_followers();
            if shelf.followers.len() >= MAX_FOLLOWERS {
                return None;
            }
            shelf.followers.push(Arc::clone(&follower));
        }
        let clock = Arc::clone(&self.clock);
        let batches = stream::unfold((follower, clock), |(follower, clock)| async move {
            loop {
                let (lines, dropped) = follower.take();
                if !lines.is_empty() || dropped > 0 {
                    let note = (dropped > 0).then(|| dropped_line(clock.now(), dropped));
                    let batch: Vec<LogLine> = note.into_iter().chain(lines).collect();
                    return Some((stream::iter(batch), (follower, clock)));
                }
                clock.sleep(GATHER).await;
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
        for follower in &shelf.followers {
            follower.give(&line);
        }
        if shelf.waiting.len() < MAX_WAITING && shelf.waiting_bytes < MAX_WAITING_BYTES {
            shelf.waiting_bytes += line.message.len();
            shelf.waiting.push((*version, line));
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
    fn give(&self, line: &LogLine) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.0.len() < MAX_LAG {
            lines.0.push(line.clone());
        } else {
            lines.1 += 1;
        }
    }

    fn take(&self) -> (Vec<LogLine>, u64) {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn dropped_line(at: UnixMillis, dropped: u64) -> LogLine {
    let message =
        format!("[smcp] {dropped} lines were dropped: the server writes faster than its log is kept");
    LogLine::platform(at, LogLevel::Warn, message)
}

impl Platform {
    /// The last lines of a server's log, oldest first.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn log_tail(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        level: LogLevel,
        limit: u32,
    ) -> Result<Vec<LogLine>> {
        self.authority.authorize::<ViewLogs>(&ctx.caller, On::Server(server))?;
        self.logbook.tail(server.tenant, server.id, level, limit.min(MAX_SHOWN)).await
    }

    /// The lines of a server's log as they come.
    ///
    /// # Errors
    /// As `authorize`; `Conflict` when too many follow already.
    pub fn log_follow(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        level: LogLevel,
    ) -> Result<BoxStream<'static, LogLine>> {
        self.authority.authorize::<ViewLogs>(&ctx.caller, On::Server(server))?;
        let lines = self.logbook.follow(server.id).ok_or_else(|| {
            smcp_types::Error::Conflict(smcp_types::Refusal::new("too many are following this server's log"))
        })?;
        let loud = lines.filter(move |line| std::future::ready(line.level >= level));
        Ok(loud.take_until(self.stopping.begun()).boxed())
    }
}
