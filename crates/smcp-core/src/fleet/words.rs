//! What goes into the planner and what comes out of it.

use std::{fmt, time::Duration};

use smcp_types::Limit;

use crate::ports::VersionRef;

/// One process in the life of a version. Numbers rise over the whole fleet and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How a request holds its process: a call keeps it busy, a stream alone only keeps it awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Something is asked and answered.
    Call,
    /// A client listens, in case there is something to hear.
    Stream,
}

/// Why a process failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// In words for the publisher.
    pub reason: String,
    /// What it did that it must not, if that is why.
    pub offence: Option<Offence>,
}

/// What counts towards a quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// It broke a limit.
    Limit(Limit),
    /// It did what the sandbox kills for.
    Forbidden,
}

impl Cause {
    /// A failure that is no offence.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), offence: None }
    }

    /// A limit was broken; `what` happened, and the limit's key follows.
    #[must_use]
    pub fn broken(limit: Limit, what: &str) -> Self {
        Self { reason: format!("{what} ({limit})"), offence: Some(Offence::Limit(limit)) }
    }

    /// The sandbox killed it.
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), offence: Some(Offence::Forbidden) }
    }

    /// The limit it broke, if that is why.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self.offence {
            Some(Offence::Limit(limit)) => Some(limit),
            Some(Offence::Forbidden) | None => None,
        }
    }
}

/// Why a process is asked to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody called for long enough.
    Idle,
    /// Another version is active, or the server is gone.
    Retired,
    /// Another version needs its place.
    Place,
    /// The platform stops.
    Shutdown,
}

/// Something that happened to a version. News of another generation than the slot's own is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call came and found nobody to answer it.
    CallWaiting,
    /// A waiting call was refused, timed out or was dropped.
    CallGaveUp,
    /// A waiting call got its process.
    CallAdmitted {
        /// The process.
        generation: Generation,
        /// How the call holds it.
        traffic: Traffic,
    },
    /// A call found a ready process and did not wait.
    CallStarted {
        /// The process.
        generation: Generation,
        /// How the call holds it.
        traffic: Traffic,
    },
    /// A call has ended, well or not.
    CallFinished {
        /// The process.
        generation: Generation,
        /// How the call held it.
        traffic: Traffic,
    },
    /// A call is expected: a process may be started for it if that costs nobody else a place.
    Wanted,
    /// `Action::Start` is under way.
    Launched {
        /// The new process.
        generation: Generation,
        /// Its longest start.
        within: Duration,
    },
    /// The process is ready for calls.
    Started {
        /// The process.
        generation: Generation,
    },
    /// There was never a process, or it was not even executed.
    StartFailed {
        /// What should have been the process.
        generation: Generation,
        /// Why.
        cause: Cause,
    },
    /// The watchdog found that the process breaks a limit.
    Overrun {
        /// The process.
        generation: Generation,
        /// Which, and how.
        cause: Cause,
    },
    /// `Action::Stop` was executed.
    StopSent {
        /// The process.
        generation: Generation,
        /// The grace it was given.
        grace: Duration,
    },
    /// `Action::Kill` was executed.
    KillSent {
        /// The process.
        generation: Generation,
        /// What it was killed for.
        cause: Option<Cause>,
    },
    /// The process is gone.
    Exited {
        /// The process.
        generation: Generation,
        /// How it ended.
        cause: Cause,
    },
    /// Another version is active, or the server was deleted.
    Retired,
    /// Somebody in charge forgives all failures of the version, and all broken limits of its server: the next call may
    /// start it.
    Lifted,
    /// `Action::Forget` was executed.
    Forgotten,
}

/// Something to do. Each is harmless when done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process; report `Launched`, then `Started` or `StartFailed` or `Exited`.
    Start {
        /// What to run.
        version: VersionRef,
        /// The number of the new process.
        generation: Generation,
    },
    /// Ask the process to finish; report `StopSent`, then `Exited`.
    Stop {
        /// What it runs.
        version: VersionRef,
        /// The process.
        generation: Generation,
        /// After this it will be killed.
        grace: Duration,
        /// For those whose calls it cuts off.
        why: Why,
    },
    /// End the process now; report `KillSent`, then `Exited`.
    Kill {
        /// What it runs.
        version: VersionRef,
        /// The process.
        generation: Generation,
        /// What it is killed for, unless its grace is over.
        cause: Option<Cause>,
    },
    /// Drop all that is kept about the version; report `Forgotten`.
    Forget {
        /// The version.
        version: VersionRef,
    },
}

/// What to do now, and when to ask again if nothing happens before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order to do them.
    pub actions: Vec<Action>,
    /// Monotonic time of the next deadline.
    pub wake_at: Option<Duration>,
}

/// Whether a call may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// To this process.
    Ready(Generation),
    /// Not yet; an event will change that.
    Wait,
    /// No.
    Denied(Denied),
}

/// Why a call is not let out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The version backs off after failures.
    Failing {
        /// The last failure.
        reason: String,
        /// Failures in a row.
        attempts: u32,
        /// Monotonic time of the next try.
        retry_at: Duration,
    },
    /// The version broke its limits again and again.
    Quarantined {
        /// How it did so last.
        reason: String,
        /// How often.
        offences: u32,
        /// Monotonic time of the next try.
        until: Duration,
    },
    /// Every place is taken by a version with calls in flight, and no tenant holds more than its share.
    Full,
    /// The platform stops.
    ShuttingDown,
}

/// How a version is, in monotonic time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// No process.
    Asleep,
    /// A process is starting.
    Starting,
    /// A process answers.
    Ready {
        /// Since when.
        since: Duration,
    },
    /// The process finishes what it has.
    Stopping,
    /// It failed and backs off, or waits for a call to try again.
    Failing {
        /// The last failure.
        reason: String,
        /// Failures in a row.
        attempts: u32,
        /// Time of the next try.
        retry_at: Duration,
    },
    /// It broke its limits again and again, and is not started before its time.
    Quarantined {
        /// How it did so last.
        reason: String,
        /// How often.
        offences: u32,
        /// Time of the next try.
        until: Duration,
    },
}
