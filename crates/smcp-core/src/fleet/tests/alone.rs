//! Versions whose objects keep state: of one server's, one has a process at any time.

use super::*;

fn both_alone(given: &[(u64, u8, Event)]) -> Fleet {
    let mut fleet = Fleet::new(settings());
    fleet.keep_alone(&version(A));
    fleet.keep_alone(&version(A2));
    for (at, name, event) in given {
        fleet.observe(ms(*at), &version(*name), event.clone());
    }
    fleet
}

fn call(generation: u64) -> Event {
    Event::CallStarted { generation: g(generation), traffic: Traffic::Call }
}

fn done(generation: u64) -> Event {
    Event::CallFinished { generation: g(generation), traffic: Traffic::Call }
}

fn gone(generation: u64) -> Event {
    Event::Exited { generation: g(generation), cause: Cause::new("ended") }
}

#[test]
fn a_new_version_starts_when_the_old_one_has_gone() {
    let mut fleet = both_alone(&[
        (0, A, Event::CallWaiting),
        (0, A, launched(1)),
        (5, A, started(1)),
        (6, A, Event::CallGaveUp),
    ]);
    fleet.observe(ms(10), &version(A2), Event::CallWaiting);
    assert_eq!(fleet.plan(ms(10)).actions, [stop(A, 1, Why::Retired)], "nobody calls the old one");
    fleet.observe(ms(10), &version(A), Event::StopSent { generation: g(1), grace: ms(1_000) });
    assert_eq!(fleet.plan(ms(11)).actions, []);
    assert_eq!(fleet.admission(ms(11), &version(A2)), Admission::Wait);
    fleet.observe(ms(20), &version(A), gone(1));
    let plan = fleet.plan(ms(20)).actions;
    assert!(plan.contains(&start(A2, 2)), "{plan:?}");
}

#[test]
fn a_call_on_the_old_version_is_finished_first() {
    let mut fleet =
        both_alone(&[(0, A, Event::CallWaiting), (0, A, launched(1)), (5, A, started(1)), (6, A, call(1))]);
    fleet.observe(ms(10), &version(A2), Event::CallWaiting);
    assert_eq!(fleet.plan(ms(10)).actions, []);
    assert!(fleet.observe(ms(30), &version(A), done(1)), "somebody waits for its end");
    fleet.observe(ms(30), &version(A), Event::CallGaveUp);
    assert_eq!(fleet.plan(ms(30)).actions, [stop(A, 1, Why::Retired)]);
}

#[test]
fn a_wish_waits_for_the_one_before_and_is_not_forgotten() {
    let mut fleet =
        both_alone(&[(0, A, Event::CallWaiting), (0, A, launched(1)), (5, A, started(1)), (6, A, call(1))]);
    fleet.observe(ms(10), &version(A2), Event::Wanted);
    fleet.observe(ms(10), &version(A), Event::Retired);
    assert_eq!(fleet.plan(ms(10)).actions, []);
    fleet.observe(ms(40), &version(A), done(1));
    fleet.observe(ms(40), &version(A), Event::CallGaveUp);
    assert_eq!(fleet.plan(ms(40)).actions, [stop(A, 1, Why::Retired)]);
    fleet.observe(ms(40), &version(A), Event::StopSent { generation: g(1), grace: ms(1_000) });
    fleet.observe(ms(50), &version(A), gone(1));
    let plan = fleet.plan(ms(50)).actions;
    assert!(plan.contains(&start(A2, 2)), "{plan:?}");
}

#[test]
fn of_two_that_wait_one_starts_and_others_are_not_held_up() {
    let mut fleet =
        both_alone(&[(0, A, Event::CallWaiting), (1, A2, Event::CallWaiting), (2, B, Event::CallWaiting)]);
    assert_eq!(fleet.plan(ms(2)).actions, [start(A, 1), start(B, 2)]);
    // Versions that keep nothing run beside each other, as ever.
    fleet = super::fleet(&[(0, A, Event::CallWaiting), (1, A2, Event::CallWaiting)]);
    assert_eq!(fleet.plan(ms(2)).actions, [start(A, 1), start(A2, 2)]);
}
