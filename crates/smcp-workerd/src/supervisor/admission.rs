//! Letting calls in: at once, when a process is ready, or not at all.

use std::sync::Arc;

use smcp_core::{
    fleet::{Admission, Event, Generation, Traffic},
    ports::{Target, VersionRef},
};
use smcp_types::{Result, Slug};
use tokio::sync::oneshot;

use super::{
    call::Keep,
    desk::Takes,
    shared::{Ready, Shared, State},
    words::refusal,
};
use crate::account::Charge;

/// A call that waits for a process.
pub(super) struct Waiter {
    version: VersionRef,
    server: Slug,
    takes: Takes,
    answer: oneshot::Sender<Result<Ticket>>,
}

/// The right to send one call to one process; it counts as in flight, and pays for CPU time, until this is dropped.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    version: VersionRef,
    generation: Generation,
    takes: Takes,
    /// As the fleet sees it: a stream is a call until its answer has begun.
    held_as: Traffic,
    /// None for a stream: who only listens asks for nothing.
    charge: Option<Charge>,
    pub(super) ready: Ready,
}

impl Keep for Ticket {
    fn answered(&mut self) {
        if self.takes.traffic == Traffic::Stream && self.held_as == Traffic::Call {
            self.held_as = Traffic::Stream;
            self.shared.listens(&self.version, self.generation);
        }
    }

    fn only_listens(&self) -> bool {
        self.takes.traffic == Traffic::Stream
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(charge) = self.charge.take() {
            self.ready.account.end(charge);
        }
        let Self { version, generation, takes, held_as, .. } = *self;
        self.shared.left(&version, takes, Event::CallFinished { generation, traffic: held_as });
    }
}

/// Answers to waiting calls, sent once the lock is free.
pub(super) type Answers = Vec<(oneshot::Sender<Result<Ticket>>, Result<Ticket>)>;

/// A ticket, or the promise of one.
pub(super) enum Admitted {
    Now(Ticket),
    Later { id: u64, promise: oneshot::Receiver<Result<Ticket>> },
}

impl Shared {
    /// A ticket for a call, at once if the version is ready, else when it is. A caller that stops waiting must say so
    /// with `give_up`.
    pub(super) fn admit(self: &Arc<Self>, target: &Target, takes: Takes) -> Result<Admitted> {
        let version = &target.version;
        let mut state = self.lock();
        let now = self.now();
        let admission = state.fleet.admission(now, version);
        if let Admission::Denied(denied) = admission {
            return Err(refusal(denied, false, &target.manifest.name));
        }
        let desk = state.desk(target);
        desk.target = target.clone();
        desk.enter(takes).inspect_err(|_| state.tidy(version))?;
        if let Admission::Ready(generation) = admission
            && let Some(ticket) = self.ticket(&state, (version, generation), takes)
        {
            state.fleet.observe(now, version, Event::CallStarted { generation, traffic: Traffic::Call });
            return Ok(Admitted::Now(ticket));
        }
        state.keep_alone(target);
        state.fleet.observe(now, version, Event::CallWaiting);
        let (answer, promise) = oneshot::channel();
        let id = state.next_waiter;
        state.next_waiter += 1;
        state
            .waiters
            .insert(id, Waiter { version: *version, server: target.manifest.name.clone(), takes, answer });
        drop(state);
        self.changed.notify_one();
        Ok(Admitted::Later { id, promise })
    }

    /// Answers every waiting call that need not wait any longer.
    pub(super) fn settle(self: &Arc<Self>, state: &mut State) -> Answers {
        let now = self.now();
        let ids: Vec<u64> = state.waiters.keys().copied().collect();
        let mut answers = Vec::new();
        for id in ids {
            let Some(waiter) = state.waiters.get(&id) else { continue };
            let (version, server, takes) = (waiter.version, waiter.server.clone(), waiter.takes);
            let answer = match state.fleet.admission(now, &version) {
                Admission::Wait => continue,
                Admission::Ready(generation) => {
                    let Some(ticket) = self.ticket(state, (&version, generation), takes) else { continue };
                    state.fleet.observe(
                        now,
                        &version,
                        Event::CallAdmitted { generation, traffic: Traffic::Call },
                    );
                    Ok(ticket)
                }
                Admission::Denied(denied) => {
                    state.fleet.observe(now, &version, Event::CallGaveUp);
                    state.leave(&version, takes);
                    Err(refusal(denied, true, &server))
                }
            };
            if let Some(waiter) = state.waiters.remove(&id) {
                answers.push((waiter.answer, answer));
            }
        }
        answers
    }

    fn ticket(
        self: &Arc<Self>,
        state: &State,
        (version, generation): (&VersionRef, Generation),
        takes: Takes,
    ) -> Option<Ticket> {
        let running = state.running.get(version).filter(|running| running.generation == generation)?;
        let ready = running.ready.clone()?;
        let charge = (takes.traffic == Traffic::Call).then(|| ready.account.begin(takes.calls));
        if takes.traffic == Traffic::Call {
            (0..takes.calls).for_each(|_| ready.workload.budgets.call());
        }
        let (shared, version, held_as) = (Arc::clone(self), *version, Traffic::Call);
        Some(Ticket { shared, version, generation, takes, held_as, charge, ready })
    }

    /// A waiting call has gone.
    pub(super) fn give_up(self: &Arc<Self>, id: u64) {
        let removed = self.lock().waiters.remove(&id);
        if let Some(waiter) = removed {
            self.left(&waiter.version, waiter.takes, Event::CallGaveUp);
        }
    }

    /// A stream is open: nothing more is asked on it.
    fn listens(self: &Arc<Self>, version: &VersionRef, generation: Generation) {
        let mut state = self.lock();
        let now = self.now();
        state.fleet.observe(now, version, Event::CallStarted { generation, traffic: Traffic::Stream });
        let ended = Event::CallFinished { generation, traffic: Traffic::Call };
        let changed = state.fleet.observe(now, version, ended);
        self.after(state, changed);
    }

    /// A call is over in one way or another.
    fn left(self: &Arc<Self>, version: &VersionRef, takes: Takes, event: Event) {
        let mut state = self.lock();
        state.leave(version, takes);
        let changed = state.fleet.observe(self.now(), version, event);
        state.tidy(version);
        self.after(state, changed);
    }
}
