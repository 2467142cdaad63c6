//! Ports to the machine: time, randomness, background work and the log of hosted code.

use std::{future::Future, pin::Pin, time::Duration};

use async_trait::async_trait;
use smcp_types::UnixMillis;

use super::{LogLine, VersionRef};

/// Time. The only source of it in the platform; tests drive a fake one.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time, for records and expiry. May jump.
    fn now(&self) -> UnixMillis;
    /// Time since some fixed point in the past, for time-outs. Never goes back.
    fn monotonic(&self) -> Duration;
    /// Returns after `duration` has passed.
    async fn sleep(&self, duration: Duration);
}

/// Cryptographic randomness.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the buffer with unpredictable bytes. An adapter that cannot must end the process rather than return.
    fn fill(&self, buffer: &mut [u8]);
}

/// Work that outlives the request that began it: a legacy call whose client has gone still runs to its end.
pub trait Tasks: Send + Sync + 'static {
    /// Runs the future to its end, or until the platform has drained and stops.
    fn detach(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>);
}

/// Where the output of hosted code goes. Called from the loops that drain its pipes, so it must never wait.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line, or drops and counts it when the server's buffer is full.
    fn append(&self, version: &VersionRef, line: LogLine);
}
