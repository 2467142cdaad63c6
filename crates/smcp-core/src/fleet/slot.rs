//! One version's slot: its phase, and how events move it.

use std::time::Duration;

use super::{Cause, Event, Generation, Settings, SlotState, Traffic, record::Judge};

/// A killed process that has not gone is killed again after this.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// Where a slot is. At most one process belongs to it at any time: no phase holds two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Asleep,
    Starting {
        generation: Generation,
        within: Duration,
        deadline: Duration,
    },
    Ready {
        generation: Generation,
        since: Duration,
        idle_since: Duration,
        calls: u32,
        streams: u32,
        drain_until: Option<Duration>,
    },
    /// `failure` is set when the platform ended the process for a fault of its own.
    Stopping {
        generation: Generation,
        kill_at: Duration,
        killed: bool,
        failure: Option<Cause>,
    },
    /// A quarantine is for so many offences.
    Failing {
        reason: String,
        since: Duration,
        retry_at: Duration,
        offences: Option<u32>,
    },
    Gone,
}

/// What is known of one version.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) waiting: u32,
    pub(super) waiting_since: Duration,
    /// A call is expected; a start for it takes nobody's place.
    pub(super) wanted: bool,
    pub(super) attempts: u32,
    pub(super) retired: bool,
}

impl Slot {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            phase: Phase::Asleep,
            waiting: 0,
            waiting_since: now,
            wanted: false,
            attempts: 0,
            retired: false,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether a process takes one of the fleet's places.
    pub(super) fn is_awake(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. } | Phase::Ready { .. } | Phase::Stopping { .. })
    }

    /// Whether no call waits or is answered, whoever may be listening.
    pub(super) fn is_quiet(&self) -> bool {
        self.waiting == 0 && matches!(self.phase, Phase::Ready { calls: 0, .. })
    }

    /// Whether nobody would notice if it made room for another version.
    pub(super) fn is_idle(&self) -> bool {
        self.is_quiet() && matches!(self.phase, Phase::Ready { streams: 0, .. })
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
            Phase::Failing { reason, retry_at, offences: Some(offences), .. } => {
                SlotState::Quarantined { reason: reason.clone(), offences: *offences, until: *retry_at }
            }
            Phase::Failing { reason, retry_at, offences: None, .. } => {
                SlotState::Failing { reason: reason.clone(), attempts: self.attempts, retry_at: *retry_at }
            }
        }
    }

    /// Moves the slot; returns whether a new plan is due.
    pub(super) fn observe(&mut self, now: Duration, event: Event, judge: &mut Judge<'_>) -> bool {
        let settings = judge.settings;
        match event {
            Event::CallWaiting => self.call_waits(now),
            Event::CallGaveUp => self.waiting = self.waiting.saturating_sub(1),
            Event::CallAdmitted { generation, traffic } => {
                self.waiting = self.waiting.saturating_sub(1);
                self.call_starts(generation, traffic);
                return false;
            }
            Event::CallStarted { generation, traffic } => {
                self.call_starts(generation, traffic);
                return false;
            }
            Event::CallFinished { generation, traffic } => {
                return self.call_ends(now, generation, traffic, settings);
            }
            Event::Wanted => return self.want(),
            Event::Launched { generation, within } => self.launched(now, generation, within),
            Event::Started { generation } => self.started(now, generation, settings),
            Event::Overrun { generation, cause } => self.overrun(now, generation, cause, settings),
            Event::StopSent { generation, grace } => self.stop_sent(now, generation, grace),
            Event::KillSent { generation, cause } => self.kill_sent(now, generation, cause),
            Event::StartFailed { generation, cause } | Event::Exited { generation, cause } => {
                self.ended(now, generation, cause, judge);
            }
            Event::Retired => self.retire(now, settings),
            Event::Lifted => self.lift(),
            Event::Forgotten => self.forget(now),
        }
        true
    }

    pub(super) fn generation(&self) -> Option<Generation> {
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

    /// A version that has failed is started for a call, not for what nobody has asked.
    fn want(&mut self) -> bool {
        self.retired = false;
        match &mut self.phase {
            Phase::Asleep | Phase::Stopping { .. } => !std::mem::replace(&mut self.wanted, true),
            // Active again before it has gone: it drains no more.
            Phase::Ready { drain_until, .. } => drain_until.take().is_some(),
            Phase::Starting { .. } | Phase::Failing { .. } | Phase::Gone => false,
        }
    }

    fn call_starts(&mut self, started: Generation, traffic: Traffic) {
        if let Phase::Ready { generation, calls, streams, .. } = &mut self.phase
            && *generation == started
        {
            match traffic {
                Traffic::Call => *calls += 1,
                Traffic::Stream => *streams += 1,
            }
        }
    }

    /// An idle process is looked at again by itself in time, unless it drains.
    fn call_ends(&mut self, now: Duration, ended: Generation, traffic: Traffic, settings: &Settings) -> bool {
        let Phase::Ready { generation, calls, streams, idle_since, drain_until, .. } = &mut self.phase else {
            return false;
        };
        if *generation != ended {
            return false;
        }
        let count = match traffic {
            Traffic::Call => &mut *calls,
            Traffic::Stream => &mut *streams,
        };
        *count = count.saturating_sub(1);
        *idle_since = now;
        *calls == 0 && (drain_until.is_some() || settings.idle_after.is_zero())
    }

    fn launched(&mut self, now: Duration, generation: Generation, within: Duration) {
        // Never a second process beside a living one, whatever the executor did.
        if !self.is_awake() && self.phase != Phase::Gone {
            self.wanted = false;
            self.phase = Phase::Starting { generation, within, deadline: now.saturating_add(within) };
        }
    }

    fn started(&mut self, now: Duration, started: Generation, settings: &Settings) {
        if let Phase::Starting { generation, .. } = self.phase
            && generation == started
        {
            let drain_until = self.retired.then(|| now.saturating_add(settings.drain_grace));
            self.phase =
                Phase::Ready { generation, since: now, idle_since: now, calls: 0, streams: 0, drain_until };
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

    fn kill_sent(&mut self, now: Duration, generation: Generation, cause: Option<Cause>) {
        if self.generation() == Some(generation) {
            let kill_at = now.saturating_add(KILL_AGAIN);
            self.phase = Phase::Stopping { generation, kill_at, killed: true, failure: cause };
        }
    }

    fn retire(&mut self, now: Duration, settings: &Settings) {
        self.retired = true;
        if let Phase::Ready { drain_until, .. } = &mut self.phase {
            drain_until.get_or_insert(now.saturating_add(settings.drain_grace));
        }
    }
}
