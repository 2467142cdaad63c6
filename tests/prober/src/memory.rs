//! Resources: memory, descriptors and processor time beyond a server's share.

use std::time::{Duration, Instant};

use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{call, map, touch};
use crate::sockets;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("memory", memory),
    ("descriptors-storm", storm),
    ("processor", processor),
    ("kernel-memory", kernel_memory),
];

/// Far above what a server may have by default, reserved code included, and below the suite's own cap.
const BYTES: usize = 800 << 20;
const CHUNK: usize = 8 << 20;
/// More than any server may open.
const DESCRIPTORS: usize = 12_000;

/// Takes memory and touches it.
fn memory(order: &Order) -> Outcome {
    let kind = match order.row.as_str() {
        "shared" => libc::MAP_SHARED,
        _ => libc::MAP_PRIVATE,
    };
    for taken in (0..BYTES).step_by(CHUNK) {
        match map(CHUNK, libc::PROT_READ | libc::PROT_WRITE, kind) {
            Ok(start) => touch(start, CHUNK),
            Err(error) => return Outcome::Refused(format!("{error:?} after {} MiB", taken >> 20)),
        }
    }
    Outcome::Succeeded(format!("{} MiB", BYTES >> 20))
}

/// Memory that is the kernel's: what lies in sockets that nobody reads.
fn kernel_memory(_: &Order) -> Outcome {
    const ENOUGH: usize = 384 << 20;
    let block = vec![1_u8; 128 << 10];
    let mut taken = 0;
    while taken < ENOUGH {
        let Ok([end, _]) = sockets::pair() else {
            return Outcome::Refused(format!("no socket after {} MiB", taken >> 20));
        };
        loop {
            let address = crate::raw::address(block.as_slice());
            let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as usize;
            match call(libc::SYS_sendto, &[end, address, block.len(), flags, 0, 0]) {
                Ok(sent) => taken += sent,
                Err(_) => break,
            }
        }
    }
    Outcome::Succeeded(format!("{} MiB in sockets", taken >> 20))
}

fn storm(_: &Order) -> Outcome {
    for opened in 0..DESCRIPTORS {
        if let Err(error) = call(libc::SYS_fcntl, &[1, libc::F_DUPFD as usize, 0]) {
            return Outcome::Refused(format!("{error:?} after {opened}"));
        }
    }
    Outcome::Succeeded(format!("{DESCRIPTORS} descriptors"))
}

/// Takes more than so many hundredths of a core, if only for one of a few moments: others may want the processors too.
fn processor(order: &Order) -> Outcome {
    const MOMENTS: usize = 4;
    let share: f64 = order.row.parse().unwrap_or(f64::MAX);
    let most = (0..MOMENTS).map(|_| cores_of_a_moment()).fold(0.0, f64::max);
    let told = format!("{most:.2} cores");
    if most * 100.0 > share { Outcome::Succeeded(told) } else { Outcome::Refused(told) }
}

fn cores_of_a_moment() -> f64 {
    const MOMENT: Duration = Duration::from_millis(400);
    let (began, used_before) = (Instant::now(), used());
    let until = began + MOMENT;
    let spin = move || while Instant::now() < until {};
    let threads: Vec<_> = (0..2).map_while(|_| std::thread::Builder::new().spawn(spin).ok()).collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    (used() - used_before).as_secs_f64() / began.elapsed().as_secs_f64()
}

fn used() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID);
    now.map(Duration::from).unwrap_or_default()
}
