//! The planner against its simulated twin: any script, any order, killed at every step.

use std::time::Duration;

use proptest::{
    collection, option,
    prelude::{ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest},
};
use smcp_core::{
    fleet::{Settings, SlotState},
    ports::VersionRef,
};
use smcp_testkit::{Behaviour, CallFate, SimFleet};
use smcp_types::{Digest, ServerId, TenantId};

/// Longer than every deadline of the settings below together.
const LONG: Duration = Duration::from_secs(3_600);

/// Sixteen names belong to one tenant.
fn version(name: u8) -> VersionRef {
    revision(name, 0)
}

/// A later version of the same server.
fn revision(name: u8, number: u16) -> VersionRef {
    let mut digest = [name; 32];
    digest[..2].copy_from_slice(&number.to_be_bytes());
    VersionRef {
        tenant: TenantId::from_bytes([name / 16; 16]),
        server: ServerId::from_bytes([name; 16]),
        digest: Digest::from_bytes(digest),
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn settings() -> Settings {
    Settings {
        idle_after: ms(2_000),
        stop_grace: ms(300),
        drain_grace: ms(700),
        stable_after: ms(5_000),
        forget_after: ms(60_000),
        quarantine_window: ms(30_000),
        quarantine_first: ms(20_000),
        quarantine_most: ms(100_000),
        quarantine_kept: ms(200_000),
        max_awake: 2,
        place_for: ms(400),
        ..Settings::default()
    }
}

/// A day in the life: start, calls, idle stop, crash, retry, retire, a neighbour, another tenant, listeners, wishes.
fn scenario(sim: &mut SimFleet) {
    sim.call(version(1), ms(50));
    sim.advance(ms(30));
    sim.call(version(1), ms(10));
    sim.call(version(2), ms(200));
    sim.advance(ms(2_500));
    sim.call(version(1), ms(5));
    sim.advance(ms(1_000));
    sim.call(version(3), ms(100));
    sim.retire(version(1));
    sim.call(version(1), ms(600));
    sim.advance(ms(50));
    sim.retire(version(1));
    sim.advance(ms(3_000));
    sim.call(version(2), ms(1));
    sim.want(version(3));
    sim.advance(ms(100));
    sim.listen(version(3), ms(5_000));
    sim.call(version(2), ms(4_000));
    sim.advance(ms(50));
    sim.call(version(20), ms(50));
    sim.advance(ms(5_000));
    sim.lift(version(2));
    sim.advance(LONG);
}

fn all_done(sim: &SimFleet) -> bool {
    sim.fates().iter().all(|fate| !matches!(fate, CallFate::Waiting | CallFate::InFlight))
}

#[test]
fn an_undisturbed_day_answers_every_call_and_ends_asleep() {
    let mut sim = SimFleet::new(settings(), |_| Behaviour::default());
    scenario(&mut sim);
    // The one who listens makes room for the call of another tenant.
    let cut: Vec<CallFate> = sim.fates().into_iter().filter(|fate| *fate != CallFate::Answered).collect();
    assert_eq!(cut, [CallFate::Cut], "{:?}", sim.fates());
    assert_eq!(sim.alive(), 0);
}

#[test]
fn killed_at_every_step_it_recovers() {
    let mut quiet = SimFleet::new(settings(), |_| Behaviour::default());
    scenario(&mut quiet);
    for step in 1..=quiet.steps() {
        let mut sim = SimFleet::new(settings(), |_| Behaviour::default()).killing_at(step);
        scenario(&mut sim);
        assert!(all_done(&sim), "step {step}: {:?}", sim.fates());
        assert_eq!(sim.alive(), 0, "step {step}");
        let call = sim.call(version(1), ms(1));
        sim.advance(ms(100));
        assert_eq!(sim.fate(call), CallFate::Answered, "step {step}: it must come back");
    }
}

#[test]
fn a_version_that_never_starts_costs_a_bounded_number_of_processes() {
    let mut sim = SimFleet::new(settings(), |_| Behaviour {
        dies_after: Some(ms(5)),
        ready_after: None,
        ..Behaviour::default()
    });
    for _ in 0..1_000 {
        sim.call(version(1), ms(1));
        sim.advance(ms(100));
    }
    assert!(sim.fates().iter().all(|fate| *fate == CallFate::Refused));
    let SlotState::Failing { attempts, .. } = sim.state(&version(1)) else { panic!("failing") };
    assert!((8..=10).contains(&attempts), "100 s of calls made {attempts} processes");
}

#[test]
fn a_version_that_loops_costs_less_and_less() {
    let mut sim =
        SimFleet::new(settings(), |_| Behaviour { loops_after: Some(ms(100)), ..Behaviour::default() });
    for _ in 0..10_000 {
        sim.call(version(1), ms(500));
        sim.advance(ms(100));
    }
    let cut = sim.fates().into_iter().filter(|fate| *fate == CallFate::Cut).count();
    // 1000 s: three offences, then quarantines of 20, 40, 80 and 100 s, each with one more behind it.
    assert!((13..=40).contains(&cut), "{cut}");
    assert!(matches!(sim.state(&version(1)), SlotState::Quarantined { .. }), "{:?}", sim.state(&version(1)));
    sim.lift(version(1));
    assert_eq!(sim.state(&version(1)), SlotState::Asleep);
}

#[test]
fn a_server_that_loops_gains_one_process_by_each_new_version() {
    let mut sim =
        SimFleet::new(settings(), |_| Behaviour { loops_after: Some(ms(100)), ..Behaviour::default() });
    let mut cuts = Vec::new();
    for number in 0..50 {
        let calls: Vec<usize> = (0..40)
            .map(|_| {
                let call = sim.call(revision(1, number), ms(500));
                sim.advance(ms(100));
                call
            })
            .collect();
        cuts.push(calls.into_iter().filter(|call| sim.fate(*call) == CallFate::Cut).count());
        sim.retire(revision(1, number));
        let SlotState::Quarantined { .. } = sim.state(&revision(1, number)) else { panic!("{number}") };
    }
    let calls_of = |processes: usize| 2 * processes;
    assert!(cuts[0] <= calls_of(3), "{cuts:?}");
    assert!(cuts[1..].iter().all(|cut| (1..=calls_of(1)).contains(cut)), "{cuts:?}");
    // The first version is out of its quarantine, and not clean: it has one process to lose as well.
    let until = |sim: &SimFleet| match sim.state(&revision(1, 0)) {
        SlotState::Quarantined { until, .. } => until,
        other => panic!("{other:?}"),
    };
    sim.call(revision(1, 0), ms(500));
    sim.advance(ms(1_000));
    assert!(until(&sim) > ms(290_000), "for as long as the latest of them");
    sim.lift(revision(1, 0));
    sim.call(revision(1, 0), ms(500));
    sim.advance(ms(200));
    assert!(matches!(sim.state(&revision(1, 0)), SlotState::Failing { .. }), "begins anew");
}

#[test]
fn a_tenant_with_calls_without_end_leaves_others_their_share() {
    for places in [2, 3, 8] {
        let mut sim = SimFleet::new(Settings { max_awake: places, ..settings() }, |_| Behaviour::default());
        let mut answered = 0;
        for round in 0..200_u64 {
            for name in 0..16 {
                sim.call(version(name), LONG);
            }
            let call = sim.call(version(16 + u8::try_from(round % 3).unwrap_or(0)), ms(50));
            sim.advance(ms(1_000));
            answered += u32::from(sim.fate(call) == CallFate::Answered);
        }
        assert_eq!(answered, 200, "{places} places");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Listen(u8, u64),
    Want(u8),
    Lift(u8),
    Call(u8, u64),
    Retire(u8),
    Kill(u8),
    Advance(u64),
}

/// Four versions of one tenant and two of another.
fn name() -> impl Strategy<Value = u8> {
    prop_oneof![0..4_u8, 16..18_u8]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (name(), 0..1_500_u64).prop_map(|(v, t)| Op::Call(v, t)),
        2 => (name(), 0..5_000_u64).prop_map(|(v, t)| Op::Listen(v, t)),
        1 => name().prop_map(Op::Want),
        1 => name().prop_map(Op::Lift),
        1 => name().prop_map(Op::Retire),
        1 => name().prop_map(Op::Kill),
        4 => (0..2_500_u64).prop_map(Op::Advance),
    ];
    collection::vec(op, 0..60)
}

fn behaviours() -> impl Strategy<Value = Vec<Behaviour>> {
    let time = |most: u64| option::weighted(0.7, (0..most).prop_map(ms));
    let dies = option::weighted(0.3, (0..4_000_u64).prop_map(ms));
    let loops = option::weighted(0.3, (0..4_000_u64).prop_map(ms));
    let one = (time(700), dies, time(500), loops).prop_map(
        |(ready_after, dies_after, stops_after, loops_after)| Behaviour {
            ready_after,
            dies_after,
            stops_after,
            loops_after,
        },
    );
    collection::vec(one, 1..12)
}

fn play(ops: &[Op], behaviours: Vec<Behaviour>) -> SimFleet {
    let mut turn = behaviours.into_iter().cycle();
    let mut sim = SimFleet::new(settings(), move |_| turn.next().unwrap_or_default());
    for op in ops {
        match op {
            Op::Call(name, takes) => drop(sim.call(version(*name), ms(*takes))),
            Op::Listen(name, takes) => drop(sim.listen(version(*name), ms(*takes))),
            Op::Want(name) => sim.want(version(*name)),
            Op::Lift(name) => sim.lift(version(*name)),
            Op::Retire(name) => sim.retire(version(*name)),
            Op::Kill(name) => sim.kill(version(*name)),
            Op::Advance(by) => sim.advance(ms(*by)),
        }
    }
    sim
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_call_comes_to_an_end_and_everything_goes_to_sleep(ops in ops(), behaviours in behaviours()) {
        let mut sim = play(&ops, behaviours);
        sim.advance(LONG);
        prop_assert!(all_done(&sim), "{:?}", sim.fates());
        prop_assert_eq!(sim.alive(), 0);
        prop_assert!(sim.is_quiet());
    }

    #[test]
    fn a_shutdown_ends_everything_in_its_time(ops in ops(), behaviours in behaviours(), grace in 0..1_000_u64) {
        let mut sim = play(&ops, behaviours);
        sim.shutdown(ms(grace));
        sim.advance(ms(grace + 10));
        prop_assert_eq!(sim.alive(), 0);
        prop_assert!(sim.is_quiet() && all_done(&sim), "{:?}", sim.fates());
    }
}
