//! Kernel surface that needs more than one call: code at run time, other tenants' shared memory, resources.

use nix::errno::Errno;
use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{address, call, map, text};
use crate::tiny;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("code", code),
    ("memory-file-program", memory_file_program),
    ("shared-memory-of-others", shared_memory_of_others),
    ("message-queue-of-others", message_queue_of_others),
    ("terminal", terminal),
    ("thirty-two-bits", thirty_two_bits),
];

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE;

/// Memory that is written first and executed later.
fn code(order: &Order) -> Outcome {
    const PAGE: usize = 4096;
    let executable = |protection: i32| (protection | libc::PROT_EXEC) as usize;
    let written = || map(PAGE, READ_WRITE, PRIVATE);
    let done = match order.row.as_str() {
        "map-writable-executable" => map(PAGE, READ_WRITE | libc::PROT_EXEC, PRIVATE),
        "map-executable" => map(PAGE, libc::PROT_READ | libc::PROT_EXEC, PRIVATE),
        "protect-executable" => {
            written().and_then(|page| call(libc::SYS_mprotect, &[page, PAGE, executable(libc::PROT_READ)]))
        }
        "protect-writable-executable" => {
            written().and_then(|page| call(libc::SYS_mprotect, &[page, PAGE, executable(READ_WRITE)]))
        }
        "protect-by-key" => written().and_then(|page| {
            call(libc::SYS_pkey_mprotect, &[page, PAGE, executable(libc::PROT_READ), usize::MAX])
        }),
        "shared-memory" => call(libc::SYS_shmget, &[0, PAGE, 0o700]).and_then(|segment| {
            let attached = call(libc::SYS_shmat, &[segment, 0, libc::SHM_EXEC as usize]);
            let _ = call(libc::SYS_shmctl, &[segment, 0, 0]);
            attached
        }),
        _ => Err(Errno::EINVAL),
    };
    Outcome::of(done, "has it")
}

/// A program that is in no file system.
fn memory_file_program(order: &Order) -> Outcome {
    const EMPTY_PATH: usize = libc::AT_EMPTY_PATH as usize;
    let program = tiny::program();
    let name = text("x");
    let none = [0_usize];
    let file = match call(libc::SYS_memfd_create, &[address(name.as_slice()), 0]) {
        Ok(file) => file,
        Err(error) => return Outcome::refused(error),
    };
    if order.row == "create" {
        return Outcome::Succeeded("made".to_owned());
    }
    let done = call(libc::SYS_write, &[file, address(program.as_slice()), program.len()]).and_then(|_| {
        let path = text("");
        let [arguments, variables] = [address(&none), address(&none)];
        call(libc::SYS_execveat, &[file, address(path.as_slice()), arguments, variables, EMPTY_PATH])
    });
    Outcome::of(done, "ran")
}

/// A System V segment that the suite made, open to everybody.
fn shared_memory_of_others(order: &Order) -> Outcome {
    let attached = call(libc::SYS_shmget, &[order.number("segment"), 4096, 0])
        .and_then(|segment| call(libc::SYS_shmat, &[segment, 0, libc::SHM_RDONLY as usize]));
    Outcome::of(attached, "attached")
}

/// A POSIX queue that the suite made, open to everybody.
fn message_queue_of_others(order: &Order) -> Outcome {
    let name = text(order.target("queue"));
    Outcome::of(call(libc::SYS_mq_open, &[address(name.as_slice()), libc::O_RDONLY as usize]), "opened")
        .unless_missing()
}

/// Control of devices and terminals through the descriptors it was given. Not being a terminal is no refusal.
fn terminal(order: &Order) -> Outcome {
    let (number, argument) = match order.row.as_str() {
        "push-input" => (libc::TIOCSTI as usize, address(b"x")),
        "window-size" => (libc::TIOCGWINSZ as usize, address(&[0_u64; 4])),
        "take-terminal" => (libc::TIOCSCTTY as usize, 0),
        "selection" => (libc::TIOCLINUX as usize, address(b"\x02")),
        "close-on-exec" => (libc::FIOCLEX as usize, 0),
        "asynchronous" => (libc::FIOASYNC as usize, address(&[0_u64])),
        _ => (0, 0),
    };
    let beyond = [Errno::ENOTTY, Errno::EINVAL];
    Outcome::reached(call(libc::SYS_ioctl, &[1, number, argument]), &beyond, "reached")
}

/// The 32-bit calls have other numbers: a filter for 64 bits alone lets them through.
#[cfg(target_arch = "x86_64")]
fn thirty_two_bits(order: &Order) -> Outcome {
    let (number, name) = match order.row.as_str() {
        "getpid" => (20, "getpid"),
        _ => (199, "getuid32"),
    };
    match crate::raw::call_32_bit(number) {
        result if result >= 0 => Outcome::Succeeded(format!("{name} answered {result}")),
        error => match Errno::from_raw(-error) {
            Errno::ENOSYS => Outcome::Impossible("the kernel has no 32-bit calls".to_owned()),
            error => Outcome::refused(error),
        },
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn thirty_two_bits(_: &Order) -> Outcome {
    Outcome::Impossible("this processor has no other set of calls".to_owned())
}
