//! Kernel surface as a table: single system calls that a server never needs.

use nix::errno::Errno;
use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{Done, address, address_mut, call, text};

pub(crate) const PROBES: &[(&str, Probe)] = &[("call", anybody), ("privileged-call", privileged)];

/// Calls that the kernel allows to everybody.
fn anybody(order: &Order) -> Outcome {
    let beyond = [Errno::ENOKEY];
    Outcome::reached(make(&order.row), &beyond, "answered").unless_missing()
}

/// Calls of an administrator, made with arguments that are refused *after* the check of privileges, so that none does
/// anything: an error about the arguments shows that it came so far.
fn privileged(order: &Order) -> Outcome {
    let beyond = [
        Errno::EINVAL,
        Errno::EBADF,
        Errno::ENOENT,
        Errno::EFAULT,
        Errno::ENOEXEC,
        Errno::ESRCH,
        Errno::ENOTBLK,
        Errno::ENODEV,
        Errno::ESTALE,
    ];
    Outcome::reached(administer(&order.row), &beyond, "came past the check").unless_missing()
}

/// The revision of Landlock's interface; 0 without Landlock.
pub(crate) fn landlock_version() -> usize {
    make("landlock_create_ruleset").unwrap_or_default()
}

const CURRENT: usize = usize::MAX;

fn make(row: &str) -> Done {
    match row {
        "io_uring_setup" => call(libc::SYS_io_uring_setup, &[1, address_mut(&mut [0_u64; 15])]),
        "userfaultfd" => call(libc::SYS_userfaultfd, &[1]),
        "perf_event_open" => {
            // A software clock of this process alone, without the kernel: what everybody may count.
            let mut attributes = [0_u64; 16];
            attributes[0] = 1 | (128 << 32);
            attributes[5] = 1 << 5 | 1 << 6;
            call(libc::SYS_perf_event_open, &[address(&attributes), 0, CURRENT, CURRENT, 0])
        }
        "inotify_init1" => call(libc::SYS_inotify_init1, &[0]),
        "fanotify_init" => call(libc::SYS_fanotify_init, &[0x200, 0]),
        "memfd_secret" => call(447, &[0]),
        "seccomp" => call(libc::SYS_seccomp, &[2, 0, address(&[0x7fff_0000_u32])]),
        "landlock_create_ruleset" => call(444, &[0, 0, 1]),
        "quotactl" => call(libc::SYS_quotactl, &[0x80_0001 << 8, 0, 0, 0]),
        "timer_create" => call(libc::SYS_timer_create, &[0, 0, address_mut(&mut 0_u64)]),
        "adjtimex" => call(libc::SYS_adjtimex, &[address_mut(&mut [0_u64; 32])]),
        "name_to_handle_at" => name_to_handle(),
        "mlock" => locked(|page| call(libc::SYS_mlock, &[page, 4096])),
        "mlock2" => locked(|page| call(libc::SYS_mlock2, &[page, 4096, 1])),
        "vmsplice" => splice("vmsplice"),
        "tee" => splice("tee"),
        "splice" => splice("splice"),
        "get_mempolicy" => call(libc::SYS_get_mempolicy, &[address_mut(&mut 0_u32), 0, 0, 0, 0]),
        "set_mempolicy" => call(libc::SYS_set_mempolicy, &[0, 0, 0]),
        "sched_rr_get_interval" => call(libc::SYS_sched_rr_get_interval, &[0, address_mut(&mut [0_u64; 2])]),
        "sysinfo" => call(libc::SYS_sysinfo, &[address_mut(&mut [0_u64; 16])]),
        "io_setup" => call(libc::SYS_io_setup, &[1, address_mut(&mut 0_u64)]),
        #[cfg(target_arch = "x86_64")]
        "modify_ldt" => call(libc::SYS_modify_ldt, &[0, address_mut(&mut [0_u64; 2]), 16]),
        _ => shared(row),
    }
}

/// Keys, and what System V and POSIX share between processes.
fn shared(row: &str) -> Done {
    const PROCESS_KEYRING: usize = (-2_isize) as usize;
    const REMOVE: usize = 0;
    let [kind, name, queue] = ["user", "smcp-attack", "smcp-attack"].map(text);
    let [kind, name, queue] = [&kind, &name, &queue].map(|text| address(text.as_slice()));
    match row {
        "add_key" => call(libc::SYS_add_key, &[kind, name, address(b"secret"), 6, PROCESS_KEYRING]),
        "request_key" => call(libc::SYS_request_key, &[kind, name, 0, PROCESS_KEYRING]),
        "keyctl" => call(libc::SYS_keyctl, &[0, PROCESS_KEYRING, 1]),
        "shmget" => call(libc::SYS_shmget, &[0, 4096, 0o600])
            .and_then(|made| call(libc::SYS_shmctl, &[made, REMOVE, 0])),
        "semget" => call(libc::SYS_semget, &[0, 1, 0o600])
            .and_then(|made| call(libc::SYS_semctl, &[made, 0, REMOVE, 0])),
        "msgget" => {
            call(libc::SYS_msgget, &[0, 0o600]).and_then(|made| call(libc::SYS_msgctl, &[made, REMOVE, 0]))
        }
        "mq_open" => {
            let flags = (libc::O_RDWR | libc::O_CREAT) as usize;
            let made = call(libc::SYS_mq_open, &[queue, flags, 0o600, 0]);
            let _ = call(libc::SYS_mq_unlink, &[queue]);
            made
        }
        _ => Err(Errno::EDOM),
    }
}

fn name_to_handle() -> Done {
    let root = text("/");
    let (mut handle, mut mount) = ([128_u32; 40], 0_u32);
    let [handle, mount] = [address_mut(&mut handle), address_mut(&mut mount)];
    let here = (libc::AT_FDCWD as isize) as usize;
    match call(libc::SYS_name_to_handle_at, &[here, address(root.as_slice()), handle, mount, 0]) {
        // Asked, and told that this file system has none, or that it needs more room.
        Err(Errno::EOPNOTSUPP | Errno::EOVERFLOW) => Ok(0),
        done => done,
    }
}

fn locked(lock: impl Fn(usize) -> Done) -> Done {
    crate::raw::map(4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE).and_then(lock)
}

fn splice(row: &str) -> Done {
    let mut ends = [[0_u32; 2]; 2];
    for pipe in &mut ends {
        call(libc::SYS_pipe2, &[address_mut(pipe), libc::O_NONBLOCK as usize])?;
    }
    let [[from, into], [_, other]] = ends.map(|pipe| pipe.map(|end| end as usize));
    let vector = [address(b"text"), 4];
    call(libc::SYS_write, &[into, address(b"text"), 4])?;
    match row {
        "vmsplice" => call(libc::SYS_vmsplice, &[into, address(&vector), 1, 0]),
        "tee" => call(libc::SYS_tee, &[from, other, 4, 0]),
        _ => call(libc::SYS_splice, &[from, 0, other, 0, 4, 0]),
    }
}

fn administer(row: &str) -> Done {
    let nowhere = text("/nowhere/at-all");
    let nowhere = address(nowhere.as_slice());
    let no_file = usize::MAX;
    let here = (libc::AT_FDCWD as isize) as usize;
    match row {
        // Without the magic numbers it does nothing.
        "reboot" => call(libc::SYS_reboot, &[0, 0, 0, 0]),
        "swapon" => call(libc::SYS_swapon, &[nowhere, 0]),
        "swapoff" => call(libc::SYS_swapoff, &[nowhere]),
        "finit_module" => call(libc::SYS_finit_module, &[no_file, nowhere, 0]),
        "acct" => call(libc::SYS_acct, &[nowhere]),
        "bpf" => {
            // An array with one entry.
            let attributes = [2_u32, 4, 4, 1];
            call(libc::SYS_bpf, &[0, address(&attributes), 16])
        }
        "open_by_handle_at" => {
            let handle = [8_u32, 1, 0, 0];
            call(libc::SYS_open_by_handle_at, &[here, address(&handle), 0])
        }
        "sethostname" => call(libc::SYS_sethostname, &[1, 65_536]),
        "setdomainname" => call(libc::SYS_setdomainname, &[1, 65_536]),
        "chroot" => call(libc::SYS_chroot, &[address(text("/").as_slice())]),
        "syslog" => call(libc::SYS_syslog, &[10, 0, 0]),
        "capset" => {
            let header = [0x2008_0522_u32, 0];
            let sets = [1_u32 << 21, 1 << 21, 0, 0, 0, 0];
            call(libc::SYS_capset, &[address(&header), address(&sets)])
        }
        _ => Err(Errno::EDOM),
    }
}
