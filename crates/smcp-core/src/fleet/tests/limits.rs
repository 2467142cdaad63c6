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

/// A process of A with this number that starts at `at` and breaks a limit.
fn offence(at: u64, number: u64) -> Vec<(u64, u8, Event)> {
    offence_of(A, at, number)
}

fn offence_of(name: u8, at: u64, number: u64) -> Vec<(u64, u8, Event)> {
    let hit = killed(number, Some(looped()));
    [warm(at, name, number), vec![(at, name, overrun(number)), (at, name, hit), (at, name, exited(number))]]
        .concat()
}

/// Offences at these times.
fn offences(times: &[u64]) -> Vec<(u64, u8, Event)> {
    times.iter().zip(1..).flat_map(|(at, number)| offence(*at, number)).collect()
}

fn quarantined(events: &[(u64, u8, Event)]) -> Option<(u32, u64)> {
    quarantine_of(A, events)
}

fn quarantine_of(name: u8, events: &[(u64, u8, Event)]) -> Option<(u32, u64)> {
    match fleet(events).state(&version(name)) {
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
    // No other server, no other version of the same one, and no pre-warming.
    assert_eq!(fleet.admission(ms(1), &version(B)), Admission::Wait);
    assert_eq!(fleet.admission(ms(1), &version(A2)), Admission::Wait);
    check_plan(&[&events[..], &[(1, A, Event::Wanted)]].concat(), 1, &[], Some(100_000));
    check_plan(&[&events[..], &[(60_000, A, Event::CallWaiting)]].concat(), 60_000, &[start(A, 4)], None);
}

#[test]
fn a_slot_is_kept_until_the_end_of_its_quarantine() {
    for (given, over) in [
        (offences(&[0, 0, 0]), 100_000),
        ([offences(&[0, 0, 0]), vec![(5, A, Event::Retired)]].concat(), 60_000),
        ([offences(&[0, 1_000]), vec![(2_000, A, Event::Retired)]].concat(), 2_000),
        // Asleep again after an offence.
        ([offence(0, 1), warm(500, A, 2), vec![(600, A, stopping(2)), (700, A, exited(2))]].concat(), 700),
    ] {
        let last = given.last().map_or(0, |(at, ..)| *at);
        if over > last {
            check_plan(&given, over - 1, &[], Some(over));
        }
        check_plan(&given, over, &[forget(A)], None);
        let late = [&given[..], &[(over, A, Event::Forgotten)]].concat();
        let fleet = fleet(&late);
        assert!(fleet.slots.is_empty());
        assert_eq!(fleet.records.len(), 1, "what is held against the server outlives the slot");
    }
    let early = [offences(&[0, 0, 0]), vec![(59_999, A, Event::Forgotten)]].concat();
    assert!(fleet(&early).knows(&version(A)), "an early order is not followed");
}

#[test]
fn a_new_version_of_a_server_answers_for_the_old_one() {
    let first = offences(&[0, 0, 0]);
    let retired = [&first[..], &[(1_000, A, Event::Retired), (60_000, A, Event::Forgotten)]].concat();
    let lifted = [&first[..], &[(1_000, A2, Event::Lifted)]].concat();
    for (what, before, at, quarantine) in [
        ("one offence is left, for the double", &first, 2_000, Some((4, 122_000))),
        ("though the old one is forgotten", &retired, 70_000, Some((4, 190_000))),
        ("until the record is clean", &first, 1_059_999, Some((4, 1_179_999))),
        ("and then it is", &first, 1_060_000, None),
        ("or was lifted, for a version without a slot too", &lifted, 2_000, None),
        ("two offences of the old one are two of three", &offences(&[0, 0]), 2_000, Some((3, 62_000))),
        ("while they count", &offences(&[0, 0]), 600_000, None),
    ] {
        assert_eq!(fleet(before).admission(ms(at), &version(A2)), Admission::Wait, "{what}: it may run");
        let events = [&before[..], &offence_of(A2, at, 9)].concat();
        assert_eq!(quarantine_of(A2, &events), quarantine, "{what}");
        assert_eq!(quarantine_of(B, &[&before[..], &offence_of(B, at, 9)].concat()), None, "{what}: its own");
    }
    // The quarantine itself is the version's: the old one has its own, whatever a new one does.
    let events = [&first[..], &warm(1_000, A2, 4)].concat();
    assert_eq!(quarantined(&events), Some((3, 60_000)));
    assert_eq!(fleet(&events).state(&version(A2)), SlotState::Ready { since: ms(1_000) });
}

#[test]
fn records_are_bounded_and_go_when_they_are_clean() {
    let mut records = Records::default();
    let offend = |records: &mut Records, at: u64, server: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&server.to_be_bytes());
        let version = VersionRef { server: ServerId::from_bytes(id), ..version(A) };
        records.judge(&version, &settings()).offend(ms(at)).is_some()
    };
    assert!((0..3).map(|_| offend(&mut records, 0, 0)).last().unwrap());
    for server in 1..10_100 {
        offend(&mut records, server, server);
    }
    assert_eq!(records.len(), 10_000);
    assert!(offend(&mut records, 20_000, 0), "a quarantine outlasts the offences of others");
    offend(&mut records, 700_000, 1);
    assert_eq!(records.len(), 2, "the window of all the others is over");
}

#[test]
fn what_the_sandbox_kills_for_is_an_offence_too() {
    let mut events = offences(&[0, 0]);
    events.extend(warm(0, A, 3));
    events.push((0, A, Event::Exited { generation: g(3), cause: Cause::forbidden("SIGSYS") }));
    assert_eq!(quarantined(&events), Some((3, 60_000)));
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
