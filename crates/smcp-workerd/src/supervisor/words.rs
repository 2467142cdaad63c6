//! The fleet's answers in the words of the platform: errors for callers, states for people.

use std::time::Duration;

use smcp_core::{
    fleet::{Denied, SlotState},
    ports::{Clock, HostedState},
};
use smcp_types::{Error, Refusal, Slug, UnixMillis};

/// Why a call of this server is not let out, in words. Who has waited for a start learns how it failed.
pub(super) fn refusal(denied: Denied, waited: bool, server: &Slug) -> Error {
    match denied {
        Denied::Failing { reason, .. } if waited => {
            Error::Hosted(Refusal::new(format!("the server did not start: {reason}")).hint(see_log(server)))
        }
        Denied::Failing { reason, attempts, .. } => {
            let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times in a row") };
            let message = format!("the server has failed {times} and is not started again yet: {reason}");
            Error::Unavailable(Refusal::new(message).hint(see_log(server)))
        }
        Denied::Quarantined { reason, offences, .. } => {
            let message =
                format!("the server is in quarantine, it has broken its limits {offences} times: {reason}");
            Error::Unavailable(Refusal::new(message).hint(lift(server)))
        }
        Denied::Full => {
            let refusal = Refusal::new("every place for a running server is taken by a busy one");
            Error::Unavailable(refusal.hint("node.max_awake sets how many there are"))
        }
        Denied::ShuttingDown => stopping(),
    }
}

/// Nothing is started any more.
pub(super) fn stopping() -> Error {
    Error::Unavailable(Refusal::new("the platform is stopping"))
}

/// The way out of a quarantine.
pub(super) fn lift(server: &Slug) -> String {
    format!("the platform's administrator can end it: smcp servers lift {server}, with the --tenant it is of")
}

fn see_log(server: &Slug) -> String {
    format!("its log says more: smcp logs {server}")
}

/// A state of the planner, in wall-clock time.
pub(super) fn hosted_state(state: SlotState, clock: &dyn Clock) -> HostedState {
    let (now, wall) = (clock.monotonic(), clock.now());
    let at = |time: Duration| match time.checked_sub(now) {
        Some(ahead) => wall.after(ahead),
        None => {
            UnixMillis(wall.0.saturating_sub(i64::try_from((now - time).as_millis()).unwrap_or(i64::MAX)))
        }
    };
    match state {
        SlotState::Asleep => HostedState::Asleep,
        SlotState::Starting => HostedState::Starting,
        SlotState::Ready { since } => HostedState::Ready { since: at(since) },
        SlotState::Stopping => HostedState::Stopping,
        SlotState::Failing { reason, attempts, retry_at } => {
            HostedState::Failing { reason, attempts, retry_at: at(retry_at) }
        }
        SlotState::Quarantined { reason, offences, until } => {
            HostedState::Quarantined { reason, offences, until: at(until) }
        }
    }
}
