//! The real world: the system's clock and randomness, and tasks on tokio.

#![allow(clippy::disallowed_methods, reason = "this module is where time and background work come from")]

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use smcp_core::ports::{Clock, Entropy, Tasks};
use smcp_types::UnixMillis;
use tokio::task::JoinSet;

/// The system's clocks.
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        // A clock before 1970 is a broken clock; everything has expired then.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX);
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The kernel's random numbers.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if getrandom::fill(buffer).is_err() {
            // Keys made of anything else would be worse than no platform.
            std::process::abort();
        }
    }
}

/// Work on tokio that outlives the request that began it, and that a stop waits for.
pub(crate) struct TokioTasks {
    running: Mutex<JoinSet<()>>,
}

impl TokioTasks {
    pub(crate) fn new() -> Self {
        Self { running: Mutex::new(JoinSet::new()) }
    }

    /// Waits until all work is done.
    pub(crate) async fn finish(&self) {
        let mut running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        while running.join_next().await.is_some() {}
    }
}

impl Tasks for TokioTasks {
    fn detach(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }
}
