//! The times and bounds the planner keeps.

use std::time::Duration;

/// What the planner keeps to. The defaults are the platform's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without a call for this long, a version goes to sleep.
    pub idle_after: Duration,
    /// From the polite signal to the kill.
    pub stop_grace: Duration,
    /// How long calls on a retired version may go on.
    pub drain_grace: Duration,
    /// Back-off after the first failure; doubles with each further one.
    pub backoff_first: Duration,
    /// Longest back-off.
    pub backoff_most: Duration,
    /// Ready for this long, a version has earned a clean record.
    pub stable_after: Duration,
    /// After this long nobody is told of a failure any more.
    pub forget_after: Duration,
    /// This many broken limits of a server put the version into quarantine that breaks the last.
    pub quarantine_after: u32,
    /// They count for this long.
    pub quarantine_window: Duration,
    /// The first quarantine; doubles with each further one.
    pub quarantine_first: Duration,
    /// Longest quarantine.
    pub quarantine_most: Duration,
    /// This long after the end of a quarantine it is forgotten, and the next one is a first one again. Until then a single
    /// broken limit is enough, of a new version too.
    pub quarantine_kept: Duration,
    /// Most processes at once; when all are taken, the longest idle one makes room.
    pub max_awake: usize,
    /// A process that is in use keeps its place for at least this long, whoever waits for it.
    pub place_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(5 * 60),
            stop_grace: Duration::from_secs(5),
            drain_grace: Duration::from_secs(30),
            backoff_first: Duration::from_millis(250),
            backoff_most: Duration::from_secs(60),
            stable_after: Duration::from_secs(30),
            forget_after: Duration::from_secs(60 * 60),
            quarantine_after: 3,
            quarantine_window: Duration::from_secs(10 * 60),
            quarantine_first: Duration::from_secs(60),
            quarantine_most: Duration::from_secs(60 * 60),
            quarantine_kept: Duration::from_secs(60 * 60),
            max_awake: 64,
            place_for: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// The wait after this many failures in a row.
    pub(super) fn backoff(&self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.backoff_first.saturating_mul(factor).min(self.backoff_most)
    }

    /// How long the quarantine with this number lasts.
    pub(super) fn quarantine(&self, number: u32) -> Duration {
        let factor = 2_u32.saturating_pow(number.saturating_sub(1));
        self.quarantine_first.saturating_mul(factor).min(self.quarantine_most)
    }
}
