//! A stream that is still being written: the one reader it has, and what that reader has not taken yet.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::future::poll_fn;

/// Bytes that wait for a slow reader; then the writer waits too.
const WINDOW: usize = 256 << 10;

/// The meeting point of a stream's writer and its reader.
#[derive(Default)]
pub(super) struct Live {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last event, which is stored.
    last: i64,
    ended: bool,
    /// Which reader is the one; those before it have ended.
    reader: u64,
    attached: bool,
    /// The reader shall end when it has taken what there is.
    closing: bool,
    unread: VecDeque<Bytes>,
    unread_bytes: usize,
    reads: Option<Waker>,
    writes: Option<Waker>,
}

impl State {
    fn clear(&mut self) {
        self.unread.clear();
        self.unread_bytes = 0;
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream whose last event is this one.
    pub(super) fn after(last: i64) -> Self {
        Self { state: Mutex::new(State { last, ..State::default() }) }
    }

    /// Whether somebody reads it.
    pub(super) fn is_read(&self) -> bool {
        self.state().attached
    }

    /// The new reader, in the place of the one there was. Events up to `last` are its own to read from the log; it is given
    /// those that come from now on.
    pub(super) fn attach(self: &Arc<Self>) -> Attached {
        let mut state = self.state();
        state.reader += 1;
        (state.attached, state.closing) = (true, false);
        state.clear();
        wake(&mut state.reads);
        // Whoever waited for the one before waits for this one, which has taken nothing yet.
        wake(&mut state.writes);
        Attached { live: Arc::clone(self), reader: state.reader, last: state.last }
    }

    /// Events that are stored, up to this number, as they go over the wire.
    pub(super) fn push(&self, last: i64, bytes: Bytes) {
        let mut state = self.state();
        state.last = last;
        if state.attached {
            state.unread_bytes += bytes.len();
            state.unread.push_back(bytes);
        }
        wake(&mut state.reads);
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(&mut state.reads);
    }

    /// Lets the reader go once it has what there is: its client comes back for the rest.
    pub(super) fn close_reader(&self) {
        let mut state = self.state();
        state.closing = true;
        wake(&mut state.reads);
    }

    /// Sends the reader away at once.
    pub(super) fn drop_reader(&self) {
        let mut state = self.state();
        state.reader += 1;
        state.attached = false;
        state.clear();
        wake(&mut state.reads);
    }

    /// Waits until the reader has room, or there is none to wait for.
    pub(super) async fn room(&self) {
        self.until(|state| !state.attached || state.unread_bytes < WINDOW).await;
    }

    async fn until(&self, fine: impl Fn(&State) -> bool) {
        poll_fn(|context| {
            let mut state = self.state();
            if fine(&state) {
                return Poll::Ready(());
            }
            state.writes = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A stream's reader. Dropping it is how a client that has gone is noticed.
pub(super) struct Attached {
    live: Arc<Live>,
    reader: u64,
    /// The last event there was when it began.
    pub(super) last: i64,
}

impl Attached {
    /// The next events, or `None` when the stream has ended or somebody else reads it now.
    pub(super) async fn next(&self) -> Option<Bytes> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.live.state();
        if state.reader != self.reader {
            return Poll::Ready(None);
        }
        if let Some(bytes) = state.unread.pop_front() {
            state.unread_bytes -= bytes.len();
            wake(&mut state.writes);
            return Poll::Ready(Some(bytes));
        }
        if state.ended || state.closing {
            return Poll::Ready(None);
        }
        state.reads = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut state = self.live.state();
        if state.reader == self.reader {
            state.attached = false;
            state.clear();
            wake(&mut state.writes);
        }
    }
}
