//! Carrying out the fleet's plan: what is about to be done is entered under the lock and done outside it.

use std::time::Duration;

use smcp_core::{
    fleet::{Action, Event, Generation, Why},
    ports::{Target, VersionRef},
};

use super::{
    orders,
    shared::{Running, Shared, State},
};
use crate::process::{Inbox, Order, Orders};

/// What the executor has to do outside the lock.
pub(super) enum Effect {
    Start { target: Target, generation: Generation, inbox: Inbox },
    Order { orders: Orders, order: Order },
}

impl Shared {
    /// Asks the fleet for its plan and enters what is about to be done, in one go: no call comes between.
    pub(super) fn step(&self) -> (Vec<Effect>, Option<Duration>) {
        let mut state = self.lock();
        let now = self.now();
        let plan = state.fleet.plan(now);
        let mut effects = Vec::new();
        for action in plan.actions {
            match action {
                Action::Start { version, generation } => {
                    // A start follows a call or a wish, which opened a desk, and it stays while the fleet knows the version.
                    let Some(target) = state.desks.get(&version).map(|desk| desk.target.clone()) else {
                        state.fleet.observe(now, &version, Event::Retired);
                        continue;
                    };
                    let (orders, inbox) = orders();
                    state.running.insert(version, Running { generation, orders, ready: None });
                    let within = Duration::from_millis(target.limits.start_ms.into());
                    state.fleet.observe(now, &version, Event::Launched { generation, within });
                    effects.push(Effect::Start { target, generation, inbox });
                }
                Action::Stop { version, generation, grace, why } => {
                    // Whoever calls next waits for its end, which must not wait for those who only listen.
                    if matches!(why, Why::Idle | Why::Place) {
                        state.end_streams(&version, generation);
                    }
                    effects.extend(state.order(&version, generation, Order::Finish(why)));
                    state.fleet.observe(now, &version, Event::StopSent { generation, grace });
                }
                Action::Kill { version, generation, cause } => {
                    effects.extend(state.order(&version, generation, Order::Kill(cause.clone())));
                    state.fleet.observe(now, &version, Event::KillSent { generation, cause });
                }
                Action::Forget { version } => {
                    state.fleet.observe(now, &version, Event::Forgotten);
                    state.tidy(&version);
                }
            }
        }
        // What was just done has its own deadlines.
        let wake_at = state.fleet.plan(now).wake_at;
        self.quiet.send_replace(state.stopping && state.fleet.is_quiet());
        (effects, wake_at.map(|at| at.saturating_sub(now)))
    }
}

impl State {
    fn end_streams(&self, version: &VersionRef, generation: Generation) {
        let running = self.running.get(version).filter(|running| running.generation == generation);
        if let Some(ready) = running.and_then(|running| running.ready.as_ref()) {
            ready.end_streams.send_replace(true);
        }
    }

    fn order(&self, version: &VersionRef, generation: Generation, order: Order) -> Option<Effect> {
        let running = self.running.get(version).filter(|running| running.generation == generation)?;
        Some(Effect::Order { orders: running.orders.clone(), order })
    }
}
