//! From the state of all slots to actions: deadlines, idleness, drains, and who gets the places.

use std::time::Duration;

use super::{
    Action, Fleet, Generation, Plan,
    slot::{Phase, Slot},
};
use crate::ports::VersionRef;

impl Fleet {
    /// What to do at a monotonic time. Changes nothing: asked twice it says the same.
    #[must_use]
    pub fn plan(&self, now: Duration) -> Plan {
        let mut draft = Draft { fleet: self, now, plan: Plan::default(), starts: Vec::new() };
        for (version, slot) in &self.slots {
            draft.consider(*version, slot);
        }
        draft.share_places();
        draft.plan
    }
}

/// A plan in the making.
struct Draft<'a> {
    fleet: &'a Fleet,
    now: Duration,
    plan: Plan,
    /// Versions that want a process, with the time their first call has waited since.
    starts: Vec<(Duration, VersionRef)>,
}

impl Draft<'_> {
    fn consider(&mut self, version: VersionRef, slot: &Slot) {
        match &slot.phase {
            Phase::Asleep if slot.waiting > 0 => self.want_start(version, slot),
            Phase::Asleep => self.plan.actions.push(Action::Forget { version }),
            Phase::Starting { generation, deadline } => {
                if self.fleet.ends_at.is_some() || self.due(*deadline) {
                    self.plan.actions.push(Action::Kill { version, generation: *generation });
                }
            }
            Phase::Ready { .. } => self.consider_ready(version, slot),
            Phase::Stopping { generation, kill_at, killed, .. } => {
                // A shutdown may leave less time than the grace it was stopped with.
                let end = self.fleet.ends_at.filter(|_| !killed);
                if self.due(end.map_or(*kill_at, |end| end.min(*kill_at))) {
                    self.plan.actions.push(Action::Kill { version, generation: *generation });
                }
            }
            Phase::Failing { since, retry_at, .. } => self.consider_failing(version, slot, *since, *retry_at),
            Phase::Gone => {}
        }
    }

    fn consider_ready(&mut self, version: VersionRef, slot: &Slot) {
        let Phase::Ready { generation, idle_since, in_flight, drain_until, .. } = slot.phase else { return };
        let settings = &self.fleet.settings;
        if let Some(end) = self.fleet.ends_at {
            self.stop(version, generation, end.saturating_sub(self.now));
            return;
        }
        if let Some(until) = drain_until
            && (slot.is_idle() || self.due(until))
        {
            self.stop(version, generation, settings.stop_grace);
            return;
        }
        // A busy one is looked at again after the shortest time it could take to be idle: no event needs to say so.
        let idle_from = if in_flight == 0 { idle_since } else { self.now };
        if self.due(idle_from.saturating_add(settings.idle_after)) && slot.is_idle() {
            self.stop(version, generation, settings.stop_grace);
        }
    }

    fn consider_failing(&mut self, version: VersionRef, slot: &Slot, since: Duration, retry_at: Duration) {
        if slot.waiting > 0 {
            if self.due(retry_at) {
                self.want_start(version, slot);
            }
        } else if slot.retired
            || self.fleet.ends_at.is_some()
            || self.due(since.saturating_add(self.fleet.settings.forget_after))
        {
            self.plan.actions.push(Action::Forget { version });
        }
    }

    /// Starts those who wait, longest first, as far as there are places; the longest idle make room for the rest.
    fn share_places(&mut self) {
        if self.starts.is_empty() {
            return;
        }
        self.starts.sort_unstable();
        let slots = &self.fleet.slots;
        let awake = slots.values().filter(|slot| slot.is_awake()).count();
        let free = self.fleet.settings.max_awake.saturating_sub(awake).min(self.starts.len());
        let rest = self.starts.split_off(free);
        for (generation, (_, version)) in (self.fleet.next..).zip(std::mem::take(&mut self.starts)) {
            self.plan.actions.push(Action::Start { version, generation: Generation(generation) });
        }
        let stopping = slots.values().filter(|slot| matches!(slot.phase, Phase::Stopping { .. })).count();
        let planned = self.plan.actions.iter().filter(|action| matches!(action, Action::Stop { .. })).count();
        self.evict(rest.len().saturating_sub(stopping + planned));
    }

    fn evict(&mut self, count: usize) {
        let mut idle: Vec<_> = (self.fleet.slots.iter())
            .filter(|(version, slot)| slot.is_idle() && !self.is_stopped(version))
            .filter_map(|(version, slot)| match slot.phase {
                Phase::Ready { generation, idle_since, .. } => Some((idle_since, *version, generation)),
                Phase::Asleep
                | Phase::Starting { .. }
                | Phase::Stopping { .. }
                | Phase::Failing { .. }
                | Phase::Gone => None,
            })
            .collect();
        idle.sort_unstable();
        for (_, version, generation) in idle.into_iter().take(count) {
            self.stop(version, generation, self.fleet.settings.stop_grace);
        }
    }

    fn is_stopped(&self, version: &VersionRef) -> bool {
        self.plan
            .actions
            .iter()
            .any(|action| matches!(action, Action::Stop { version: stopped, .. } if stopped == version))
    }

    fn stop(&mut self, version: VersionRef, generation: Generation, grace: Duration) {
        self.plan.actions.push(Action::Stop { version, generation, grace });
    }

    fn want_start(&mut self, version: VersionRef, slot: &Slot) {
        // While the platform stops, waiting calls are refused by `admission`; there is nothing to do for them.
        if self.fleet.ends_at.is_none() {
            self.starts.push((slot.waiting_since, version));
        }
    }

    /// Whether a time has come; if not, the plan is asked again then.
    fn due(&mut self, at: Duration) -> bool {
        if at <= self.now {
            return true;
        }
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |wake| wake.min(at)));
        false
    }
}
