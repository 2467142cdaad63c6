//! What goes into the planner and what comes out of it.

use std::{fmt, time::Duration};

use crate::ports::VersionRef;

/// One process in the life of a version. Numbers rise over the whole fleet and are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
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
    },
    /// A call found a ready process and did not wait.
    CallStarted {
        /// The process.
        generation: Generation,
    },
    /// A call has ended, well or not.
    CallFinished {
        /// The process.
        generation: Generation,
    },
    /// `Action::Start` is under way.
    Launched {
        /// The new process.
        generation: Generation,
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
        /// Why, in words for the publisher.
        reason: String,
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
    },
    /// The process is gone.
    Exited {
        /// The process.
        generation: Generation,
        /// How it ended, in words for the publisher.
        reason: String,
    },
    /// Another version is active, or the server was deleted.
    Retired,
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
    },
    /// End the process now; report `KillSent`, then `Exited`.
    Kill {
        /// What it runs.
        version: VersionRef,
        /// The process.
        generation: Generation,
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
    /// Every place is taken by a version with calls in flight.
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
}
