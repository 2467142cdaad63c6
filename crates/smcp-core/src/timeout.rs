//! Waiting no longer than a deadline, by the clock port.

use std::{future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};

use crate::ports::Clock;

/// The work's result, or `None` when it takes longer than `limit`. The work is dropped then.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(work), pin!(clock.sleep(limit))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
