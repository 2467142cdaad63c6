//! A version's record of broken limits: when a few become a quarantine, and when they are forgotten.

use std::time::Duration;

use super::Settings;

/// What is held against a version. Bounded: as many times as make a quarantine.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// When limits were broken, within the window.
    recent: Vec<Duration>,
    /// All of them since the record is clean.
    pub(super) offences: u32,
    /// Quarantines so far, and when the latest ends.
    quarantines: u32,
    until: Duration,
}

impl Record {
    /// A limit was broken. Returns the end of the quarantine that follows, if one does: the first takes a few offences,
    /// after that each one is enough until the record is clean.
    pub(super) fn offend(&mut self, now: Duration, settings: &Settings) -> Option<Duration> {
        if self.is_clean(now, settings) {
            *self = Self::default();
        }
        self.offences = self.offences.saturating_add(1);
        self.recent.retain(|at| now.saturating_sub(*at) < settings.quarantine_window);
        self.recent.push(now);
        let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if count < settings.quarantine_after && self.quarantines == 0 {
            return None;
        }
        self.recent.clear();
        self.quarantines = self.quarantines.saturating_add(1);
        self.until = now.saturating_add(settings.quarantine(self.quarantines));
        Some(self.until)
    }

    /// Whether nothing is held against the version any more.
    pub(super) fn is_clean(&self, now: Duration, settings: &Settings) -> bool {
        self.clean_at(settings).is_none_or(|at| at <= now)
    }

    /// When that will be; `None` when it is so already.
    pub(super) fn clean_at(&self, settings: &Settings) -> Option<Duration> {
        let window = self.recent.last().map(|at| at.saturating_add(settings.quarantine_window));
        let kept = (self.quarantines > 0).then(|| self.until.saturating_add(settings.quarantine_kept));
        window.max(kept)
    }
}
