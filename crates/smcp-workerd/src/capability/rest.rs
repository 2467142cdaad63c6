//! What is left of a request's body when it has been answered early.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures_util::{StreamExt as _, stream};
use smcp_core::ports::HostedBody;

/// Most bytes that are passed over: a KV value that is somewhat too large. Who sends more loses the connection.
const MOST: usize = 32 << 20;

/// The body of a request, also when nobody has read it to its end.
///
/// The runtime hears an answer only when it has sent all of its request: to close before that makes a lost connection
/// out of a refusal that says why.
pub(super) struct Rest(Arc<Mutex<Option<HostedBody>>>);

impl Rest {
    /// A body for whoever serves the request, and what that one leaves of it.
    pub(super) fn of(body: HostedBody) -> (HostedBody, Self) {
        let rest = Self(Arc::new(Mutex::new(Some(body))));
        let source = Arc::clone(&rest.0);
        let served = stream::poll_fn(move |context| {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            let polled = source.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_next(context));
            if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
                *source = None;
            }
            polled
        });
        (Box::pin(served), rest)
    }

    /// Reads what is left, within bounds, and keeps nothing of it.
    pub(super) async fn pass_over(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return };
        let mut most = MOST;
        while let Some(Ok(piece)) = body.next().await {
            most = most.saturating_sub(piece.len());
            if most == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use futures_util::{StreamExt as _, stream};
    use smcp_core::ports::HostedBody;

    use super::{MOST, Rest};

    /// A body of so many pieces of a MiB, and how many of them have been taken.
    fn counted(pieces: usize) -> (HostedBody, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let body = stream::iter(0..pieces).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(vec![0_u8; 1 << 20].into())
        });
        (Box::pin(body), taken)
    }

    #[tokio::test]
    async fn what_a_refusal_left_is_read_to_its_end_or_to_the_bound() {
        for (pieces, read, seen) in [(5, 0, 5), (5, 2, 5), (5, 9, 5), (200, 0, MOST >> 20)] {
            let (body, taken) = counted(pieces);
            let (mut served, rest) = Rest::of(body);
            for _ in 0..read {
                served.next().await;
            }
            drop(served);
            rest.pass_over().await;
            assert_eq!(taken.load(Ordering::Relaxed), seen, "{pieces} pieces, {read} of them read");
        }
    }
}
