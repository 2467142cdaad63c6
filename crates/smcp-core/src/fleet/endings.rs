//! How a slot comes through the end of its process: back-off, quarantine, and when both are forgotten.

use std::time::Duration;

use super::{
    Cause, Generation, Settings,
    record::Record,
    slot::{Phase, Slot},
};

impl Slot {
    /// A process that is asked to finish is not judged any more: it answers nobody then, and has its grace.
    pub(super) fn overrun(
        &mut self,
        now: Duration,
        generation: Generation,
        cause: Cause,
        settings: &Settings,
    ) {
        if self.generation() == Some(generation) && !matches!(self.phase, Phase::Stopping { .. }) {
            self.forgive(now, settings);
            self.phase = Phase::Stopping { generation, kill_at: now, killed: false, failure: Some(cause) };
        }
    }

    pub(super) fn ended(&mut self, now: Duration, ended: Generation, cause: Cause, settings: &Settings) {
        if self.generation() != Some(ended) {
            return;
        }
        self.forgive(now, settings);
        let failure = match &self.phase {
            // It was asked to end, but may have broken a limit before it could.
            Phase::Stopping { failure, .. } => failure.clone().or(Some(cause).filter(|c| c.limit.is_some())),
            Phase::Asleep
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Failing { .. }
            | Phase::Gone => Some(cause),
        };
        match failure {
            Some(cause) => self.fail(now, cause, settings),
            None => {
                self.attempts = 0;
                self.phase = Phase::Asleep;
            }
        }
    }

    fn fail(&mut self, now: Duration, cause: Cause, settings: &Settings) {
        self.attempts = self.attempts.saturating_add(1);
        let backoff = now.saturating_add(settings.backoff(self.attempts));
        let quarantine = cause.limit.and_then(|_| self.record.offend(now, settings));
        self.phase = Phase::Failing {
            reason: cause.reason,
            since: now,
            retry_at: quarantine.map_or(backoff, |until| until.max(backoff)),
            quarantined: quarantine.is_some(),
        };
    }

    /// A process that was ready for long enough has made up for failed starts before it.
    fn forgive(&mut self, now: Duration, settings: &Settings) {
        if let Phase::Ready { since, .. } = self.phase
            && now.saturating_sub(since) >= settings.stable_after
        {
            self.attempts = 0;
        }
    }

    pub(super) fn lift(&mut self) {
        self.record = Record::default();
        self.attempts = 0;
        if matches!(self.phase, Phase::Failing { .. }) {
            self.wanted = false;
            self.phase = Phase::Asleep;
        }
    }

    /// What is held against a version outlives its process.
    pub(super) fn forget(&mut self, now: Duration, settings: &Settings) {
        self.wanted = false;
        if self.waiting == 0 && !self.is_awake() && self.record.is_clean(now, settings) {
            self.phase = Phase::Gone;
        }
    }
}
