//! Places: who gets one, who gives one up, and what a listener or a wish is worth.

use super::*;

/// Versions of a second and a third tenant.
const X: u8 = 16;
const Y: u8 = 17;
const Z: u8 = 32;

fn listens(number: u64) -> Event {
    Event::CallStarted { generation: g(number), traffic: Traffic::Stream }
}

/// Ready since `at` with calls in flight.
fn busy(at: u64, name: u8, number: u64, calls: usize) -> Vec<(u64, u8, Event)> {
    [warm(at, name, number), vec![(at, name, begins(number)); calls]].concat()
}

/// Ready since `at` with one who listens.
fn open(at: u64, name: u8, number: u64) -> Vec<(u64, u8, Event)> {
    [warm(at, name, number), vec![(at, name, listens(number))]].concat()
}

/// The plan's actions in a fleet with so many places, for a version that waits.
#[track_caller]
fn check_wanting(
    max: usize,
    given: &[Vec<(u64, u8, Event)>],
    at: u64,
    name: u8,
    actions: &[Action],
) -> Fleet {
    let mut fleet = Fleet::new(Settings { max_awake: max, ..settings() });
    for (at, name, event) in given.concat() {
        fleet.observe(ms(at), &version(name), event);
    }
    let hope = fleet.admission(ms(at), &version(name));
    fleet.observe(ms(at), &version(name), Event::CallWaiting);
    assert_eq!(fleet.admission(ms(at), &version(name)), hope, "the fleet knows what it says");
    assert_eq!(fleet.plan(ms(at)).actions, actions);
    assert!(hope == Admission::Wait || actions.is_empty(), "room is made for who was refused");
    fleet
}

#[test]
fn free_places_go_to_the_tenant_that_holds_least() {
    let waiting = [A, B, C, X].map(|name| (u64::from(name), name, Event::CallWaiting));
    check_plan(&waiting, 16, &[start(A, 1), start(X, 2)], None);
    let holding = [warm(0, A, 1), [B, X].map(|name| (1, name, Event::CallWaiting)).to_vec()].concat();
    let fleet = fleet(&holding);
    // B waits as long and comes first, but its tenant has a place.
    assert_eq!(fleet.plan(ms(1)).actions, [start(X, 2), stop(A, 1, Why::Place)]);
}

#[test]
fn the_idle_of_the_greatest_holder_go_first() {
    let all = [warm(0, X, 1), warm(1, A, 2), warm(2, B, 3)];
    check_wanting(3, &all, 9, Z, &[stop(A, 2, Why::Place)]);
    // Who listens keeps its place as long as somebody is idle.
    check_wanting(3, &[warm(0, X, 1), open(1, A, 2), open(2, B, 3)], 900, Z, &[stop(X, 1, Why::Place)]);
}

#[test]
fn a_listener_gives_way_to_a_call() {
    let held = [open(0, A, 1), busy(0, B, 2, 1)];
    check_wanting(2, &held, 500, C, &[stop(A, 1, Why::Place)]);
    check_wanting(2, &held, 500, X, &[stop(A, 1, Why::Place)]);
    let fleet = check_wanting(2, &held, 499, X, &[]);
    assert_eq!(fleet.plan(ms(499)).wake_at, Some(ms(500)), "but not before it had its turn");
    // A tenant that holds as much drives nobody's listeners out.
    let fleet = check_wanting(2, &[open(0, A, 1), busy(0, X, 2, 1)], 900, Y, &[]);
    assert_eq!(fleet.admission(ms(900), &version(Y)), Admission::Denied(Denied::Full));
}

#[test]
fn who_holds_more_than_a_fair_share_gives_up_a_busy_one() {
    let hog = [busy(0, A, 1, 2), busy(1, B, 2, 1), busy(2, C, 3, 1)];
    check_wanting(3, &hog, 1_000, X, &[stop(B, 2, Why::Place)]);
    let fleet = check_wanting(3, &hog, 10, X, &[]);
    assert_eq!(fleet.plan(ms(10)).wake_at, Some(ms(500)));
    // Its own calls find no place: it has more than its share.
    let fleet = check_wanting(3, &hog, 1_000, 4, &[]);
    assert_eq!(fleet.admission(ms(1_000), &version(4)), Admission::Denied(Denied::Full));
    // One of three each is fair for three tenants, and a tenant with its share asks for no more.
    let fair = [busy(0, A, 1, 1), busy(0, X, 2, 1), busy(0, Z, 3, 1)];
    for name in [B, Y, 33, 48] {
        let fleet = check_wanting(3, &fair, 1_000, name, &[]);
        assert_eq!(fleet.admission(ms(1_000), &version(name)), Admission::Denied(Denied::Full));
    }
}

#[test]
fn no_more_is_given_up_than_is_asked_for() {
    let hog = [busy(0, A, 1, 1), busy(0, B, 2, 1), busy(0, C, 3, 1), busy(0, 4, 4, 1)];
    let leaving = [&hog[..], &[vec![(600, A, stopping(1))]]].concat();
    let mut fleet = check_wanting(4, &leaving, 600, X, &[]);
    // Two want a place each: that is the share of their tenant.
    fleet.observe(ms(600), &version(Y), Event::CallWaiting);
    assert_eq!(fleet.plan(ms(600)).actions, [stop(B, 2, Why::Place)]);
    fleet.observe(ms(600), &version(18), Event::CallWaiting);
    assert_eq!(fleet.plan(ms(600)).actions, [stop(B, 2, Why::Place)], "a third would be more");
}

#[test]
fn a_place_that_is_needed_is_handed_over_once() {
    let hog = [busy(0, A, 1, 1), busy(0, B, 2, 1)];
    let mut fleet = check_wanting(2, &hog, 600, X, &[stop(A, 1, Why::Place)]);
    for event in [stopping(1), ends(1), exited(1)] {
        fleet.observe(ms(600), &version(A), event);
    }
    // The one that was stopped is called again; each has its share now.
    fleet.observe(ms(600), &version(A), Event::CallWaiting);
    assert_eq!(fleet.plan(ms(600)).actions, [start(X, 3)]);
    for event in [launched(3), started(3), admitted(3)] {
        fleet.observe(ms(600), &version(X), event);
    }
    assert_eq!(fleet.admission(ms(5_000), &version(A)), Admission::Denied(Denied::Full));
    assert_eq!(fleet.plan(ms(5_000)).actions, []);
}

#[test]
fn a_wish_takes_what_is_left_over() {
    check_plan(&[(0, A, Event::Wanted)], 0, &[start(A, 1)], None);
    let ready = [(0, A, Event::Wanted), (0, A, launched(1)), (5, A, started(1))];
    check_plan(&ready, 5, &[], Some(10_005));
    // Neither a waiting call nor an idle process makes room for it, and it is not remembered.
    let waiting = [(0, A, Event::Wanted), (0, B, Event::CallWaiting), (0, C, Event::CallWaiting)];
    check_plan(&waiting, 0, &[start(B, 1), start(C, 2), forget(A)], None);
    let full = [warm(0, A, 1), warm(0, B, 2), vec![(1, C, Event::Wanted)]].concat();
    check_plan(&full, 1, &[forget(C)], Some(10_000));
    // A crash is not retried for a wish.
    check_plan(&after_warm(&[(20, A, exited(1)), (400, A, Event::Wanted)]), 400, &[], Some(100_020));
}

#[test]
fn a_wish_for_a_version_that_goes_brings_it_back() {
    let draining = after_warm(&[(40, A, begins(1)), (50, A, Event::Retired), (60, A, Event::Wanted)]);
    check_plan(&draining, 3_050, &[], Some(13_050));
    assert_eq!(fleet(&draining).state(&version(A)), SlotState::Ready { since: ms(0) });
    let leaving = after_warm(&[(50, A, Event::Retired), (50, A, stopping(1)), (60, A, Event::Wanted)]);
    check_plan(&leaving, 60, &[], Some(1_050));
    check_plan(&[&leaving[..], &[(70, A, exited(1))]].concat(), 70, &[start(A, 2)], None);
}

#[test]
fn listeners_of_a_retired_version_have_the_grace_of_a_stop() {
    let open = [open(0, A, 1), vec![(50, A, Event::Retired)]].concat();
    check_plan(&open, 50, &[stop(A, 1, Why::Retired)], None);
    let both = [busy(0, A, 1, 1), vec![(10, A, listens(1)), (50, A, Event::Retired)]].concat();
    check_plan(&both, 50, &[], Some(3_050));
    let one = [&both[..], &[(60, A, ends(1))]].concat();
    check_plan(&one, 60, &[stop(A, 1, Why::Retired)], None);
}
