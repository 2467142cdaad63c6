//! What is kept of a version beside the fleet's slot: how it is to be run, how many use it, what it may still log.

use std::{sync::Arc, time::Duration};

use smcp_core::{fleet::Traffic, ports::Target};
use smcp_types::{Error, Limit, Result};

use crate::log_budget::LogBudget;

/// When it is worth asking again for what is refused because too many ask.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What one exchange takes: a stream, or as many calls as it has requests in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    pub(super) traffic: Traffic,
    pub(super) calls: u32,
}

/// One version's desk.
pub(super) struct Desk {
    /// As its latest call says; holds from the next start on.
    pub(super) target: Target,
    pub(super) budget: Arc<LogBudget>,
    calls: u32,
    streams: u32,
}

impl Desk {
    pub(super) fn new(target: Target) -> Self {
        Self { target, budget: Arc::default(), calls: 0, streams: 0 }
    }

    /// Lets a call or a stream in, waiting ones counted, unless there are as many as may be.
    pub(super) fn enter(&mut self, Takes { traffic, calls }: Takes) -> Result<()> {
        let limits = &self.target.limits;
        let (count, most, limit, what) = match traffic {
            Traffic::Call => {
                (&mut self.calls, limits.concurrent_calls, Limit::ConcurrentCalls, "calls in flight")
            }
            Traffic::Stream => (&mut self.streams, limits.open_streams, Limit::OpenStreams, "streams open"),
        };
        if calls > most {
            let message = format!("it is {calls} at once, and the server may have {most} {what} ({limit})");
            return Err(Error::Limited { message, retry_after: RETRY_AFTER });
        }
        if count.saturating_add(calls) > most {
            let message = format!("the server has as many {what} as it may, {most} ({limit})");
            return Err(Error::Limited { message, retry_after: RETRY_AFTER });
        }
        *count += calls;
        Ok(())
    }

    /// It is over.
    pub(super) fn leave(&mut self, Takes { traffic, calls }: Takes) {
        let count = match traffic {
            Traffic::Call => &mut self.calls,
            Traffic::Stream => &mut self.streams,
        };
        *count = count.saturating_sub(calls);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls == 0 && self.streams == 0
    }
}
