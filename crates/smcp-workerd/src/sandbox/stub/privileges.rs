//! Users, capabilities, resource limits and what else a process can give up about itself.

use nix::{
    errno::Errno,
    libc,
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Gid, Uid, setresgid, setresuid},
};

use super::{Named as _, Step, is_root};
use crate::sandbox::{Layer, job::Job};

/// Descriptors a process may have. workerd ends when it cannot accept a connection, so this is generous.
const DESCRIPTORS: u64 = 4096;
/// Threads and processes of one user; V8 has up to 16 threads, and an old, a new and a trial version may run at once.
const THREADS: u64 = 256;

/// Becomes a user and its group for good.
pub(super) fn become_user(id: u32) -> Step<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(group, group, group).step("setresgid")?;
    setresuid(user, user, user).step("setresuid")
}

/// Gives up what the layers say: the user where no user namespace has done so, and every capability.
pub(super) fn drop_all(job: &Job) -> Step<()> {
    let capabilities = job.layers.has(Layer::Capabilities);
    if capabilities {
        drop_bounding_set()?;
    }
    if job.layers.has(Layer::Uid) && !job.layers.has(Layer::UserNs) {
        become_user(job.uid)?;
    }
    if capabilities { drop_capabilities() } else { Ok(()) }
}

/// Takes away what a set-uid file or a file with capabilities could give.
fn drop_bounding_set() -> Step<()> {
    for capability in 0..64 {
        match control(libc::PR_CAPBSET_DROP, capability) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::EINVAL) => break,
            // Who has no capability may not touch the set; with no_new_privs no file gives one back.
            Err(Errno::EPERM) if !is_root() => break,
            Err(error) => return Err(error).step("capability bounding set"),
        }
    }
    let cleared = control(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned().into());
    cleared.step("ambient capabilities")
}

#[allow(unsafe_code, reason = "no library here wraps capset")]
fn drop_capabilities() -> Step<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    /// Effective, permitted, inheritable; twice, for 64 of them.
    type Sets = [[u32; 3]; 2];
    const VERSION_3: u32 = 0x2008_0522;
    let (header, sets): (Header, Sets) = (Header { version: VERSION_3, pid: 0 }, [[0; 3]; 2]);
    // SAFETY: both pointers are to locals with the layout that this version of the call reads; it writes nothing.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) };
    Errno::result(done).map(drop).step("capset")
}

pub(super) fn limit_resources(job: &Job) -> Step<()> {
    let none = [
        Resource::RLIMIT_CORE,
        Resource::RLIMIT_MEMLOCK,
        Resource::RLIMIT_MSGQUEUE,
        Resource::RLIMIT_NICE,
        Resource::RLIMIT_RTPRIO,
    ];
    let mut limits: Vec<_> = none.into_iter().map(|resource| (resource, 0)).collect();
    limits.extend([(Resource::RLIMIT_NOFILE, DESCRIPTORS), (Resource::RLIMIT_SIGPENDING, 64)]);
    // Without a folder of its own it can write no file; pipes and sockets are not counted.
    limits.push((Resource::RLIMIT_FSIZE, if job.has_state() { job.file_limit } else { 0 }));
    // It counts every process of the user, and without a user of its own that is ours too.
    if job.layers.has(Layer::Uid) {
        limits.push((Resource::RLIMIT_NPROC, THREADS));
    }
    limits.extend(job.data_limit.map(|bytes| (Resource::RLIMIT_DATA, bytes)));
    for (resource, value) in limits {
        let (_, most) = getrlimit(resource).step(format_args!("{resource:?}"))?;
        let value = value.min(most);
        setrlimit(resource, value, value).step(format_args!("{resource:?}"))?;
    }
    Ok(())
}

/// Asks the kernel to refuse memory that becomes executable. Kernels before 6.3 do not know it; the filter of system
/// calls says the same.
pub(super) fn refuse_executable_memory() {
    const PR_SET_MDWE: libc::c_int = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    let _ = control(PR_SET_MDWE, REFUSE_EXEC_GAIN);
}

#[allow(unsafe_code, reason = "no library here wraps these requests")]
fn control(request: libc::c_int, argument: libc::c_ulong) -> nix::Result<()> {
    const ZERO: libc::c_ulong = 0;
    // SAFETY: the requests in this file take numbers and touch no memory.
    Errno::result(unsafe { libc::prctl(request, argument, ZERO, ZERO, ZERO) }).map(drop)
}
