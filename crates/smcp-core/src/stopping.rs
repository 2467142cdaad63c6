//! The moment the platform begins to stop, for streams that would otherwise never end.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};

/// Begun once, seen by all.
pub(crate) struct Stopping {
    signal: Mutex<Option<oneshot::Sender<()>>>,
    begun: Shared<BoxFuture<'static, ()>>,
}

impl Stopping {
    pub(crate) fn new() -> Self {
        let (signal, begun) = oneshot::channel();
        Self { signal: Mutex::new(Some(signal)), begun: begun.map(drop).boxed().shared() }
    }

    pub(crate) fn begin(&self) {
        // Dropping the sender is the signal.
        self.signal.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Completes when stopping has begun.
    pub(crate) fn begun(&self) -> Shared<BoxFuture<'static, ()>> {
        self.begun.clone()
    }
}
