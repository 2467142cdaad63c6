//! Processes: reaching others, making new ones, and changing what this one is.

use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{address, address_mut, call, leave};

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("signal", signal),
    ("inspect", inspect),
    ("new-process", new_process),
    ("new-namespace", new_namespace),
    ("enter-namespace", enter_namespace),
    ("identity", identity),
    ("prctl", prctl),
    ("limit", limit),
    ("scheduling", scheduling),
    ("fork-storm", fork_storm),
    ("thread-storm", thread_storm),
];

/// More than any server needs, and fewer than the suite's own cap.
const STORM: usize = 110;

/// Sends a signal to a process of the suite.
fn signal(order: &Order) -> Outcome {
    let (process, signal) = (order.number("process"), libc::SIGUSR1 as usize);
    let done = match order.row.as_str() {
        "kill" => call(libc::SYS_kill, &[process, signal]),
        "tgkill" => call(libc::SYS_tgkill, &[process, process, signal]),
        "tkill" => call(libc::SYS_tkill, &[process, signal]),
        "rt_sigqueueinfo" => {
            // A code below zero: as sigqueue does it.
            let mut info = [0_u32; 32];
            (info[0], info[2]) = (libc::SIGUSR1 as u32, u32::MAX);
            call(libc::SYS_rt_sigqueueinfo, &[process, signal, address(&info)])
        }
        "pidfd_send_signal" => call(libc::SYS_pidfd_open, &[process, 0])
            .and_then(|held| call(libc::SYS_pidfd_send_signal, &[held, signal, 0, 0])),
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "sent")
}

/// Looks into a process of the suite.
fn inspect(order: &Order) -> Outcome {
    let process = order.number("process");
    let done = match order.row.as_str() {
        "ptrace" => call(libc::SYS_ptrace, &[libc::PTRACE_SEIZE as usize, process, 0, 0]),
        "process_vm_readv" => return steal(order, process),
        "process_vm_writev" => {
            let (here, there) = ([0_u64], [order.number("address"), 8]);
            let local = [address(&here), 8];
            call(libc::SYS_process_vm_writev, &[process, address(&local), 1, address(&there), 1, 0])
        }
        "pidfd_getfd" => call(libc::SYS_pidfd_open, &[process, 0])
            .and_then(|held| call(libc::SYS_pidfd_getfd, &[held, order.number("descriptor"), 0])),
        "kcmp" => call(libc::SYS_kcmp, &[std::process::id() as usize, process, 1, 0, 0]),
        "move_pages" => call(libc::SYS_move_pages, &[process, 0, 0, 0, 0, 0]),
        "get_robust_list" => {
            let (mut head, mut length) = (0_usize, 0_usize);
            let [head, length] = [address_mut(&mut head), address_mut(&mut length)];
            call(libc::SYS_get_robust_list, &[process, head, length])
        }
        "prlimit" => {
            let limits = [64_u64, 64];
            call(libc::SYS_prlimit64, &[process, libc::RLIMIT_NOFILE as usize, address(&limits), 0])
        }
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "looked into").unless_missing()
}

fn steal(order: &Order, process: usize) -> Outcome {
    let mut stolen = [0_u8; 24];
    let local = [address_mut(&mut stolen), stolen.len()];
    let there = [order.number("address"), stolen.len()];
    let done = call(libc::SYS_process_vm_readv, &[process, address(&local), 1, address(&there), 1, 0]);
    match done {
        Ok(_) => Outcome::Succeeded(format!("read `{}`", String::from_utf8_lossy(&stolen))),
        Err(error) => Outcome::refused(error),
    }
}

/// A child that ends at once.
fn new_process(order: &Order) -> Outcome {
    const CHILD: usize = libc::SIGCHLD as usize;
    let with = |flags: i32| call(libc::SYS_clone, &[CHILD | flags as u32 as usize]);
    let made = match order.row.as_str() {
        #[cfg(target_arch = "x86_64")]
        "fork" => call(libc::SYS_fork, &[]),
        "clone" => with(0),
        "clone-ptrace" => with(libc::CLONE_PTRACE),
        "clone-user-namespace" => with(libc::CLONE_NEWUSER),
        "clone-all-namespaces" => with(
            libc::CLONE_NEWUSER
                | libc::CLONE_NEWNS
                | libc::CLONE_NEWPID
                | libc::CLONE_NEWNET
                | libc::CLONE_NEWIPC,
        ),
        "clone3" => {
            let mut arguments = [0_u64; 11];
            arguments[4] = CHILD as u64;
            call(libc::SYS_clone3, &[address(&arguments), size_of_val(&arguments)])
        }
        "posix_spawn" => return spawn(),
        _ => Err(nix::errno::Errno::EINVAL),
    };
    if made == Ok(0) {
        leave();
    }
    Outcome::of(made, "a child")
}

/// The usual way of programs, by `vfork` inside.
fn spawn() -> Outcome {
    match std::process::Command::new("/proc/self/exe").spawn() {
        Ok(mut child) => {
            let _ = child.kill();
            let _ = child.wait();
            Outcome::Succeeded("a child".to_owned())
        }
        // It was made, and found no program to run.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Outcome::Succeeded("a child".to_owned()),
        Err(error) => Outcome::from_io(&error),
    }
}

fn namespace(row: &str) -> usize {
    let flag = match row {
        "mount" => libc::CLONE_NEWNS,
        "pid" => libc::CLONE_NEWPID,
        "network" => libc::CLONE_NEWNET,
        "ipc" => libc::CLONE_NEWIPC,
        "uts" => libc::CLONE_NEWUTS,
        "cgroup" => libc::CLONE_NEWCGROUP,
        "time" => 0x80,
        _ => 0,
    };
    (flag | libc::CLONE_NEWUSER) as usize
}

fn new_namespace(order: &Order) -> Outcome {
    Outcome::of(call(libc::SYS_unshare, &[namespace(&order.row)]), "unshared")
}

/// Makes a namespace, and then enters the one it is in: both calls are needed to wander about.
fn enter_namespace(order: &Order) -> Outcome {
    let flags = namespace(&order.row);
    let done = call(libc::SYS_unshare, &[flags]);
    let entered = done
        .and_then(|_| call(libc::SYS_pidfd_open, &[std::process::id() as usize, 0]))
        .and_then(|held| call(libc::SYS_setns, &[held, flags & !(libc::CLONE_NEWUSER as usize)]));
    Outcome::of(entered, "entered")
}

/// Becomes somebody else, or gives itself capabilities.
fn identity(order: &Order) -> Outcome {
    const OTHER: usize = 12_345;
    let done = match order.row.as_str() {
        "setuid" => call(libc::SYS_setuid, &[OTHER]),
        "setgid" => call(libc::SYS_setgid, &[OTHER]),
        "setresuid" => call(libc::SYS_setresuid, &[OTHER, OTHER, OTHER]),
        "setresgid" => call(libc::SYS_setresgid, &[OTHER, OTHER, OTHER]),
        "setgroups" => call(libc::SYS_setgroups, &[1, address(&[12_345_u32])]),
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "became another")
}

fn prctl(order: &Order) -> Outcome {
    let done = match order.row.as_str() {
        "dumpable" => call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as usize, 1]),
        // The parent's death would no longer end it.
        "outlive" => call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as usize, 0]),
        "subreaper" => call(libc::SYS_prctl, &[libc::PR_SET_CHILD_SUBREAPER as usize, 1]),
        "keep-capabilities" => call(libc::SYS_prctl, &[libc::PR_SET_KEEPCAPS as usize, 1]),
        "timer-slack" => call(libc::SYS_prctl, &[libc::PR_SET_TIMERSLACK as usize, 1]),
        "personality" => call(libc::SYS_personality, &[libc::ADDR_NO_RANDOMIZE as usize]),
        "new-session" => call(libc::SYS_setsid, &[]),
        "umask" => call(libc::SYS_umask, &[0]),
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "changed")
}

/// Changes its own limits; every soft limit may be set to what it is.
fn limit(order: &Order) -> Outcome {
    let resource = match order.row.as_str() {
        "NOFILE" => libc::RLIMIT_NOFILE,
        "CORE" => libc::RLIMIT_CORE,
        "AS" => libc::RLIMIT_AS,
        _ => libc::RLIMIT_NPROC,
    } as usize;
    let mut now = [0_u64; 2];
    let done = call(libc::SYS_prlimit64, &[0, resource, 0, address_mut(&mut now)])
        .and_then(|_| call(libc::SYS_prlimit64, &[0, resource, address(&now), 0]));
    Outcome::of(done, "set")
}

fn scheduling(order: &Order) -> Outcome {
    let none = [0_u32];
    let done = match order.row.as_str() {
        "setpriority" => call(libc::SYS_setpriority, &[0, 0, 5]),
        "sched_setaffinity" => call(libc::SYS_sched_setaffinity, &[0, 8, address(&[1_u64])]),
        "sched_setscheduler" => call(libc::SYS_sched_setscheduler, &[0, 3, address(&none)]),
        "sched_setattr" => {
            let attributes = [48_u32, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            call(libc::SYS_sched_setattr, &[0, address(&attributes), 0])
        }
        "ioprio_set" => call(libc::SYS_ioprio_set, &[1, 0, 3 << 13]),
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "changed")
}

/// Children that stay, as many as there can be.
fn fork_storm(_: &Order) -> Outcome {
    let mut made = 0;
    let mut stopped = String::new();
    while made < STORM {
        match call(libc::SYS_clone, &[libc::SIGCHLD as usize]) {
            Ok(0) => stay(),
            Ok(_) => made += 1,
            Err(error) => {
                stopped = format!("{error:?}");
                break;
            }
        }
    }
    if made < STORM {
        Outcome::Refused(format!("{stopped} after {made}"))
    } else {
        Outcome::Succeeded(format!("{made} children"))
    }
}

/// Until its parent or the suite ends it.
fn stay() -> ! {
    let _ = call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize]);
    loop {
        let _ = call(libc::SYS_pause, &[]);
        let _ = call(libc::SYS_ppoll, &[0, 0, 0, 0]);
    }
}

fn thread_storm(_: &Order) -> Outcome {
    for made in 0..STORM {
        let started = std::thread::Builder::new().stack_size(16 << 10).spawn(|| {
            loop {
                std::thread::park();
            }
        });
        if let Err(error) = started {
            return match Outcome::from_io(&error) {
                Outcome::Refused(error) => Outcome::Refused(format!("{error} after {made}")),
                other => other,
            };
        }
    }
    Outcome::Succeeded(format!("{STORM} threads"))
}
