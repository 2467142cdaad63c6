//! One database of the node: at most one process, one request at a time, and a pause after it has failed.

use std::{
    path::PathBuf,
    sync::{
        Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use smcp_core::ports::Workload;
use smcp_types::TenantId;
use tokio::sync::Mutex;

use super::process::Process;

/// The first pause after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Requests that wait for one database.
const MAX_WAITING: usize = 64;

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) tenant: TenantId,
    pub(super) name: String,
    /// The trial whose own it is, by the address of its workload, which is kept.
    pub(super) trial: Option<usize>,
}

impl Place {
    /// Whose user its process becomes: nobody else's.
    pub(super) fn owner(&self) -> String {
        match self.trial {
            Some(trial) => format!("d1-trial/{}/{trial:x}/{}", self.tenant, self.name),
            None => format!("d1/{}/{}", self.tenant, self.name),
        }
    }
}

/// A database that somebody has asked for.
pub(super) struct Slot {
    pub(super) place: Place,
    /// Where its file is; a trial's is nowhere.
    pub(super) folder: Option<PathBuf>,
    /// The trial, while it runs.
    trial: Option<Weak<Workload>>,
    /// Held through each request and each start and stop: never two processes for one file.
    pub(super) state: Mutex<State>,
    waiting: AtomicUsize,
}

/// What is known between requests.
#[derive(Default)]
pub(super) struct State {
    pub(super) process: Option<Process>,
    /// When it was last asked.
    pub(super) used: Duration,
    /// It is deleted, or the platform stops: no process any more.
    pub(super) closed: bool,
    failures: u32,
    /// Until when nothing is tried, and what everybody hears until then.
    pause: Option<(Duration, Bytes)>,
}

/// A request that waits or is under way.
pub(super) struct Turn<'a>(&'a Slot);

impl Slot {
    pub(super) fn new(place: Place, folder: Option<PathBuf>, trial: Option<Weak<Workload>>) -> Self {
        Self { place, folder, trial, state: Mutex::default(), waiting: AtomicUsize::new(0) }
    }

    /// Takes a place in the queue, if it is not too long.
    pub(super) fn queue(&self) -> Option<Turn<'_>> {
        let turn = Turn(self);
        (self.waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(turn)
    }

    /// Whether nobody waits.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Whether its trial is over.
    pub(super) fn is_over(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.strong_count() == 0)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// What everybody hears for now, if it is in a pause.
    pub(super) fn paused(&self, now: Duration) -> Option<Bytes> {
        self.pause.as_ref().filter(|(until, _)| now < *until).map(|(_, said)| said.clone())
    }

    /// It has answered.
    pub(super) fn succeeded(&mut self, now: Duration) {
        self.used = now;
        self.failures = 0;
        self.pause = None;
    }

    /// It has failed: the next try waits, twice as long each time.
    pub(super) fn failed(&mut self, now: Duration, said: Bytes) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some((now + pause, said));
    }

    /// Its file is damaged: that does not mend itself.
    pub(super) fn damaged(&mut self, now: Duration, said: Bytes) {
        self.pause = Some((now + LONGEST_PAUSE, said));
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self, now: Duration) -> bool {
        self.process.is_none() && self.paused(now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_with_a_success() {
        let mut state = State::default();
        let mut now = Duration::ZERO;
        for expected in [200, 400, 800] {
            state.failed(now, Bytes::from_static(b"x"));
            now += Duration::from_millis(expected - 1);
            assert!(state.paused(now).is_some(), "{expected}");
            now += Duration::from_millis(1);
            assert!(state.paused(now).is_none(), "{expected}");
        }
        for _ in 0..40 {
            state.failed(now, Bytes::new());
        }
        assert!(state.paused(now + LONGEST_PAUSE).is_none());
        state.succeeded(now);
        assert!(state.is_empty(now));
        state.failed(now, Bytes::new());
        assert!(state.paused(now + FIRST_PAUSE).is_none());
    }

    #[test]
    fn a_queue_has_an_end() {
        let place = Place { tenant: TenantId::from_bytes([1; 16]), name: "a".to_owned(), trial: None };
        let slot = Slot::new(place, None, None);
        let turns: Vec<_> = (0..MAX_WAITING).map(|_| slot.queue().unwrap()).collect();
        assert!(slot.queue().is_none());
        drop(turns);
        assert!(slot.is_quiet() && slot.queue().is_some());
    }
}
