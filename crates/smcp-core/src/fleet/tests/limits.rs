//! Broken limits: the kill, what is held against a version, quarantine, and forgiveness.

use super::*;

fn looped() -> Cause {
    Cause::broken(Limit::Cpu, "looped")
}

fn overrun(number: u64) -> Event {
    Event::Overrun { generation: g(number), cause: looped() }
}

fn bombed(number: u64) -> Event {
    Event::Exited { generation: g(number), cause: Cause::broken(Limit::Memory, "bombed") }
}

/// A process with this number that starts at `at` and breaks a limit.
fn offence(at: u64, number: u64) -> Vec<(u64, u8, Event)> {
    [
        warm(at, A, number),
        vec![(at, A, overrun(number)), (at, A, killed(number, Some(looped()))), (at, A, exited(number))],
    ]
    .concat()
}

/// Offences at these times.
fn offences(times: &[u64]) -> Vec<(u64, u8, Event)> {
    times.iter().zip(1..).flat_map(|(at, number)| offence(*at, number)).collect()
}

fn quarantined(events: &[(u64, u8, Event)]) -> Option<(u32, u64)> {
    match fleet(events).state(&version(A)) {
        SlotState::Quarantined { offences, until, .. } => {
            Some((offences, u64::try_from(until.as_millis()).unwrap()))
        }
        SlotState::Failing { .. } => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_overrun_is_killed_at_once_and_named() {
    let over = after_warm(&[(100, A, begins(1)), (200, A, overrun(1))]);
    check_plan(&over, 200, &[kill_for(A, 1, looped())], None);
    assert_eq!(fleet(&over).state(&version(A)), SlotState::Stopping);
    let hit = [&over[..], &[(200, A, killed(1, Some(looped())))]].concat();
    check_plan(&hit, 200, &[], Some(1_200));
    check_plan(&hit, 1_200, &[kill_for(A, 1, looped())], None);
    let gone = [&hit[..], &[(201, A, exited(1)), (201, A, ends(1))]].concat();
    assert_eq!(
        fleet(&gone).state(&version(A)),
        SlotState::Failing { reason: "looped (limits.cpu_ms)".to_owned(), attempts: 1, retry_at: ms(451) }
    );
}

#[test]
fn an_overrun_counts_once_and_only_against_its_own_process() {
    for (given, actions) in [
        // Of a process that is asked to finish, of one that was killed already, and of one that is no more.
        (vec![(50, A, stopping(1)), (60, A, overrun(1))], vec![]),
        (vec![(50, A, killed(1, None)), (60, A, overrun(1))], vec![]),
        (vec![(60, A, overrun(7))], vec![]),
        // Of one that starts.
        (
            vec![
                (50, A, exited(1)),
                (300, A, Event::CallWaiting),
                (300, A, launched(2)),
                (300, A, overrun(2)),
            ],
            vec![kill_for(A, 2, looped())],
        ),
    ] {
        assert_eq!(fleet(&after_warm(&given)).plan(ms(300)).actions, actions, "{given:?}");
    }
}

#[test]
fn a_limit_broken_while_it_finishes_counts_too() {
    let bomb = after_warm(&[(50, A, stopping(1)), (60, A, bombed(1))]);
    let SlotState::Failing { reason, attempts: 1, .. } = fleet(&bomb).state(&version(A)) else {
        panic!("failing")
    };
    assert_eq!(reason, "bombed (limits.memory_mb)");
    let crash = after_warm(&[(50, A, stopping(1)), (60, A, exited(1))]);
    assert_eq!(fleet(&crash).state(&version(A)), SlotState::Asleep);
}

#[test]
fn three_offences_in_a_while_are_a_quarantine() {
    assert_eq!(quarantined(&offences(&[0, 1_000])), None);
    assert_eq!(quarantined(&offences(&[0, 1_000, 2_000])), Some((3, 62_000)));
    assert_eq!(quarantined(&offences(&[0, 599_000, 600_000])), None, "the first is out of the window");
    // Crashes are no offences.
    let mut crashes = offences(&[0, 1_000]);
    crashes.extend([warm(2_000, A, 3), vec![(2_000, A, exited(3))]].concat());
    assert_eq!(quarantined(&crashes), None);
}

#[test]
fn after_a_quarantine_one_offence_is_enough_until_the_record_is_clean() {
    let mut events = offences(&[0, 0, 0]);
    let (mut number, mut waits) = (4, Vec::new());
    let mut until = 60_000;
    for _ in 0..4 {
        events.extend(offence(until, number));
        number += 1;
        let (_, next) = quarantined(&events).unwrap();
        waits.push(next - until);
        until = next;
    }
    assert_eq!(waits, [120_000, 200_000, 200_000, 200_000], "doubles, and never too long");
    let kept = until + 1_000_000;
    let before = [&events[..], &offence(kept - 1, number)].concat();
    assert!(quarantined(&before).is_some());
    let after = [&events[..], &offence(kept, number)].concat();
    assert_eq!(quarantined(&after), None);
}

#[test]
fn who_is_in_quarantine_is_refused_until_its_end() {
    let events = offences(&[0, 0, 0]);
    let fleet = fleet(&events);
    let denied =
        Denied::Quarantined { reason: "looped (limits.cpu_ms)".to_owned(), offences: 3, until: ms(60_000) };
    assert_eq!(fleet.admission(ms(59_999), &version(A)), Admission::Denied(denied));
    assert_eq!(fleet.admission(ms(60_000), &version(A)), Admission::Wait);
    // No other version of the same server, and no pre-warming.
    assert_eq!(fleet.admission(ms(1), &version(B)), Admission::Wait);
    check_plan(&[&events[..], &[(1, A, Event::Wanted)]].concat(), 1, &[], Some(1_060_000));
    check_plan(&[&events[..], &[(60_000, A, Event::CallWaiting)]].concat(), 60_000, &[start(A, 4)], None);
}

#[test]
fn a_record_is_kept_until_it_is_clean() {
    for (given, clean) in [
        (offences(&[0, 0, 0]), 1_060_000),
        ([offences(&[0, 0, 0]), vec![(5, A, Event::Retired)]].concat(), 1_060_000),
        ([offences(&[0, 1_000]), vec![(2_000, A, Event::Retired)]].concat(), 601_000),
        // Asleep again after an offence.
        (
            [offence(0, 1), warm(500, A, 2), vec![(600, A, stopping(2)), (700, A, exited(2))]].concat(),
            600_000,
        ),
    ] {
        check_plan(&given, clean - 1, &[], Some(clean));
        let early = [&given[..], &[(clean - 1, A, Event::Forgotten)]].concat();
        assert!(fleet(&early).slots.contains_key(&version(A)), "an early order is not followed");
        check_plan(&given, clean, &[forget(A)], None);
        let late = [&given[..], &[(clean, A, Event::Forgotten)]].concat();
        assert!(fleet(&late).slots.is_empty());
    }
}

#[test]
fn a_quarantine_can_be_lifted() {
    let lifted = [offences(&[0, 0, 0]), vec![(10, A, Event::Lifted)]].concat();
    assert_eq!(fleet(&lifted).state(&version(A)), SlotState::Asleep);
    check_plan(&lifted, 10, &[forget(A)], None);
    assert_eq!(fleet(&lifted).admission(ms(10), &version(A)), Admission::Wait);
    // Nothing is held against it any more.
    let again = [&lifted[..], &offence(20, 4), &offence(30, 5)].concat();
    assert_eq!(quarantined(&again), None);
    // A running process is not touched, its record is.
    let running = [offences(&[0, 0]), warm(5_000, A, 3), vec![(5_001, A, Event::Lifted)]].concat();
    assert_eq!(fleet(&running).state(&version(A)), SlotState::Ready { since: ms(5_000) });
    check_plan(&running, 5_001, &[], Some(15_000));
    check_plan(&[(0, A, Event::Lifted)], 0, &[], None);
}
