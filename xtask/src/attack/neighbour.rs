//! A well-behaved neighbour on the same platform, called all the time: what it gets while others attack.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::http::{Address, Connection};
use crate::report::milliseconds;
use crate::{Result, mcp};

/// From one call to the next.
const PACE: Duration = Duration::from_millis(4);
/// What the neighbour must at least be asked for a figure that says something.
const LEAST_CALLS: usize = 20;

/// The calls of some time.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Sorted.
    latencies: Vec<Duration>,
    failed: Vec<String>,
}

/// Calls it, in a thread of its own, until it is dropped.
pub(super) struct Neighbour {
    calls: Arc<Mutex<Figures>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Figures {
    fn at(&self, permille: usize) -> Duration {
        self.latencies.get(self.latencies.len() * permille / 1000).copied().unwrap_or_default()
    }

    pub(super) fn p99(&self) -> Duration {
        self.at(990)
    }

    /// What is wrong with these beside those of a quiet time.
    pub(super) fn complaint(&self, quiet: &Self) -> Option<String> {
        if let Some(first) = self.failed.first() {
            return Some(format!("the neighbour had {} failures: {first}", self.failed.len()));
        }
        if self.latencies.len() < LEAST_CALLS {
            return Some(format!("the neighbour was called {} times only", self.latencies.len()));
        }
        let allowed = quiet.p99() * 3 + Duration::from_millis(5);
        (self.p99() > allowed).then(|| {
            let [seen, quiet] = [self.p99(), quiet.p99()].map(milliseconds);
            format!("the neighbour's p99 is {seen}, and {quiet} when it is quiet")
        })
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.latencies.extend(&other.latencies);
        self.latencies.sort_unstable();
        self.failed.extend_from_slice(&other.failed);
    }

    pub(super) fn shown(&self) -> String {
        let calls = self.latencies.len() + self.failed.len();
        let [half, most] = [self.at(500), self.p99()].map(milliseconds);
        format!("{calls} calls, {} answered, p50 {half}, p99 {most}", self.latencies.len())
    }
}

impl Neighbour {
    pub(super) fn start(address: Address, request: Vec<u8>) -> Self {
        let (calls, stop) = (Arc::<Mutex<Figures>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (Arc::clone(&calls), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut connection = None;
            while !stopped.load(Ordering::SeqCst) {
                let began = Instant::now();
                let called = call(&mut connection, &address, &request);
                let took = began.elapsed();
                let mut calls = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match called {
                    Ok(()) => calls.latencies.push(took),
                    Err(error) => calls.failed.push(error.to_string()),
                }
                drop(calls);
                thread::sleep(PACE.saturating_sub(took));
            }
        });
        Self { calls, stop, thread: Some(thread) }
    }

    /// What has been seen since this was called last.
    pub(super) fn take(&self) -> Figures {
        let mut taken = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        taken.latencies.sort_unstable();
        taken
    }

    /// What it gets while nothing else happens.
    pub(super) fn quiet(&self, time: Duration) -> Figures {
        self.take();
        thread::sleep(time);
        self.take()
    }
}

/// Measures the neighbour when it is quiet and then during an attack. Other work on the machine may disturb either, so
/// what looks bad is measured anew, twice at most; calls that fail are never forgiven.
pub(super) fn beside(
    neighbour: &Neighbour,
    quiet: Duration,
    mut attack: impl FnMut(usize) -> Result<()>,
) -> Result<[Figures; 2]> {
    const TIMES: usize = 3;
    let mut figures = [Figures::default(), Figures::default()];
    for time in 0..TIMES {
        let before = neighbour.quiet(quiet);
        attack(time)?;
        figures = [before, neighbour.take()];
        if figures[1].complaint(&figures[0]).is_none() || !figures[1].failed.is_empty() {
            break;
        }
    }
    Ok(figures)
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It panics nowhere, and there would be nobody to tell.
            let _ = thread.join();
        }
    }
}

fn call(kept: &mut Option<Connection>, address: &Address, request: &[u8]) -> Result<()> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => Connection::open(address)?,
    };
    let answer = connection.send(request)?;
    let text = mcp::text(&answer)?;
    if text != "20 + 22 = 42" {
        return Err(format!("answered `{text}`").into());
    }
    *kept = Some(connection);
    Ok(())
}
