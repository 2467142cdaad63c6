//! Seccomp: three filters that the kernel asks one after another; the strictest answer holds.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::{
    Named as _, Step,
    once::OneProgram,
    syscalls::{MARGIN, MARGIN_HERE, NEVER, NEVER_HERE, SEEN, SEEN_HERE, STATE, STATE_HERE},
};
use crate::sandbox::job::Job;

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;

/// Every flag of `clone` that makes a namespace.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// A compiled filter.
pub(super) type Program = BpfProgram;

/// Rules by system call; a call with none of its own matches whatever its arguments.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Compiles the filters in the order they are loaded.
pub(super) fn compile(job: &Job, program: &OneProgram) -> Step<Vec<Program>> {
    let otherwise = if job.strict {
        SeccompAction::KillProcess
    } else {
        SeccompAction::Errno(libc::EPERM.cast_unsigned())
    };
    // The C library falls back to `clone`, whose flags a filter can read.
    let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let build = |rules, otherwise, matched| -> Step<Program> {
        let filter = SeccompFilter::new(rules, otherwise, matched, ARCH).step("seccomp")?;
        filter.try_into().step("seccomp")
    };
    Ok(vec![
        build(never(program)?, SeccompAction::Allow, SeccompAction::KillProcess)?,
        build(clone3, SeccompAction::Allow, absent)?,
        // Last: it allows neither `seccomp` nor `prctl` as loading a filter uses it.
        build(allowed(job)?, otherwise, SeccompAction::Allow)?,
    ])
}

/// Loads them for good.
pub(super) fn load(filters: &[Program]) -> Step<()> {
    filters.iter().try_for_each(|filter| apply_filter(filter).step("seccomp"))
}

fn never(program: &OneProgram) -> Step<Rules> {
    let calls = NEVER.iter().chain(NEVER_HERE);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    let clone = NAMESPACES.into_iter().map(|flag| rule(&[(0, masked(flag, flag))]));
    rules.insert(libc::SYS_clone, clone.collect::<Step<_>>()?);
    let other = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, program.address());
    let again = SeccompRule::new(vec![other.step("seccomp")?]).step("seccomp")?;
    rules.insert(libc::SYS_execve, vec![again]);
    Ok(rules)
}

fn allowed(job: &Job) -> Step<Rules> {
    let margin = MARGIN.iter().chain(MARGIN_HERE).filter(|_| !job.strict);
    let state = STATE.iter().chain(STATE_HERE).filter(|_| job.has_state());
    let calls = SEEN.iter().chain(SEEN_HERE).chain(margin).chain(state).chain(&[libc::SYS_clone3]);
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    for (call, argument, values) in by_value(job) {
        let equal = values.iter().map(|value| rule(&[(argument, is(*value))]));
        rules.insert(call, equal.collect::<Step<_>>()?);
    }
    // Threads alone: no process, no namespace.
    let threads = libc::CLONE_THREAD | libc::CLONE_VM | libc::CLONE_SIGHAND;
    let all = NAMESPACES.iter().fold(threads, |all, flag| all | flag);
    rules.insert(libc::SYS_clone, vec![rule(&[(0, masked(all, threads))])?]);
    // Asking for a limit of its own, never setting one.
    rules.insert(libc::SYS_prlimit64, vec![rule(&[(0, is(0)), (2, whole(0))])?]);
    let (write, execute) = (libc::PROT_WRITE, libc::PROT_EXEC);
    let plain = || rule(&[(2, masked(execute, 0))]);
    let code = || match job.jit {
        true => rule(&[(2, masked(write | execute, execute))]),
        // Code comes from files alone.
        false => rule(&[(2, masked(write | execute, execute)), (3, masked(libc::MAP_ANONYMOUS, 0))]),
    };
    rules.insert(libc::SYS_mmap, vec![plain()?, code()?]);
    for change in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        // The compiler writes code and then runs it.
        rules.insert(change, if job.jit { Vec::new() } else { vec![plain()?] });
    }
    if job.strict {
        rules.remove(&libc::SYS_pkey_mprotect);
    }
    // To itself: `execve` keeps the number that this process has now.
    let own = libc::c_int::try_from(std::process::id()).step("pid")?;
    rules.insert(libc::SYS_tgkill, vec![rule(&[(0, is(own))])?]);
    Ok(rules)
}

/// Calls one of whose arguments must be one of a few values.
fn by_value(job: &Job) -> [(c_long, u8, Vec<i32>); 5] {
    let ioctls = [libc::TCGETS, libc::FIONREAD, libc::FIONBIO];
    // Requests are numbers of 32 bits, whatever type the library gives them.
    #[allow(clippy::cast_possible_truncation, reason = "the kernel reads 32 bits")]
    let ioctls = ioctls.iter().map(|request| *request as i32).collect();
    // No locks: all processes see the same few files, and who tries the others' locks reads what they write with them, a
    // message from tenant to tenant. SQLite in a process with a folder of state cannot do without: two such tenants that
    // have both broken out of the runtime could pass messages this way (docs/security.md).
    let mut descriptors = vec![
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
    ];
    if job.has_state() {
        descriptors.extend([libc::F_SETLK, libc::F_GETLK]);
    }
    [
        (libc::SYS_socket, 0, vec![libc::AF_UNIX]),
        (libc::SYS_socketpair, 0, vec![libc::AF_UNIX]),
        (libc::SYS_prctl, 0, vec![libc::PR_SET_NAME, libc::PR_SET_VMA]),
        (libc::SYS_ioctl, 1, ioctls),
        (libc::SYS_fcntl, 1, descriptors),
    ]
}

/// What one argument must be: how it is compared, over how many bits, with what.
type Test = (SeccompCmpArgLen, SeccompCmpOp, u64);

fn is(value: i32) -> Test {
    (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(value.cast_unsigned()))
}

fn whole(value: u64) -> Test {
    (SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

fn masked(mask: i32, value: i32) -> Test {
    let mask = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
    (SeccompCmpArgLen::Qword, mask, u64::from(value.cast_unsigned()))
}

fn rule(tests: &[(u8, Test)]) -> Step<SeccompRule> {
    let conditions = tests.iter().map(|(argument, (length, compare, value))| {
        SeccompCondition::new(*argument, length.clone(), compare.clone(), *value).step("seccomp")
    });
    SeccompRule::new(conditions.collect::<Step<_>>()?).step("seccomp")
}

#[cfg(test)]
mod tests {
    use std::{fs::File, path::Path, thread};

    use nix::{
        errno::Errno,
        fcntl::{FcntlArg, fcntl},
    };

    use super::*;
    use crate::sandbox::Layers;

    fn job() -> Job {
        Job {
            layers: Layers::all(),
            strict: false,
            jit: true,
            program: "/program".into(),
            arguments: Vec::new(),
            files: Vec::new(),
            root: "/".into(),
            uid: 0,
            descriptors: 0,
            cells: Vec::new(),
            data_limit: None,
            file_limit: 0,
        }
    }

    /// Filters hold for the thread that loads them: this one ends in them.
    #[test]
    fn a_lock_can_neither_be_set_nor_seen() {
        let answers = thread::spawn(|| {
            let program = OneProgram::at_a_secret_place(Path::new("/program")).unwrap();
            let file = File::open("/proc/self/status").unwrap();
            let mut lock = libc::flock {
                l_type: i16::try_from(libc::F_RDLCK).unwrap(),
                l_whence: i16::try_from(libc::SEEK_SET).unwrap(),
                l_start: 7,
                l_len: 1,
                l_pid: 0,
            };
            let filters = compile(&job(), &program).unwrap();
            load(&filters).unwrap();
            let flags = fcntl(&file, FcntlArg::F_GETFD).map(drop);
            let set = fcntl(&file, FcntlArg::F_SETLK(&lock)).map(drop);
            let wait = fcntl(&file, FcntlArg::F_SETLKW(&lock)).map(drop);
            let get = fcntl(&file, FcntlArg::F_GETLK(&mut lock)).map(drop);
            let own = fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).map(drop);
            (flags, [set, wait, get, own])
        });
        let (flags, locks) = answers.join().unwrap();
        assert_eq!(flags, Ok(()));
        assert_eq!(locks, [Err(Errno::EPERM); 4]);
    }
}
