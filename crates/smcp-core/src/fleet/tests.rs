//! Every transition of the planner as a row: what was seen, and what is to be done then.

use smcp_types::{Digest, Limit, ServerId, TenantId};

use super::*;

mod alone;
mod limits;
mod places;

const A: u8 = 1;
const B: u8 = 2;
const C: u8 = 3;
/// Another version of the server that A is one of.
const A2: u8 = 128 + A;

/// The version with a name; sixteen names belong to one tenant.
fn version(name: u8) -> VersionRef {
    let server = name % 128;
    VersionRef {
        tenant: TenantId::from_bytes([server / 16; 16]),
        server: ServerId::from_bytes([server; 16]),
        digest: Digest::from_bytes([name; 32]),
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn g(number: u64) -> Generation {
    Generation(number)
}

fn settings() -> Settings {
    Settings {
        idle_after: ms(10_000),
        stop_grace: ms(1_000),
        drain_grace: ms(3_000),
        backoff_first: ms(250),
        backoff_most: ms(60_000),
        stable_after: ms(30_000),
        forget_after: ms(100_000),
        quarantine_after: 3,
        quarantine_window: ms(600_000),
        quarantine_first: ms(60_000),
        quarantine_most: ms(200_000),
        quarantine_kept: ms(1_000_000),
        max_awake: 2,
        place_for: ms(500),
    }
}

fn fleet(given: &[(u64, u8, Event)]) -> Fleet {
    let mut fleet = Fleet::new(settings());
    for (at, name, event) in given {
        fleet.observe(ms(*at), &version(*name), event.clone());
    }
    fleet
}

fn start(name: u8, generation: u64) -> Action {
    Action::Start { version: version(name), generation: g(generation) }
}

fn stop(name: u8, generation: u64, why: Why) -> Action {
    Action::Stop { version: version(name), generation: g(generation), grace: ms(1_000), why }
}

fn kill(name: u8, generation: u64) -> Action {
    Action::Kill { version: version(name), generation: g(generation), cause: None }
}

fn kill_for(name: u8, generation: u64, cause: Cause) -> Action {
    Action::Kill { version: version(name), generation: g(generation), cause: Some(cause) }
}

fn late() -> Cause {
    Cause::broken(Limit::Start, "did not start within 5000 ms")
}

fn forget(name: u8) -> Action {
    Action::Forget { version: version(name) }
}

fn launched(number: u64) -> Event {
    Event::Launched { generation: g(number), within: ms(5_000) }
}

fn started(number: u64) -> Event {
    Event::Started { generation: g(number) }
}

fn exited(number: u64) -> Event {
    Event::Exited { generation: g(number), cause: Cause::new("crash") }
}

fn begins(number: u64) -> Event {
    Event::CallStarted { generation: g(number), traffic: Traffic::Call }
}

fn ends(number: u64) -> Event {
    Event::CallFinished { generation: g(number), traffic: Traffic::Call }
}

fn admitted(number: u64) -> Event {
    Event::CallAdmitted { generation: g(number), traffic: Traffic::Call }
}

fn stopping(number: u64) -> Event {
    Event::StopSent { generation: g(number), grace: ms(1_000) }
}

fn killed(number: u64, cause: Option<Cause>) -> Event {
    Event::KillSent { generation: g(number), cause }
}

/// The events that make a version ready at `at`, with its one call admitted and finished.
fn warm(at: u64, name: u8, number: u64) -> Vec<(u64, u8, Event)> {
    vec![
        (at, name, Event::CallWaiting),
        (at, name, launched(number)),
        (at, name, started(number)),
        (at, name, admitted(number)),
        (at, name, ends(number)),
    ]
}

/// `warm`, and then these.
fn after_warm(then: &[(u64, u8, Event)]) -> Vec<(u64, u8, Event)> {
    [warm(0, A, 1), then.to_vec()].concat()
}

#[track_caller]
fn check_plan(given: &[(u64, u8, Event)], at: u64, actions: &[Action], wake_at: Option<u64>) {
    let fleet = fleet(given);
    let plan = fleet.plan(ms(at));
    assert_eq!(plan, Plan { actions: actions.to_vec(), wake_at: wake_at.map(ms) });
    assert_eq!(fleet.plan(ms(at)), plan, "planning changes nothing");
}

#[test]
fn a_waiting_call_starts_its_version_once() {
    check_plan(&[], 0, &[], None);
    check_plan(&[(0, A, Event::CallWaiting), (1, A, Event::CallWaiting)], 1, &[start(A, 1)], None);
    check_plan(
        &[(0, A, Event::CallWaiting), (0, A, launched(1)), (3, A, Event::CallWaiting)],
        3,
        &[],
        Some(5_000),
    );
    check_plan(&[(0, A, Event::CallWaiting), (0, A, Event::CallGaveUp)], 0, &[forget(A)], None);
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_fails() {
    let hanging = [(0, A, Event::CallWaiting), (0, A, launched(1))];
    check_plan(&hanging, 5_000, &[kill_for(A, 1, late())], None);
    let hit = [&hanging[..], &[(5_000, A, killed(1, Some(late())))]].concat();
    check_plan(&hit, 5_001, &[], Some(6_000));
    check_plan(&hit, 6_000, &[kill_for(A, 1, late())], None);
    let gone = [&hit[..], &[(5_010, A, exited(1)), (5_010, A, Event::CallGaveUp)]].concat();
    assert_eq!(
        fleet(&gone).state(&version(A)),
        SlotState::Failing { reason: late().reason, attempts: 1, retry_at: ms(5_260) }
    );
    check_plan(&gone, 5_011, &[], Some(105_010));
}

#[test]
fn an_idle_version_is_stopped_then_forgotten() {
    check_plan(&after_warm(&[]), 9_999, &[], Some(10_000));
    check_plan(&after_warm(&[]), 10_000, &[stop(A, 1, Why::Idle)], None);
    let stopping = after_warm(&[(10_000, A, stopping(1))]);
    check_plan(&stopping, 10_000, &[], Some(11_000));
    check_plan(&stopping, 11_000, &[kill(A, 1)], None);
    let gone = [&stopping[..], &[(10_020, A, exited(1))]].concat();
    check_plan(&gone, 10_020, &[forget(A)], None);
    assert!(!fleet(&[&gone[..], &[(10_020, A, Event::Forgotten)]].concat()).slots.contains_key(&version(A)));
}

#[test]
fn who_only_listens_does_not_keep_a_version_awake() {
    let opens = Event::CallStarted { generation: g(1), traffic: Traffic::Stream };
    let listening = after_warm(&[(2_000, A, begins(1)), (2_000, A, opens), (2_010, A, ends(1))]);
    check_plan(&listening, 12_009, &[], Some(12_010));
    check_plan(&listening, 12_010, &[stop(A, 1, Why::Idle)], None);
}

#[test]
fn a_busy_version_is_looked_at_again_without_an_event() {
    let busy = after_warm(&[(8_000, A, begins(1))]);
    check_plan(&busy, 10_000, &[], Some(20_000));
    let done = [&busy[..], &[(12_000, A, ends(1))]].concat();
    check_plan(&done, 20_000, &[], Some(22_000));
}

#[test]
fn a_call_during_an_idle_stop_starts_a_new_generation_afterwards() {
    let waiting = after_warm(&[(10_000, A, stopping(1)), (10_001, A, Event::CallWaiting)]);
    check_plan(&waiting, 10_001, &[], Some(11_000));
    assert_eq!(fleet(&waiting).admission(ms(10_001), &version(A)), Admission::Wait);
    check_plan(&[&waiting[..], &[(10_020, A, exited(1))]].concat(), 10_020, &[start(A, 2)], None);
}

#[test]
fn a_crash_backs_off_twice_as_long_each_time_and_never_too_long() {
    let mut fleet = Fleet::new(settings());
    let (mut now, mut waits) = (ms(0), Vec::new());
    for number in 1..=12 {
        for event in [Event::CallWaiting, launched(number), exited(number), Event::CallGaveUp] {
            fleet.observe(now, &version(A), event);
        }
        let SlotState::Failing { retry_at, .. } = fleet.state(&version(A)) else { panic!("failing") };
        waits.push((retry_at - now).as_millis());
        now = retry_at;
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000, 60_000]);
}

#[test]
fn a_crashed_version_refuses_until_it_may_try_again() {
    let crashed = after_warm(&[(20, A, exited(1)), (30, A, Event::CallWaiting)]);
    check_plan(&crashed, 30, &[], Some(270));
    let denied = Denied::Failing { reason: "crash".to_owned(), attempts: 1, retry_at: ms(270) };
    assert_eq!(fleet(&crashed).admission(ms(30), &version(A)), Admission::Denied(denied));
    check_plan(&crashed, 270, &[start(A, 2)], None);
    assert_eq!(fleet(&crashed).admission(ms(270), &version(A)), Admission::Wait);
}

#[test]
fn a_stable_time_clears_the_record() {
    let twice = after_warm(&[
        (20, A, exited(1)),
        (300, A, Event::CallWaiting),
        (300, A, launched(2)),
        (300, A, started(2)),
    ]);
    let attempts = |at| {
        let SlotState::Failing { attempts, .. } =
            fleet(&[&twice[..], &[(at, A, exited(2))]].concat()).state(&version(A))
        else {
            panic!("failing")
        };
        attempts
    };
    assert_eq!((attempts(30_299), attempts(30_300)), (2, 1));
}

#[test]
fn a_retired_version_finishes_its_calls_within_bounds() {
    check_plan(&after_warm(&[(50, A, Event::Retired)]), 50, &[stop(A, 1, Why::Retired)], None);
    let draining = after_warm(&[(40, A, begins(1)), (50, A, Event::Retired)]);
    check_plan(&draining, 50, &[], Some(3_050));
    check_plan(&draining, 3_050, &[stop(A, 1, Why::Retired)], None);
    assert_eq!(fleet(&draining).state(&version(A)), SlotState::Stopping);
    let again = [&draining[..], &[(1_000, A, Event::Retired)]].concat();
    check_plan(&again, 1_000, &[], Some(3_050));
    let done = [&draining[..], &[(60, A, ends(1))]].concat();
    check_plan(&done, 60, &[stop(A, 1, Why::Retired)], None);
    // A late call is still answered by the process that drains.
    assert_eq!(fleet(&draining).admission(ms(55), &version(A)), Admission::Ready(g(1)));
}

#[test]
fn retiring_covers_every_phase() {
    check_plan(&[(0, A, Event::Retired)], 0, &[], None);
    let starting =
        [(0, A, Event::CallWaiting), (0, A, launched(1)), (1, A, Event::Retired), (2, A, started(1))];
    let answered = [&starting[..], &[(2, A, admitted(1))]].concat();
    check_plan(&answered, 2, &[], Some(3_002));
    check_plan(&after_warm(&[(20, A, exited(1)), (21, A, Event::Retired)]), 21, &[forget(A)], None);
    // Activated again while its process was stopping: the new process is not retired.
    let back = after_warm(&[
        (50, A, Event::Retired),
        (50, A, stopping(1)),
        (60, A, Event::CallWaiting),
        (70, A, exited(1)),
        (70, A, launched(2)),
        (80, A, started(2)),
        (80, A, admitted(2)),
        (81, A, ends(2)),
    ]);
    check_plan(&back, 81, &[], Some(10_081));
}

#[test]
fn places_go_to_those_who_wait_longest_and_come_from_the_idle() {
    let waiting = [(3, A, Event::CallWaiting), (1, B, Event::CallWaiting), (2, C, Event::CallWaiting)];
    check_plan(&waiting, 3, &[start(B, 1), start(C, 2)], None);
    let full = [warm(0, A, 1), warm(5, B, 2), vec![(9, C, Event::CallWaiting)]].concat();
    check_plan(&full, 9, &[stop(A, 1, Why::Place)], Some(10_000));
    assert_eq!(fleet(&full).admission(ms(9), &version(C)), Admission::Wait);
    let leaving = [&full[..], &[(9, A, stopping(1))]].concat();
    check_plan(&leaving, 9, &[], Some(1_009));
    let busy = [A, B].map(|name| (8, name, begins(u64::from(name))));
    let full = [warm(0, A, 1), warm(5, B, 2), busy.to_vec(), vec![(9, C, Event::CallWaiting)]].concat();
    check_plan(&full, 9, &[], Some(10_009));
    assert_eq!(fleet(&full).admission(ms(9), &version(C)), Admission::Denied(Denied::Full));
}

#[test]
fn a_shutdown_stops_everything_within_its_time() {
    let mut fleet = fleet(&[warm(0, A, 1), vec![(1, B, Event::CallWaiting), (1, B, launched(2))]].concat());
    fleet.observe(ms(2), &version(C), Event::CallWaiting);
    fleet.shutdown(ms(10), ms(500));
    assert_eq!(
        fleet.plan(ms(10)).actions,
        [
            Action::Stop { version: version(A), generation: g(1), grace: ms(500), why: Why::Shutdown },
            kill(B, 2),
        ]
    );
    assert_eq!(fleet.admission(ms(10), &version(C)), Admission::Denied(Denied::ShuttingDown));
    fleet.observe(ms(10), &version(A), Event::StopSent { generation: g(1), grace: ms(500) });
    fleet.observe(ms(10), &version(B), killed(2, None));
    fleet.observe(ms(11), &version(B), exited(2));
    for name in [B, C] {
        fleet.observe(ms(11), &version(name), Event::CallGaveUp);
    }
    assert_eq!(fleet.plan(ms(510)).actions, [kill(A, 1), forget(B), forget(C)]);
    assert!(!fleet.is_quiet());
    fleet.observe(ms(511), &version(A), exited(1));
    assert!(fleet.is_quiet());
}

#[test]
fn a_shutdown_shortens_a_stop_that_is_under_way() {
    let mut fleet = fleet(&after_warm(&[(10_000, A, stopping(1))]));
    fleet.shutdown(ms(10_100), ms(100));
    assert_eq!(fleet.plan(ms(10_100)).wake_at, Some(ms(10_200)));
    assert_eq!(fleet.plan(ms(10_200)).actions, [kill(A, 1)]);
    fleet.observe(ms(10_200), &version(A), killed(1, None));
    assert_eq!(fleet.plan(ms(10_200)), Plan { actions: vec![], wake_at: Some(ms(11_200)) });
}

#[test]
fn news_of_another_generation_changes_nothing() {
    let ready = fleet(&after_warm(&[(5, A, exited(7)), (5, A, started(7)), (5, A, launched(9))]));
    assert_eq!(ready.state(&version(A)), SlotState::Ready { since: ms(0) });
}
