//! What calls, generations and the executor share: the fleet, its running processes and the calls that wait.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smcp_core::{
    fleet::{Event, Fleet, Generation},
    ports::{HostedState, LogLevel, LogLine, LogSink, Target, VersionRef, Workload},
};
use smcp_types::{Result, ServerId, TenantId};
use tokio::sync::{Notify, watch};

use super::{
    admission::Waiter,
    alarms::Alarm,
    desk::{Desk, Takes},
    ledger::{Books, Ledger, Run},
    words::{hosted_state, stopping},
};
use crate::{
    Bundles,
    account::Account,
    cache::ConfigCache,
    exit::End,
    link::Link,
    outlet::Outlet,
    process::{Host, Orders},
};

/// Everything behind the supervisor.
pub(super) struct Shared {
    pub(super) host: Host,
    pub(super) cache: ConfigCache,
    pub(super) bundles: Arc<dyn Bundles>,
    logs: Arc<dyn LogSink>,
    state: Mutex<State>,
    pub(super) books: Books,
    alarms: Mutex<BTreeMap<(TenantId, ServerId), Alarm>>,
    pub(super) changed: Notify,
    pub(super) quiet: watch::Sender<bool>,
}

pub(super) struct State {
    pub(super) fleet: Fleet,
    pub(super) running: HashMap<VersionRef, Running>,
    pub(super) desks: HashMap<VersionRef, Desk>,
    pub(super) waiters: BTreeMap<u64, Waiter>,
    pub(super) next_waiter: u64,
    pub(super) stopping: bool,
}

/// A generation under way.
pub(super) struct Running {
    pub(super) generation: Generation,
    pub(super) orders: Orders,
    pub(super) ready: Option<Ready>,
}

/// What a call needs of a process that is ready.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) link: Arc<Link>,
    pub(crate) account: Arc<Account>,
    pub(crate) workload: Arc<Workload>,
    /// Why the process is gone; set after the fleet has heard of it.
    pub(crate) gone: watch::Receiver<Option<End>>,
    /// Whether those who only listen have to go.
    pub(crate) end_streams: Arc<watch::Sender<bool>>,
}

impl Shared {
    pub(super) fn new(
        fleet: Fleet,
        host: Host,
        cache: ConfigCache,
        logs: Arc<dyn LogSink>,
        bundles: Arc<dyn Bundles>,
    ) -> Self {
        let (running, desks, waiters) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        let state = State { fleet, running, desks, waiters, next_waiter: 0, stopping: false };
        let (state, books) = (Mutex::new(state), Books::default());
        let (changed, quiet) = (Notify::new(), watch::Sender::new(false));
        let alarms = Mutex::default();
        Self { host, cache, bundles, logs, state, books, alarms, changed, quiet }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn alarms(&self) -> MutexGuard<'_, BTreeMap<(TenantId, ServerId), Alarm>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.host.clock.monotonic()
    }

    /// Notes that a version will soon be needed.
    pub(super) fn warm(self: &Arc<Self>, target: &Target) {
        let mut state = self.lock();
        state.desk(target).target = target.clone();
        state.keep_alone(target);
        let changed = state.fleet.observe(self.now(), &target.version, Event::Wanted);
        self.after(state, changed);
    }

    /// Waits for something that may change the plan.
    pub(super) async fn news(&self) {
        self.changed.notified().await;
    }

    /// Tells the fleet what happened, and the calls that waited for it.
    pub(super) fn observe(self: &Arc<Self>, version: &VersionRef, event: Event) {
        let mut state = self.lock();
        let changed = state.fleet.observe(self.now(), version, event);
        self.after(state, changed);
    }

    /// Lets go of the state; after a change that matters, calls that waited for it are answered and the plan is made anew.
    pub(super) fn after(self: &Arc<Self>, mut state: MutexGuard<'_, State>, changed: bool) {
        if !changed {
            return;
        }
        let answers = self.settle(&mut state);
        drop(state);
        for (waiter, answer) in answers {
            // A caller that has gone meanwhile returns its ticket by dropping it here.
            let _ = waiter.send(answer);
        }
        self.changed.notify_one();
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
        self.after(state, true);
    }

    /// A process was started, whatever becomes of it.
    pub(super) fn opened(&self, version: &VersionRef, generation: Generation, account: Arc<Account>) {
        self.ledger().open(*version, Run::Of(generation), account);
    }

    /// A generation is over.
    pub(super) fn ended(self: &Arc<Self>, version: &VersionRef, generation: Generation, event: Event) {
        let mut state = self.lock();
        if state.running.get(version).is_some_and(|running| running.generation == generation) {
            state.running.remove(version);
        }
        state.fleet.observe(self.now(), version, event);
        self.after(state, true);
    }

    pub(super) fn shut_down(self: &Arc<Self>, grace: Duration) {
        let mut state = self.lock();
        state.stopping = true;
        state.fleet.shutdown(self.now(), grace);
        self.after(state, true);
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
        if self.lock().stopping { Err(stopping()) } else { Ok(()) }
    }

    pub(super) fn state(&self, version: &VersionRef) -> HostedState {
        let state = self.lock().fleet.state(version);
        hosted_state(state, &*self.host.clock)
    }

    /// Writes one of the platform's own lines into the server's log.
    pub(super) fn note(&self, version: &VersionRef, level: LogLevel, message: String) {
        self.logs.append(version, LogLine::platform(self.host.clock.now(), level, message));
    }

    /// The way of a new process's output into its server's log.
    pub(super) fn outlet(&self, target: &Target) -> Outlet {
        let (version, logs) = (target.version, Arc::clone(&self.logs));
        Outlet {
            sink: Arc::new(move |line| logs.append(&version, line)),
            budget: Arc::clone(&self.lock().desk(target).budget),
            limit: target.limits.log_bytes,
            clock: Arc::clone(&self.host.clock),
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.books.open()
    }
}

impl State {
    /// The desk of a version, opened if there is none.
    pub(super) fn desk(&mut self, target: &Target) -> &mut Desk {
        self.desks.entry(target.version).or_insert_with(|| Desk::new(target.clone()))
    }

    /// Objects that keep state are of one process, whichever version it runs.
    pub(super) fn keep_alone(&mut self, target: &Target) {
        if target.keeps_state() {
            self.fleet.keep_alone(&target.version);
        }
    }

    /// A call has left, or stopped waiting.
    pub(super) fn leave(&mut self, version: &VersionRef, takes: Takes) {
        if let Some(desk) = self.desks.get_mut(version) {
            desk.leave(takes);
        }
    }

    /// Closes a desk that nobody uses and the fleet has no slot for.
    pub(super) fn tidy(&mut self, version: &VersionRef) {
        if self.desks.get(version).is_some_and(Desk::is_empty) && !self.fleet.knows(version) {
            self.desks.remove(version);
        }
    }
}
