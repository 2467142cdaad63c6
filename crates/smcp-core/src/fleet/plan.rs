//! From the state of all slots to actions: deadlines, idleness, drains.

use std::{collections::BTreeSet, time::Duration};

use smcp_types::Limit;

use super::{
    Action, Cause, Fleet, Generation, Plan, Why,
    slot::{Phase, Slot},
};
use crate::ports::VersionRef;

impl Fleet {
    /// What to do at a monotonic time. Changes nothing: asked twice it says the same.
    #[must_use]
    pub fn plan(&self, now: Duration) -> Plan {
        let (starts, wishes) = (Vec::new(), Vec::new());
        let mut draft = Draft { fleet: self, now, plan: Plan::default(), starts, wishes };
        for (version, slot) in &self.slots {
            draft.consider(*version, slot);
        }
        draft.share_places();
        draft.plan
    }
}

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) now: Duration,
    pub(super) plan: Plan,
    /// Versions that calls wait for, with the time the first has waited since.
    pub(super) starts: Vec<(Duration, VersionRef)>,
    /// Versions that are expected to be called.
    pub(super) wishes: Vec<VersionRef>,
}

impl Draft<'_> {
    fn consider(&mut self, version: VersionRef, slot: &Slot) {
        match &slot.phase {
            Phase::Asleep => self.consider_asleep(version, slot),
            Phase::Starting { generation, within, deadline } => {
                if self.fleet.ends_at.is_some() {
                    self.kill(version, *generation, None);
                } else if self.due(*deadline) {
                    let late = format!("did not start within {} ms", within.as_millis());
                    self.kill(version, *generation, Some(Cause::broken(Limit::Start, &late)));
                }
            }
            Phase::Ready { .. } => self.consider_ready(version, slot),
            Phase::Stopping { generation, kill_at, killed, failure } => {
                // A shutdown may leave less time than the grace it was stopped with.
                let end = self.fleet.ends_at.filter(|_| !killed);
                if self.due(end.map_or(*kill_at, |end| end.min(*kill_at))) {
                    self.kill(version, *generation, failure.clone());
                }
            }
            Phase::Failing { since, retry_at, .. } => self.consider_failing(version, slot, *since, *retry_at),
            Phase::Gone => {}
        }
    }

    fn consider_asleep(&mut self, version: VersionRef, slot: &Slot) {
        if slot.waiting > 0 {
            self.want_start(version, slot);
        } else if slot.wanted && self.fleet.ends_at.is_none() {
            // The one before it goes by itself.
            if self.fleet.before(&version).is_none() {
                self.wishes.push(version);
            }
        } else {
            self.forget(version, slot, self.now);
        }
    }

    fn consider_ready(&mut self, version: VersionRef, slot: &Slot) {
        let Phase::Ready { generation, idle_since, drain_until, .. } = slot.phase else { return };
        let settings = &self.fleet.settings;
        if let Some(end) = self.fleet.ends_at {
            self.stop(version, generation, end.saturating_sub(self.now), Why::Shutdown);
            return;
        }
        // Calls may go on for the grace of a drain; who only listens has the grace of a stop.
        if let Some(until) = drain_until
            && (slot.is_quiet() || self.due(until))
        {
            self.stop(version, generation, settings.stop_grace, Why::Retired);
            return;
        }
        // A busy one is looked at again after the shortest time it could take to be idle: no event needs to say so. Who only
        // listens does not keep it awake.
        let idle_from = if slot.is_quiet() { idle_since } else { self.now };
        if self.due(idle_from.saturating_add(settings.idle_after)) && slot.is_quiet() {
            self.stop(version, generation, settings.stop_grace, Why::Idle);
        }
    }

    fn consider_failing(&mut self, version: VersionRef, slot: &Slot, since: Duration, retry_at: Duration) {
        if slot.waiting > 0 {
            if self.due(retry_at) {
                self.want_start(version, slot);
            }
        } else if slot.retired || self.fleet.ends_at.is_some() {
            self.forget(version, slot, self.now);
        } else {
            self.forget(version, slot, since.saturating_add(self.fleet.settings.forget_after));
        }
    }

    /// Lets go of a slot from a time on, but not before the end of a quarantine.
    fn forget(&mut self, version: VersionRef, slot: &Slot, from: Duration) {
        if self.due(from.max(slot.quarantined_until().unwrap_or_default())) {
            self.plan.actions.push(Action::Forget { version });
        }
    }

    fn kill(&mut self, version: VersionRef, generation: Generation, cause: Option<Cause>) {
        self.plan.actions.push(Action::Kill { version, generation, cause });
    }

    pub(super) fn stop(&mut self, version: VersionRef, generation: Generation, grace: Duration, why: Why) {
        self.plan.actions.push(Action::Stop { version, generation, grace, why });
    }

    fn want_start(&mut self, version: VersionRef, slot: &Slot) {
        // While the platform stops, waiting calls are refused by `admission`; there is nothing to do for them.
        if self.fleet.ends_at.is_some() {
            return;
        }
        match self.fleet.before(&version) {
            None => self.starts.push((slot.waiting_since, version)),
            Some((other, before)) => self.make_way(other, before),
        }
    }

    /// Stops a process that another version of its server waits for, unless calls keep it busy or it goes already.
    fn make_way(&mut self, version: VersionRef, slot: &Slot) {
        if let Phase::Ready { generation, drain_until: None, .. } = slot.phase
            && slot.is_quiet()
        {
            self.stop(version, generation, self.fleet.settings.stop_grace, Why::Retired);
        }
    }

    /// Of versions of one server whose objects keep state, only one may be started: who has waited longest.
    pub(super) fn one_of_each_server(&mut self) {
        let fleet = self.fleet;
        let mut taken = BTreeSet::new();
        let mut first = |version: &VersionRef| {
            !fleet.alone.contains(version) || taken.insert((version.tenant, version.server))
        };
        self.starts.sort_unstable();
        self.starts.retain(|(_, version)| first(version));
        self.wishes.retain(first);
    }

    /// Whether a time has come; if not, the plan is asked again then.
    pub(super) fn due(&mut self, at: Duration) -> bool {
        if at <= self.now {
            return true;
        }
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |wake| wake.min(at)));
        false
    }
}
