//! The planner of hosted processes: a pure state machine from what was seen to what is to be done.
//!
//! `Fleet` has one slot per version, and a record per server that broke limits. `observe` takes what happened, `plan` says what to do, and nothing here acts, waits
//! or reads a clock. The plan depends on the state alone: asked twice it answers the same, and the executor reports each
//! action it took as an event. Boot, deploy, crash, drain and shutdown are all this one path.

mod endings;
mod places;
mod plan;
mod record;
mod settings;
mod slot;
#[cfg(test)]
mod tests;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

pub use settings::Settings;
pub use words::{
    Action, Admission, Cause, Denied, Event, Generation, Offence, Plan, SlotState, Traffic, Why,
};

use crate::ports::VersionRef;
use record::Records;
use slot::{Phase, Slot};

/// All slots, what is held against servers, and the next generation's number.
#[derive(Clone, Debug)]
pub struct Fleet {
    settings: Settings,
    slots: BTreeMap<VersionRef, Slot>,
    records: Records,
    next: u64,
    /// Versions whose objects keep state: of a server's, one has a process at any time.
    alone: BTreeSet<VersionRef>,
    /// Set once the platform stops: when what still runs is killed.
    ends_at: Option<Duration>,
}

impl Fleet {
    /// A fleet without processes.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            slots: BTreeMap::new(),
            records: Records::default(),
            next: 1,
            alone: BTreeSet::new(),
            ends_at: None,
        }
    }

    /// Takes note of what happened to a version at a monotonic time. Returns whether the plan may have changed before
    /// the last plan's `wake_at`: most calls on a warm version answer no.
    pub fn observe(&mut self, now: Duration, version: &VersionRef, event: Event) -> bool {
        if let Event::Launched { generation, .. } = &event {
            self.next = self.next.max(generation.0 + 1);
        }
        let mut judge = self.records.judge(version, &self.settings);
        if event == Event::Lifted {
            // The record is the server's: it may be another version's doing, and this one may have no slot.
            judge.pardon();
        }
        let finished = matches!(event, Event::CallFinished { .. });
        let slot = match self.slots.entry(*version) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if matches!(event, Event::CallWaiting | Event::Wanted) => {
                entry.insert(Slot::new(now))
            }
            // Late news of a slot that is forgotten.
            Entry::Vacant(_) => return false,
        };
        let changed = slot.observe(now, event, &mut judge);
        if slot.is_gone() {
            self.slots.remove(version);
            self.alone.remove(version);
        }
        // A version that has just become idle is worth a new plan only to somebody who waits for its place.
        changed || (finished && self.slots.values().any(Slot::wants_start))
    }

    /// A version's objects keep state: it starts when no other such version of its server has a process. To be said
    /// before its process is asked for.
    pub fn keep_alone(&mut self, version: &VersionRef) {
        self.alone.insert(*version);
    }

    /// Another version of the server that has to go before this one may start.
    fn before(&self, version: &VersionRef) -> Option<(VersionRef, &Slot)> {
        let of_server = |other: &&VersionRef| {
            (other.tenant, other.server) == (version.tenant, version.server) && *other != version
        };
        let mut others =
            self.alone.contains(version).then_some(&self.alone).into_iter().flatten().filter(of_server);
        others.find_map(|other| Some((*other, self.slots.get(other).filter(|slot| slot.is_awake())?)))
    }

    /// The platform stops: nothing starts any more, what runs gets until `grace` has passed.
    pub fn shutdown(&mut self, now: Duration, grace: Duration) {
        self.ends_at.get_or_insert(now.saturating_add(grace));
    }

    /// Whether a call may go out now, and if not, whether waiting helps. Asked again for every waiting call after each
    /// event.
    #[must_use]
    pub fn admission(&self, now: Duration, version: &VersionRef) -> Admission {
        if self.ends_at.is_some() {
            return Admission::Denied(Denied::ShuttingDown);
        }
        let Some(slot) = self.slots.get(version) else {
            return self.place(version);
        };
        match &slot.phase {
            Phase::Ready { generation, .. } => Admission::Ready(*generation),
            Phase::Starting { .. } | Phase::Stopping { .. } => Admission::Wait,
            Phase::Failing { reason, retry_at, offences, .. } if now < *retry_at => {
                let (reason, until) = (reason.clone(), *retry_at);
                Admission::Denied(match *offences {
                    Some(offences) => Denied::Quarantined { reason, offences, until },
                    None => Denied::Failing { reason, attempts: slot.attempts, retry_at: until },
                })
            }
            Phase::Asleep | Phase::Failing { .. } | Phase::Gone => self.place(version),
        }
    }

    /// How a version is. One that has no slot is asleep.
    #[must_use]
    pub fn state(&self, version: &VersionRef) -> SlotState {
        self.slots.get(version).map_or(SlotState::Asleep, Slot::state)
    }

    /// Whether there is a slot for the version.
    #[must_use]
    pub fn knows(&self, version: &VersionRef) -> bool {
        self.slots.contains_key(version)
    }

    /// Whether no process is left that the executor knows of.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.slots.values().all(|slot| !slot.is_awake())
    }
}
