//! The planner's simulated twin: carries out its actions in fake time, against processes that follow a script.

use std::{collections::BTreeMap, time::Duration};

use smcp_core::{
    fleet::{Action, Admission, Cause, Event, Fleet, Generation, Settings, SlotState, Traffic},
    ports::VersionRef,
};
use smcp_types::Limit;

/// Rounds of planning at one instant after which it does not settle.
const MAX_ROUNDS: usize = 10;
/// From a kill to the end of the process.
const DEATH: Duration = Duration::from_millis(1);
/// Longest start of a simulated process.
const START: Duration = Duration::from_millis(500);

/// What a simulated process does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Ready after this; `None` hangs.
    pub ready_after: Option<Duration>,
    /// Ends by itself this long after its start, ready or not.
    pub dies_after: Option<Duration>,
    /// Ends this long after the polite signal; `None` ignores it.
    pub stops_after: Option<Duration>,
    /// The watchdog finds this long after its start that it breaks a limit.
    pub loops_after: Option<Duration>,
}

impl Default for Behaviour {
    fn default() -> Self {
        let soon = Some(Duration::from_millis(20));
        Self { ready_after: soon, dies_after: None, stops_after: soon, loops_after: None }
    }
}

/// What has become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFate {
    /// It waits for a process.
    Waiting,
    /// A process works on it.
    InFlight,
    /// It was answered.
    Answered,
    /// Its process ended under it.
    Cut,
    /// It was refused.
    Refused,
}

/// A process or call has something to say.
#[derive(Clone, Debug)]
enum News {
    Ready(VersionRef, Generation),
    Ended(VersionRef, Generation),
    Overrun(VersionRef, Generation),
    Answer(usize),
}

struct Process {
    generation: Generation,
    behaviour: Behaviour,
}

struct Call {
    version: VersionRef,
    traffic: Traffic,
    takes: Duration,
    fate: CallFate,
    generation: Option<Generation>,
}

/// A fleet with simulated processes. Every step checks what must always hold: at most one process per version and no more
/// than there are places, the same plan when asked twice, a plan that comes to rest, and no action on what is not there.
pub struct SimFleet {
    fleet: Fleet,
    now: Duration,
    script: Box<dyn FnMut(Generation) -> Behaviour>,
    alive: BTreeMap<VersionRef, Process>,
    agenda: BTreeMap<(Duration, u64), News>,
    next: u64,
    calls: Vec<Call>,
    steps: u64,
    kill_at: Option<u64>,
    max_awake: usize,
}

impl SimFleet {
    /// An empty fleet; the script says what each new process will do.
    #[must_use]
    pub fn new(settings: Settings, script: impl FnMut(Generation) -> Behaviour + 'static) -> Self {
        Self {
            max_awake: settings.max_awake,
            fleet: Fleet::new(settings),
            now: Duration::ZERO,
            script: Box::new(script),
            alive: BTreeMap::new(),
            agenda: BTreeMap::new(),
            next: 0,
            calls: Vec::new(),
            steps: 0,
            kill_at: None,
        }
    }

    /// Kills every process after this many steps, whatever they are doing then.
    #[must_use]
    pub fn killing_at(mut self, step: u64) -> Self {
        self.kill_at = Some(step);
        self
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A call comes; once it has a process it takes this long. Returns its number.
    pub fn call(&mut self, version: VersionRef, takes: Duration) -> usize {
        self.request(version, Traffic::Call, takes)
    }

    /// Somebody begins to listen for so long. Returns the number, as for a call.
    pub fn listen(&mut self, version: VersionRef, takes: Duration) -> usize {
        self.request(version, Traffic::Stream, takes)
    }

    fn request(&mut self, version: VersionRef, traffic: Traffic, takes: Duration) -> usize {
        self.calls.push(Call { version, traffic, takes, fate: CallFate::Waiting, generation: None });
        self.fleet.observe(self.now, &version, Event::CallWaiting);
        self.step();
        self.calls.len() - 1
    }

    /// The version is not the active one any more.
    pub fn retire(&mut self, version: VersionRef) {
        self.fleet.observe(self.now, &version, Event::Retired);
        self.step();
    }

    /// A call is expected.
    pub fn want(&mut self, version: VersionRef) {
        self.fleet.observe(self.now, &version, Event::Wanted);
        self.step();
    }

    /// Whatever is held against a version is forgiven.
    pub fn lift(&mut self, version: VersionRef) {
        self.fleet.observe(self.now, &version, Event::Lifted);
        self.step();
    }

    /// The process, if there is one, is killed from outside.
    pub fn kill(&mut self, version: VersionRef) {
        if let Some(process) = self.alive.get(&version) {
            self.schedule(Duration::ZERO, News::Ended(version, process.generation));
        }
    }

    /// The platform stops.
    pub fn shutdown(&mut self, grace: Duration) {
        self.fleet.shutdown(self.now, grace);
        self.step();
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.next_time().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let due = self.agenda.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= self.now);
            if let Some(news) = due.and_then(|key| self.agenda.remove(&key)) {
                self.happen(&news);
            }
            self.step();
        }
        self.now = end;
    }

    /// What has become of a call.
    #[must_use]
    pub fn fate(&self, call: usize) -> CallFate {
        self.calls[call].fate
    }

    /// The fates of all calls, in their order.
    #[must_use]
    pub fn fates(&self) -> Vec<CallFate> {
        self.calls.iter().map(|call| call.fate).collect()
    }

    /// How a version is.
    #[must_use]
    pub fn state(&self, version: &VersionRef) -> SlotState {
        self.fleet.state(version)
    }

    /// Processes that are alive.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.alive.len()
    }

    /// Whether the fleet knows of no process.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.fleet.is_quiet()
    }

    fn next_time(&self) -> Option<Duration> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let wake = self.fleet.plan(self.now).wake_at;
        agenda.into_iter().chain(wake).min()
    }

    fn schedule(&mut self, after: Duration, news: News) {
        self.next += 1;
        self.agenda.insert((self.now + after, self.next), news);
    }

    fn happen(&mut self, news: &News) {
        match news {
            News::Ready(version, generation) => {
                if self.is_alive(version, *generation) {
                    self.fleet.observe(self.now, version, Event::Started { generation: *generation });
                }
            }
            News::Ended(version, generation) => {
                if self.is_alive(version, *generation) {
                    self.alive.remove(version);
                    self.cut_calls(version, *generation);
                    let event = Event::Exited { generation: *generation, cause: Cause::new("gone") };
                    self.fleet.observe(self.now, version, event);
                }
            }
            News::Overrun(version, generation) => {
                if self.is_alive(version, *generation) {
                    let cause = Cause::broken(Limit::Cpu, "looped");
                    self.fleet.observe(self.now, version, Event::Overrun { generation: *generation, cause });
                }
            }
            News::Answer(call) => {
                if self.calls[*call].fate == CallFate::InFlight {
                    self.end_call(*call, CallFate::Answered);
                }
            }
        }
    }

    fn is_alive(&self, version: &VersionRef, generation: Generation) -> bool {
        self.alive.get(version).is_some_and(|process| process.generation == generation)
    }

    fn cut_calls(&mut self, version: &VersionRef, generation: Generation) {
        for number in 0..self.calls.len() {
            let call = &self.calls[number];
            if call.version == *version
                && call.generation == Some(generation)
                && call.fate == CallFate::InFlight
            {
                self.end_call(number, CallFate::Cut);
            }
        }
    }

    fn end_call(&mut self, number: usize, fate: CallFate) {
        let call = &mut self.calls[number];
        call.fate = fate;
        if let Some(generation) = call.generation {
            let event = Event::CallFinished { generation, traffic: call.traffic };
            self.fleet.observe(self.now, &call.version, event);
        }
    }

    /// Answers waiting calls and carries out the plan until it is at rest.
    fn step(&mut self) {
        self.steps += 1;
        if self.kill_at == Some(self.steps) {
            let versions: Vec<_> = self.alive.keys().copied().collect();
            versions.into_iter().for_each(|version| self.kill(version));
        }
        for _ in 0..MAX_ROUNDS {
            self.settle_calls();
            let plan = self.fleet.plan(self.now);
            assert_eq!(plan, self.fleet.plan(self.now), "planning changes nothing");
            assert!(plan.wake_at.is_none_or(|at| at > self.now), "a deadline that has come is an action");
            if plan.actions.is_empty() {
                return;
            }
            plan.actions.into_iter().for_each(|action| self.execute(action));
        }
        panic!("the plan does not come to rest");
    }

    fn settle_calls(&mut self) {
        for number in 0..self.calls.len() {
            if self.calls[number].fate != CallFate::Waiting {
                continue;
            }
            let version = self.calls[number].version;
            match self.fleet.admission(self.now, &version) {
                Admission::Wait => {}
                Admission::Ready(generation) => {
                    let call = &mut self.calls[number];
                    (call.fate, call.generation) = (CallFate::InFlight, Some(generation));
                    let (traffic, takes) = (call.traffic, call.takes);
                    self.fleet.observe(self.now, &version, Event::CallAdmitted { generation, traffic });
                    self.schedule(takes, News::Answer(number));
                }
                Admission::Denied(_) => {
                    self.calls[number].fate = CallFate::Refused;
                    self.fleet.observe(self.now, &version, Event::CallGaveUp);
                }
            }
        }
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::Start { version, generation } => self.start(version, generation),
            Action::Stop { version, generation, grace, .. } => {
                let process = self.alive.get(&version).filter(|process| process.generation == generation);
                // A process may end just before it is told to.
                if let Some(after) = process.and_then(|process| process.behaviour.stops_after) {
                    self.schedule(after, News::Ended(version, generation));
                }
                self.fleet.observe(self.now, &version, Event::StopSent { generation, grace });
            }
            Action::Kill { version, generation, cause } => {
                assert!(self.is_alive(&version, generation), "a kill without a process");
                self.schedule(DEATH, News::Ended(version, generation));
                self.fleet.observe(self.now, &version, Event::KillSent { generation, cause });
            }
            Action::Forget { version } => {
                assert!(!self.alive.contains_key(&version), "a living process was forgotten");
                self.fleet.observe(self.now, &version, Event::Forgotten);
                assert_eq!(self.fleet.state(&version), SlotState::Asleep);
            }
        }
    }

    fn start(&mut self, version: VersionRef, generation: Generation) {
        let behaviour = (self.script)(generation);
        self.fleet.observe(self.now, &version, Event::Launched { generation, within: START });
        if let Some(after) = behaviour.ready_after {
            self.schedule(after, News::Ready(version, generation));
        }
        if let Some(after) = behaviour.dies_after {
            self.schedule(after, News::Ended(version, generation));
        }
        if let Some(after) = behaviour.loops_after {
            self.schedule(after, News::Overrun(version, generation));
        }
        let before = self.alive.insert(version, Process { generation, behaviour });
        assert!(before.is_none(), "a second process for one version");
        assert!(self.alive.len() <= self.max_awake, "more processes than places");
    }
}
