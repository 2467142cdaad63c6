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

fn version(name: u8) -> VersionRef {
    VersionRef {
        tenant: TenantId::from_bytes([0; 16]),
        server: ServerId::from_bytes([name; 16]),
        digest: Digest::from_bytes([name; 32]),
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn settings() -> Settings {
    Settings {
        start_deadline: ms(500),
        idle_after: ms(2_000),
        stop_grace: ms(300),
        drain_grace: ms(700),
        stable_after: ms(5_000),
        forget_after: ms(60_000),
        max_awake: 2,
        ..Settings::default()
    }
}

/// A day in the life: start, calls, idle stop, crash, retry, retire, a neighbour.
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
    sim.advance(LONG);
}

fn all_done(sim: &SimFleet) -> bool {
    sim.fates().iter().all(|fate| !matches!(fate, CallFate::Waiting | CallFate::InFlight))
}

#[test]
fn an_undisturbed_day_answers_every_call_and_ends_asleep() {
    let mut sim = SimFleet::new(settings(), |_| Behaviour::default());
    scenario(&mut sim);
    assert!(sim.fates().iter().all(|fate| *fate == CallFate::Answered), "{:?}", sim.fates());
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

#[derive(Clone, Debug)]
enum Op {
    Call(u8, u64),
    Retire(u8),
    Kill(u8),
    Advance(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (0..4_u8, 0..1_500_u64).prop_map(|(v, t)| Op::Call(v, t)),
        1 => (0..4_u8).prop_map(Op::Retire),
        1 => (0..4_u8).prop_map(Op::Kill),
        4 => (0..2_500_u64).prop_map(Op::Advance),
    ];
    collection::vec(op, 0..60)
}

fn behaviours() -> impl Strategy<Value = Vec<Behaviour>> {
    let time = |most: u64| option::weighted(0.7, (0..most).prop_map(ms));
    let dies = option::weighted(0.3, (0..4_000_u64).prop_map(ms));
    let one = (time(700), dies, time(500)).prop_map(|(ready_after, dies_after, stops_after)| Behaviour {
        ready_after,
        dies_after,
        stops_after,
    });
    collection::vec(one, 1..12)
}

fn play(ops: &[Op], behaviours: Vec<Behaviour>) -> SimFleet {
    let mut turn = behaviours.into_iter().cycle();
    let mut sim = SimFleet::new(settings(), move |_| turn.next().unwrap_or_default());
    for op in ops {
        match op {
            Op::Call(name, takes) => drop(sim.call(version(*name), ms(*takes))),
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
