//! One version's slot: its phase, and how events move it.

use std::time::Duration;

use super::{Event, Generation, Settings, SlotState};

/// A killed process that has not gone is killed again after this.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// Where a slot is. At most one process belongs to it at any time: no phase holds two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Asleep,
    Starting {
        generation: Generation,
        deadline: Duration,
    },
    Ready {
        generation: Generation,
        since: Duration,
        idle_since: Duration,
        in_flight: u32,
        drain_until: Option<Duration>,
    },
    /// `failure` is set when the platform ended the process for a fault of its own.
    Stopping {
        generation: Generation,
        kill_at: Duration,
        killed: bool,
        failure: Option<String>,
    },
    Failing {
        reason: String,
        since: Duration,
        retry_at: Duration,
    },
    Gone,
}

/// What is known of one version.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) waiting: u32,
    pub(super) waiting_since: Duration,
    pub(super) attempts: u32,
    pub(super) retired: bool,
}

impl Slot {
    pub(super) fn new(now: Duration) -> Self {
        Self { phase: Phase::Asleep, waiting: 0, waiting_since: now, attempts: 0, retired: false }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether a process takes one of the fleet's places.
    pub(super) fn is_awake(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. } | Phase::Ready { .. } | Phase::Stopping { .. })
    }

    /// Whether it could make room for another version.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0 && matches!(self.phase, Phase::Ready { in_flight: 0, .. })
    }

    /// Whether a call waits for a process that has not been begun.
    pub(super) fn wants_start(&self) -> bool {
        self.waiting > 0 && matches!(self.phase, Phase::Asleep | Phase::Failing { .. })
    }

    pub(super) fn state(&self) -> SlotState {
        match &self.phase {
            Phase::Asleep | Phase::Gone => SlotState::Asleep,
            Phase::Starting { .. } => SlotState::Starting,
            Phase::Ready { drain_until: Some(_), .. } | Phase::Stopping { .. } => SlotState::Stopping,
            Phase::Ready { since, .. } => SlotState::Ready { since: *since },
            Phase::Failing { reason, retry_at, .. } => {
                SlotState::Failing { reason: reason.clone(), attempts: self.attempts, retry_at: *retry_at }
            }
        }
    }

    /// Moves the slot; returns whether a new plan is due.
    pub(super) fn observe(&mut self, now: Duration, event: Event, settings: &Settings) -> bool {
        match event {
            Event::CallWaiting => self.call_waits(now),
            Event::CallGaveUp => self.waiting = self.waiting.saturating_sub(1),
            Event::CallAdmitted { generation } => {
                self.waiting = self.waiting.saturating_sub(1);
                self.call_starts(generation);
                return false;
            }
            Event::CallStarted { generation } => {
                self.call_starts(generation);
                return false;
            }
            Event::CallFinished { generation } => return self.call_ends(now, generation, settings),
            Event::Launched { generation } => self.launched(now, generation, settings),
            Event::Started { generation } => self.started(now, generation, settings),
            Event::StopSent { generation, grace } => self.stop_sent(now, generation, grace),
            Event::KillSent { generation } => self.kill_sent(now, generation, settings),
            Event::StartFailed { generation, reason } | Event::Exited { generation, reason } => {
                self.ended(now, generation, reason, settings);
            }
            Event::Retired => self.retire(now, settings),
            Event::Forgotten => {
                if self.waiting == 0 && !self.is_awake() {
                    self.phase = Phase::Gone;
                }
            }
        }
        true
    }

    fn generation(&self) -> Option<Generation> {
        match &self.phase {
            Phase::Starting { generation, .. }
            | Phase::Ready { generation, .. }
            | Phase::Stopping { generation, .. } => Some(*generation),
            Phase::Asleep | Phase::Failing { .. } | Phase::Gone => None,
        }
    }

    fn call_waits(&mut self, now: Duration) {
        if self.waiting == 0 {
            self.waiting_since = now;
        }
        self.waiting += 1;
        // Somebody wants it again: activated anew while its last process was going.
        if !matches!(self.phase, Phase::Ready { .. }) {
            self.retired = false;
        }
    }

    fn call_starts(&mut self, started: Generation) {
        if let Phase::Ready { generation, in_flight, .. } = &mut self.phase
            && *generation == started
        {
            *in_flight += 1;
        }
    }

    /// An idle process is looked at again by itself in time, unless it drains.
    fn call_ends(&mut self, now: Duration, ended: Generation, settings: &Settings) -> bool {
        let Phase::Ready { generation, in_flight, idle_since, drain_until, .. } = &mut self.phase else {
            return false;
        };
        if *generation != ended {
            return false;
        }
        *in_flight = in_flight.saturating_sub(1);
        *idle_since = now;
        *in_flight == 0 && (drain_until.is_some() || settings.idle_after.is_zero())
    }

    fn launched(&mut self, now: Duration, generation: Generation, settings: &Settings) {
        // Never a second process beside a living one, whatever the executor did.
        if !self.is_awake() && self.phase != Phase::Gone {
            self.phase =
                Phase::Starting { generation, deadline: now.saturating_add(settings.start_deadline) };
        }
    }

    fn started(&mut self, now: Duration, started: Generation, settings: &Settings) {
        if let Phase::Starting { generation, .. } = self.phase
            && generation == started
        {
            let drain_until = self.retired.then(|| now.saturating_add(settings.drain_grace));
            self.phase = Phase::Ready { generation, since: now, idle_since: now, in_flight: 0, drain_until };
        }
    }

    fn stop_sent(&mut self, now: Duration, generation: Generation, grace: Duration) {
        if self.generation() == Some(generation) && !matches!(self.phase, Phase::Stopping { .. }) {
            self.phase = Phase::Stopping {
                generation,
                kill_at: now.saturating_add(grace),
                killed: false,
                failure: None,
            };
        }
    }

    fn kill_sent(&mut self, now: Duration, generation: Generation, settings: &Settings) {
        if self.generation() != Some(generation) {
            return;
        }
        let failure = match &self.phase {
            Phase::Starting { deadline, .. } if now >= *deadline => {
                Some(format!("did not start within {} ms", settings.start_deadline.as_millis()))
            }
            Phase::Stopping { failure, .. } => failure.clone(),
            Phase::Asleep
            | Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Failing { .. }
            | Phase::Gone => None,
        };
        self.phase =
            Phase::Stopping { generation, kill_at: now.saturating_add(KILL_AGAIN), killed: true, failure };
    }

    fn ended(&mut self, now: Duration, ended: Generation, reason: String, settings: &Settings) {
        if self.generation() != Some(ended) {
            return;
        }
        let failure = match &self.phase {
            Phase::Stopping { failure, .. } => failure.clone(),
            Phase::Ready { since, .. } => {
                if now.saturating_sub(*since) >= settings.stable_after {
                    self.attempts = 0;
                }
                Some(reason)
            }
            Phase::Asleep | Phase::Starting { .. } | Phase::Failing { .. } | Phase::Gone => Some(reason),
        };
        match failure {
            Some(reason) => {
                self.attempts = self.attempts.saturating_add(1);
                let retry_at = now.saturating_add(settings.backoff(self.attempts));
                self.phase = Phase::Failing { reason, since: now, retry_at };
            }
            None => {
                self.attempts = 0;
                self.phase = Phase::Asleep;
            }
        }
    }

    fn retire(&mut self, now: Duration, settings: &Settings) {
        self.retired = true;
        if let Phase::Ready { drain_until, .. } = &mut self.phase {
            drain_until.get_or_insert(now.saturating_add(settings.drain_grace));
        }
    }
}
