//! A clock that stands still until a test moves it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, poll_fn},
};
use smcp_core::ports::Clock;
use smcp_types::UnixMillis;
use std::task::{Poll, Waker};

/// Where every test begins: 2026-11-22T00:00:00Z.
const START: i64 = 1_795_305_600_000;

/// Time that passes only when told to. Sleepers wake when it has.
#[derive(Default)]
pub struct FakeClock(Mutex<State>);

#[derive(Default)]
struct State {
    passed: Duration,
    sleepers: Vec<Waker>,
}

impl FakeClock {
    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let mut state = self.state();
        state.passed += duration;
        state.sleepers.drain(..).for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, end: Duration) -> BoxFuture<'_, ()> {
        poll_fn(move |context| {
            let mut state = self.state();
            if state.passed >= end {
                return Poll::Ready(());
            }
            state.sleepers.push(context.waker().clone());
            Poll::Pending
        })
        .boxed()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(START).after(self.state().passed)
    }

    fn monotonic(&self) -> Duration {
        self.state().passed
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.monotonic().saturating_add(duration);
        self.until(end).await;
    }
}
