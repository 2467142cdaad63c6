//! Who gets the places: between tenants who holds least, within one who waits longest; and who gives a place up.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use smcp_types::TenantId;

use super::{
    Action, Admission, Denied, Fleet, Generation, Why,
    plan::Draft,
    slot::{Phase, Slot},
};
use crate::ports::VersionRef;

/// How many places each tenant holds, and how many it may hold when others want some. Changes as a plan is made.
struct Shares {
    held: BTreeMap<TenantId, usize>,
    fair: usize,
}

impl Shares {
    /// As things are; these tenants want a place whatever the fleet knows of them.
    fn of(fleet: &Fleet, wanting: impl IntoIterator<Item = TenantId>) -> Self {
        let mut held: BTreeMap<TenantId, usize> = wanting.into_iter().map(|tenant| (tenant, 0)).collect();
        for (version, slot) in &fleet.slots {
            if slot.is_awake() || slot.wants_start() {
                *held.entry(version.tenant).or_default() += usize::from(slot.is_awake());
            }
        }
        let fair = (fleet.settings.max_awake / held.len().max(1)).max(1);
        Self { held, fair }
    }

    fn held(&self, tenant: TenantId) -> usize {
        self.held.get(&tenant).copied().unwrap_or_default()
    }

    fn take(&mut self, tenant: TenantId) {
        *self.held.entry(tenant).or_default() += 1;
    }

    fn leave(&mut self, tenant: TenantId) {
        let held = self.held.entry(tenant).or_default();
        *held = held.saturating_sub(1);
    }

    /// Whether a process may have to go for a call of this tenant, and how much that hurts.
    fn cost(&self, slot: &Slot, owner: TenantId, tenant: TenantId) -> Option<Cost> {
        if slot.is_idle() {
            Some(Cost::Nobody)
        } else if slot.is_quiet() && (owner == tenant || self.held(owner) > self.held(tenant)) {
            Some(Cost::Listeners)
        } else if self.held(owner) > self.fair && self.held(tenant) < self.fair {
            Some(Cost::Calls)
        } else {
            None
        }
    }
}

/// Whom it hurts when a process goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    Nobody,
    Listeners,
    Calls,
}

/// A process that could make room.
struct Candidate<'a> {
    version: VersionRef,
    generation: Generation,
    slot: &'a Slot,
    since: Duration,
    idle_since: Duration,
    calls: u32,
}

impl Fleet {
    /// Whether a process may start, or will be able to once another has made room.
    pub(super) fn place(&self, version: &VersionRef) -> Admission {
        let awake = self.slots.values().filter(|slot| slot.is_awake()).count();
        if awake < self.settings.max_awake {
            return Admission::Wait;
        }
        let shares = Shares::of(self, [version.tenant]);
        let leaves = |(owner, slot): (&VersionRef, &Slot)| {
            matches!(slot.phase, Phase::Stopping { .. })
                || (slot.is_awake() && shares.cost(slot, owner.tenant, version.tenant).is_some())
        };
        if self.slots.iter().any(leaves) { Admission::Wait } else { Admission::Denied(Denied::Full) }
    }
}

impl Draft<'_> {
    /// Starts those who wait as far as there are places, and finds room for the rest.
    pub(super) fn share_places(&mut self) {
        self.one_of_each_server();
        if self.starts.is_empty() && self.wishes.is_empty() {
            return;
        }
        let slots = &self.fleet.slots;
        let awake = slots.values().filter(|slot| slot.is_awake()).count();
        let max = self.fleet.settings.max_awake;
        // No plan can do more than fill every place anew.
        let mut order = queue(std::mem::take(&mut self.starts), Shares::of(self.fleet, []), 2 * max);
        let rest = order.split_off(order.len().min(max.saturating_sub(awake)));
        let spare = max.saturating_sub(awake + order.len());
        let (granted, vain) = self.wishes.split_at(self.wishes.len().min(spare));
        let forget = vain.iter().map(|version| Action::Forget { version: *version });
        let begin = order.iter().chain(granted).zip(self.fleet.next..);
        let begin =
            begin.map(|(version, next)| Action::Start { version: *version, generation: Generation(next) });
        self.plan.actions.extend(begin.chain(forget));
        if !rest.is_empty() {
            self.make_room(&order, &rest);
        }
    }

    /// Stops one process for each that waits in vain, unless enough are about to go.
    fn make_room(&mut self, started: &[VersionRef], rest: &[VersionRef]) {
        let fleet = self.fleet;
        let mut shares = Shares::of(fleet, []);
        started.iter().for_each(|version| shares.take(version.tenant));
        let stopped: Vec<VersionRef> = (self.plan.actions.iter())
            .filter_map(|action| match action {
                Action::Stop { version, .. } => Some(*version),
                Action::Start { .. } | Action::Kill { .. } | Action::Forget { .. } => None,
            })
            .collect();
        let leaving = |version: &VersionRef, slot: &Slot| {
            matches!(slot.phase, Phase::Stopping { .. }) || stopped.contains(version)
        };
        let mut candidates = Vec::new();
        let mut leave = 0;
        for (version, slot) in &fleet.slots {
            if leaving(version, slot) {
                leave += 1;
                shares.leave(version.tenant);
            } else if let Phase::Ready { generation, since, idle_since, calls, .. } = slot.phase {
                candidates.push(Candidate { version: *version, generation, slot, since, idle_since, calls });
            }
        }
        for (number, version) in rest.iter().enumerate() {
            if number >= leave {
                self.replace(version.tenant, &mut candidates, &mut shares);
            }
            shares.take(version.tenant);
        }
    }

    /// Stops the process that hurts least: nobody's before a listener's, the greatest holder's first.
    fn replace(&mut self, tenant: TenantId, candidates: &mut Vec<Candidate<'_>>, shares: &mut Shares) {
        let settings = &self.fleet.settings;
        let rank = |candidate: &Candidate<'_>| {
            let owner = candidate.version.tenant;
            let cost = shares.cost(candidate.slot, owner, tenant)?;
            // Nobody is driven out before it had its turn, or two could drive each other out for ever.
            let from = match cost {
                Cost::Nobody => Duration::ZERO,
                Cost::Listeners | Cost::Calls => candidate.since.saturating_add(settings.place_for),
            };
            let wait = from.saturating_sub(self.now);
            let most = Reverse(shares.held(owner));
            Some((cost, wait, most, candidate.calls, candidate.idle_since, candidate.version))
        };
        let ranks = candidates.iter().enumerate();
        let best = ranks.filter_map(|(at, candidate)| Some((rank(candidate)?, at))).min();
        let Some(((_, wait, ..), at)) = best else { return };
        let Candidate { version, generation, .. } = candidates.swap_remove(at);
        shares.leave(version.tenant);
        if self.due(self.now.saturating_add(wait)) {
            self.stop(version, generation, settings.stop_grace, Why::Place);
        }
    }
}

/// The order in which waiting versions get places: always the tenant that would hold least, and of its versions the one
/// that waits longest.
fn queue(mut starts: Vec<(Duration, VersionRef)>, mut shares: Shares, most: usize) -> Vec<VersionRef> {
    starts.sort_unstable();
    let mut waiting: BTreeMap<TenantId, VecDeque<(Duration, VersionRef)>> = BTreeMap::new();
    for start in starts {
        waiting.entry(start.1.tenant).or_default().push_back(start);
    }
    let mut order = Vec::new();
    while order.len() < most {
        let next = (waiting.iter())
            .filter_map(|(tenant, versions)| Some((shares.held(*tenant), versions.front()?, *tenant)))
            .min();
        let Some((_, (_, version), tenant)) = next else { break };
        order.push(*version);
        shares.take(tenant);
        if let Some(versions) = waiting.get_mut(&tenant) {
            versions.pop_front();
        }
    }
    order
}
