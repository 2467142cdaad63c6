//! How a slot comes through the end of its process: back-off, quarantine, and when both are forgotten.

use std::time::Duration;

use super::{
    Cause, Generation, Settings,
    record::Judge,
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

    pub(super) fn ended(&mut self, now: Duration, ended: Generation, cause: Cause, judge: &mut Judge<'_>) {
        if self.generation() != Some(ended) {
            return;
        }
        self.forgive(now, judge.settings);
        let failure = match &self.phase {
            // It was asked to end, but may have broken a limit before it could.
            Phase::Stopping { failure, .. } => {
                failure.clone().or(Some(cause).filter(|c| c.offence.is_some()))
            }
            Phase::Asleep
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Failing { .. }
            | Phase::Gone => Some(cause),
        };
        match failure {
            Some(cause) => self.fail(now, cause, judge),
            None => {
                self.attempts = 0;
                self.phase = Phase::Asleep;
            }
        }
    }

    fn fail(&mut self, now: Duration, cause: Cause, judge: &mut Judge<'_>) {
        self.attempts = self.attempts.saturating_add(1);
        let backoff = now.saturating_add(judge.settings.backoff(self.attempts));
        let quarantine = cause.offence.and_then(|_| judge.offend(now));
        self.phase = Phase::Failing {
            reason: cause.reason,
            since: now,
            retry_at: quarantine.as_ref().map_or(backoff, |quarantine| quarantine.until.max(backoff)),
            offences: quarantine.map(|quarantine| quarantine.offences),
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
        self.attempts = 0;
        if matches!(self.phase, Phase::Failing { .. }) {
            self.wanted = false;
            self.phase = Phase::Asleep;
        }
    }

    /// Until when a quarantine holds, whoever has lost interest meanwhile.
    pub(super) fn quarantined_until(&self) -> Option<Duration> {
        match self.phase {
            Phase::Failing { retry_at, offences: Some(_), .. } => Some(retry_at),
            Phase::Failing { offences: None, .. }
            | Phase::Asleep
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Stopping { .. }
            | Phase::Gone => None,
        }
    }

    pub(super) fn forget(&mut self, now: Duration) {
        self.wanted = false;
        let serves = self.quarantined_until().is_some_and(|until| now < until);
        if self.waiting == 0 && !self.is_awake() && !serves {
            self.phase = Phase::Gone;
        }
    }
}
