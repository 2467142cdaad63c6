//! What calls, generations and the executor share: the fleet, its running processes and the calls that wait.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smcp_core::{
    fleet::{Action, Admission, Denied, Event, Fleet, Generation, Traffic},
    ports::{HostedState, LogLevel, LogLine, LogSink, Target, VersionRef},
};
use smcp_manifest::SandboxClass;
use smcp_types::{Limits, Result};
use tokio::sync::{Notify, oneshot, watch};

use super::{
    orders,
    words::{hosted_state, refusal},
};
use crate::{
    Bundles,
    cache::ConfigCache,
    exit::End,
    link::Link,
    process::{Host, Inbox, Order, Orders},
};

/// Everything behind the supervisor.
pub(super) struct Shared {
    pub(super) host: Host,
    pub(super) cache: ConfigCache,
    pub(super) bundles: Arc<dyn Bundles>,
    logs: Arc<dyn LogSink>,
    state: Mutex<State>,
    changed: Notify,
    quiet: watch::Sender<bool>,
}

struct State {
    fleet: Fleet,
    running: HashMap<VersionRef, Running>,
    /// How versions are to be run: as their latest call says.
    targets: HashMap<VersionRef, Target>,
    waiters: BTreeMap<u64, Waiter>,
    next_waiter: u64,
    stopping: bool,
}

/// A generation under way.
struct Running {
    generation: Generation,
    orders: Orders,
    ready: Option<Ready>,
}

/// What a call needs of a process that is ready.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) link: Arc<Link>,
    /// Why the process is gone; set after the fleet has heard of it.
    pub(crate) gone: watch::Receiver<Option<End>>,
}

struct Waiter {
    version: VersionRef,
    answer: oneshot::Sender<Result<Ticket>>,
}

/// What the executor has to do outside the lock.
pub(super) enum Effect {
    Start { target: Target, generation: Generation, inbox: Inbox },
    Order { orders: Orders, order: Order },
}

/// The right to send one call to one process; the fleet counts it as in flight until it is dropped.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    version: VersionRef,
    generation: Generation,
    pub(super) ready: Ready,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.observe(
            &self.version,
            Event::CallFinished { generation: self.generation, traffic: Traffic::Call },
        );
    }
}

/// Answers to waiting calls, sent once the lock is free.
type Answers = Vec<(oneshot::Sender<Result<Ticket>>, Result<Ticket>)>;

impl Shared {
    pub(super) fn new(
        fleet: Fleet,
        host: Host,
        cache: ConfigCache,
        logs: Arc<dyn LogSink>,
        bundles: Arc<dyn Bundles>,
    ) -> Self {
        let (running, targets, waiters) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let state = State { fleet, running, targets, waiters, next_waiter: 0, stopping: false };
        let state = Mutex::new(state);
        Self { host, cache, bundles, logs, state, changed: Notify::new(), quiet: watch::Sender::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.host.clock.monotonic()
    }

    /// Notes how a version is to be run from its next start on.
    pub(super) fn aim(&self, target: &Target) {
        self.lock().targets.insert(target.version, *target);
    }

    /// Notes that a version will soon be needed.
    pub(super) fn warm(self: &Arc<Self>, target: &Target) {
        self.aim(target);
        self.observe(&target.version, Event::Wanted);
    }

    /// Waits for something that may change the plan.
    pub(super) async fn news(&self) {
        self.changed.notified().await;
    }

    /// Tells the fleet what happened, and the calls that waited for it.
    pub(super) fn observe(self: &Arc<Self>, version: &VersionRef, event: Event) {
        let mut state = self.lock();
        if state.fleet.observe(self.now(), version, event) {
            let answers = self.settle(&mut state);
            drop(state);
            self.tell(answers);
        }
    }

    /// A process is ready: calls may go to it from the moment the fleet knows.
    pub(super) fn started(self: &Arc<Self>, version: &VersionRef, generation: Generation, ready: Ready) {
        let mut state = self.lock();
        if let Some(running) =
            state.running.get_mut(version).filter(|running| running.generation == generation)
        {
            running.ready = Some(ready);
        }
        state.fleet.observe(self.now(), version, Event::Started { generation });
        let answers = self.settle(&mut state);
        drop(state);
        self.tell(answers);
    }

    /// A generation is over.
    pub(super) fn ended(self: &Arc<Self>, version: &VersionRef, generation: Generation, event: Event) {
        let mut state = self.lock();
        if state.running.get(version).is_some_and(|running| running.generation == generation) {
            state.running.remove(version);
        }
        state.fleet.observe(self.now(), version, event);
        let answers = self.settle(&mut state);
        drop(state);
        self.tell(answers);
    }

    fn tell(&self, answers: Answers) {
        for (waiter, answer) in answers {
            // A caller that has gone meanwhile returns its ticket by dropping it here.
            let _ = waiter.send(answer);
        }
        self.changed.notify_one();
    }

    /// Answers every waiting call that need not wait any longer.
    fn settle(self: &Arc<Self>, state: &mut State) -> Answers {
        let now = self.now();
        let ids: Vec<u64> = state.waiters.keys().copied().collect();
        let mut answers = Vec::new();
        for id in ids {
            let Some(version) = state.waiters.get(&id).map(|waiter| waiter.version) else { continue };
            let answer = match state.fleet.admission(now, &version) {
                Admission::Wait => continue,
                Admission::Ready(generation) => {
                    let Some(ticket) = self.ticket(state, &version, generation) else { continue };
                    state.fleet.observe(
                        now,
                        &version,
                        Event::CallAdmitted { generation, traffic: Traffic::Call },
                    );
                    Ok(ticket)
                }
                Admission::Denied(denied) => {
                    state.fleet.observe(now, &version, Event::CallGaveUp);
                    Err(refusal(denied, true))
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
        version: &VersionRef,
        generation: Generation,
    ) -> Option<Ticket> {
        let running = state.running.get(version).filter(|running| running.generation == generation)?;
        let ready = running.ready.clone()?;
        Some(Ticket { shared: Arc::clone(self), version: *version, generation, ready })
    }

    /// A ticket for a call, at once if the version is ready, else when it is. A caller that stops waiting must say so
    /// with `give_up`.
    pub(super) fn admit(self: &Arc<Self>, version: &VersionRef) -> Result<Admitted> {
        let mut state = self.lock();
        let now = self.now();
        match state.fleet.admission(now, version) {
            Admission::Denied(denied) => return Err(refusal(denied, false)),
            Admission::Ready(generation) => {
                if let Some(ticket) = self.ticket(&state, version, generation) {
                    state.fleet.observe(
                        now,
                        version,
                        Event::CallStarted { generation, traffic: Traffic::Call },
                    );
                    return Ok(Admitted::Now(ticket));
                }
            }
            Admission::Wait => {}
        }
        state.fleet.observe(now, version, Event::CallWaiting);
        let (answer, promise) = oneshot::channel();
        let id = state.next_waiter;
        state.next_waiter += 1;
        state.waiters.insert(id, Waiter { version: *version, answer });
        drop(state);
        self.changed.notify_one();
        Ok(Admitted::Later { id, promise })
    }

    /// A waiting call has gone.
    pub(super) fn give_up(self: &Arc<Self>, id: u64) {
        let removed = self.lock().waiters.remove(&id);
        if let Some(waiter) = removed {
            self.observe(&waiter.version, Event::CallGaveUp);
        }
    }

    /// Asks the fleet for its plan and enters what is about to be done, in one go: no call comes between.
    pub(super) fn step(&self) -> (Vec<Effect>, Option<Duration>) {
        let mut state = self.lock();
        let now = self.now();
        let plan = state.fleet.plan(now);
        let mut effects = Vec::new();
        for action in plan.actions {
            match action {
                Action::Start { version, generation } => {
                    let (orders, inbox) = orders();
                    state.running.insert(version, Running { generation, orders, ready: None });
                    let target = state.target(version);
                    let within = Duration::from_millis(target.limits.start_ms.into());
                    state.fleet.observe(now, &version, Event::Launched { generation, within });
                    effects.push(Effect::Start { target, generation, inbox });
                }
                Action::Stop { version, generation, grace, why } => {
                    effects.extend(state.order(&version, generation, Order::Finish(why)));
                    state.fleet.observe(now, &version, Event::StopSent { generation, grace });
                }
                Action::Kill { version, generation, cause } => {
                    effects.extend(state.order(&version, generation, Order::Kill(cause.clone())));
                    state.fleet.observe(now, &version, Event::KillSent { generation, cause });
                }
                Action::Forget { version } => {
                    state.targets.remove(&version);
                    state.fleet.observe(now, &version, Event::Forgotten);
                }
            }
        }
        // What was just done has its own deadlines.
        let wake_at = state.fleet.plan(now).wake_at;
        self.quiet.send_replace(state.stopping && state.fleet.is_quiet());
        (effects, wake_at.map(|at| at.saturating_sub(now)))
    }

    pub(super) fn shut_down(self: &Arc<Self>, grace: Duration) {
        let mut state = self.lock();
        state.stopping = true;
        state.fleet.shutdown(self.now(), grace);
        let answers = self.settle(&mut state);
        drop(state);
        self.tell(answers);
    }

    pub(super) async fn wait_until_quiet(&self) {
        // The sender lives in self, so this ends with `true` alone.
        let _ = self.quiet.subscribe().wait_for(|quiet| *quiet).await;
    }

    pub(super) fn retire(self: &Arc<Self>, version: &VersionRef) {
        self.observe(version, Event::Retired);
    }

    /// Lets go of every process, which kills it, and of every waiting call.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.stopping = true;
        state.running.clear();
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        drop(waiters);
    }

    pub(super) fn health(&self) -> Result<()> {
        if self.lock().stopping { Err(refusal(Denied::ShuttingDown, false)) } else { Ok(()) }
    }

    pub(super) fn state(&self, version: &VersionRef) -> HostedState {
        let state = self.lock().fleet.state(version);
        hosted_state(state, &*self.host.clock)
    }

    /// Writes one of the platform's own lines into the server's log.
    pub(super) fn note(&self, version: &VersionRef, level: LogLevel, message: String) {
        self.logs.append(version, LogLine { at: self.host.clock.now(), level, request_id: None, message });
    }

    pub(super) fn sink(&self, version: VersionRef) -> crate::process::LineSink {
        let logs = Arc::clone(&self.logs);
        Arc::new(move |line| logs.append(&version, line))
    }
}

impl State {
    fn target(&self, version: VersionRef) -> Target {
        // A start follows a call, which aimed; the defaults are for a version that was forgotten in between.
        let unknown = Target { version, limits: Limits::default(), class: SandboxClass::default() };
        self.targets.get(&version).copied().unwrap_or(unknown)
    }

    fn order(&self, version: &VersionRef, generation: Generation, order: Order) -> Option<Effect> {
        let running = self.running.get(version).filter(|running| running.generation == generation)?;
        Some(Effect::Order { orders: running.orders.clone(), order })
    }
}

/// A ticket, or the promise of one.
pub(super) enum Admitted {
    Now(Ticket),
    Later { id: u64, promise: oneshot::Receiver<Result<Ticket>> },
}
