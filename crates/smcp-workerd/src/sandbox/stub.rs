//! The stub: the same binary, started once more for one process. It sets every layer up and becomes the hosted program,
//! or starts it as its own sibling and ends, so that no stub stays in memory.
//!
//! It runs on one thread, so it may allocate after `clone`. What it says on standard error is for the publisher's log.

mod filter;
mod mounts;
mod once;
mod privileges;
mod rights;
mod state;
mod syscalls;

use std::{
    convert::Infallible,
    ffi::{CString, OsStr},
    fs,
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, net::UnixStream},
    },
    process::ExitCode,
};

use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::CloneFlags,
    sys::{
        prctl,
        signal::{SigHandler, Signal, kill, signal},
    },
    unistd::{Gid, Pid, Uid, getegid, geteuid, setgroups},
};

use super::{
    Layer,
    job::{FAILED, FIRST_FD, INSIDE_ID, JOB_FD, Job, Report},
};
use mounts::Source;
use once::OneProgram;

/// Why the sandbox could not be set up: the step and what the system says.
type Step<T> = Result<T, String>;

/// Names the step that failed.
trait Named<T> {
    fn step(self, what: impl std::fmt::Display) -> Step<T>;
}

impl<T, E: std::fmt::Display> Named<T> for Result<T, E> {
    fn step(self, what: impl std::fmt::Display) -> Step<T> {
        self.map_err(|error| format!("{what}: {error}"))
    }
}

/// Runs the job that waits on the inherited descriptor. To be called before anything else in the process, on its only
/// thread; what it returns is the process's exit code.
#[must_use]
pub fn stub_main() -> ExitCode {
    match run() {
        Ok(Ended::AsStub) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::from(FAILED)
        }
    }
}

enum Ended {
    /// Another process goes on.
    AsStub,
}

fn run() -> Step<Ended> {
    let (mut platform, job) = read_job()?;
    for cell in &job.cells {
        fs::write(cell, "0").step(format_args!("joining {}", cell.display()))?;
    }
    if geteuid().is_root() && job.layers.has(Layer::Uid) {
        setgroups(&[]).step("setgroups")?;
    }
    state::hand_over(&job)?;
    let namespaces = namespaces(&job);
    if namespaces.is_empty() {
        return Err(become_program(&job, platform).map_or_else(|why| why, |never| match never {}));
    }
    let Some(child) = clone_sibling(namespaces).step("clone")? else {
        wait_for_go(&mut platform)?;
        return Err(become_program(&job, platform).map_or_else(|why| why, |never| match never {}));
    };
    let mapped = map_ids(&job, child);
    if mapped.is_err() {
        // It waits to be let go on and has not done anything yet. The platform reaps it.
        let _ = kill(child, Signal::SIGKILL);
    }
    let report: Report = if mapped.is_ok() { child.as_raw() } else { -child.as_raw() }.to_ne_bytes();
    platform.write_all(&report).step("reporting")?;
    mapped.map(|()| Ended::AsStub)
}

fn read_job() -> Step<(UnixStream, Job)> {
    let mut platform = UnixStream::from(inherited(JOB_FD)?);
    let mut length = [0; 4];
    platform.read_exact(&mut length).step("reading the job")?;
    let mut text = vec![0; u32::from_ne_bytes(length) as usize];
    platform.read_exact(&mut text).step("reading the job")?;
    Ok((platform, serde_json::from_slice(&text).step("reading the job")?))
}

#[allow(unsafe_code, reason = "a descriptor that the platform left open for us")]
fn inherited(number: i32) -> Step<OwnedFd> {
    // Whoever runs the stub by hand has no such descriptor.
    nix::fcntl::fcntl(borrowed(number), nix::fcntl::FcntlArg::F_GETFD)
        .step("this is for smcp alone, which starts hosted code with it")?;
    // SAFETY: it is open, as was just seen, and this is called once, before anything else could have taken it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[allow(unsafe_code, reason = "to ask whether a descriptor is open")]
fn borrowed(number: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: it is used for one `fcntl` that only asks; a descriptor that is not open makes that fail.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }
}

fn namespaces(job: &Job) -> CloneFlags {
    let all = [
        (Layer::UserNs, CloneFlags::CLONE_NEWUSER),
        (Layer::MountNs, CloneFlags::CLONE_NEWNS),
        (Layer::PidNs, CloneFlags::CLONE_NEWPID),
        (Layer::NetworkNs, CloneFlags::CLONE_NEWNET),
        (Layer::IpcNs, CloneFlags::CLONE_NEWIPC),
        (Layer::UtsNs, CloneFlags::CLONE_NEWUTS),
        (Layer::CgroupNs, CloneFlags::CLONE_NEWCGROUP),
    ];
    all.into_iter().filter(|(layer, _)| job.layers.has(*layer)).map(|(_, flag)| flag).collect()
}

/// Makes a child of the platform that goes on from here in new namespaces. `None` in that child.
#[allow(unsafe_code, reason = "no library gives a clone that returns like fork")]
fn clone_sibling(namespaces: CloneFlags) -> nix::Result<Option<Pid>> {
    let flags = libc::c_long::from(namespaces.bits() | libc::CLONE_PARENT | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child has a copy of all memory and goes on with a copy of this stack. This process has
    // one thread, so no lock is left held by another.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    let pid = i32::try_from(pid).map_err(|_| Errno::EOVERFLOW)?;
    Ok((pid != 0).then(|| Pid::from_raw(pid)))
}

/// The user and group that the process has for everybody else.
fn ids(job: &Job) -> (Uid, Gid) {
    if job.layers.has(Layer::Uid) {
        (Uid::from_raw(job.uid), Gid::from_raw(job.uid))
    } else {
        (geteuid(), getegid())
    }
}

/// Gives the child its one user and group.
fn map_ids(job: &Job, child: Pid) -> Step<()> {
    if !job.layers.has(Layer::UserNs) {
        return Ok(());
    }
    let (outside, group) = ids(job);
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{INSIDE_ID} {outside} 1")),
        ("gid_map", format!("{INSIDE_ID} {group} 1")),
    ] {
        fs::write(format!("/proc/{child}/{file}"), text).step(file)?;
    }
    Ok(())
}

/// The platform holds the child before it goes on, so nothing runs that nobody watches.
fn wait_for_go(platform: &mut UnixStream) -> Step<()> {
    platform.read_exact(&mut [0]).step("the platform is gone")
}

/// Sets up what is left and executes the program.
fn become_program(job: &Job, platform: UnixStream) -> Step<Infallible> {
    let sources = mounts::open(&job.files)?;
    let program = sources.iter().find(|source| source.to == job.program).ok_or("no program")?;
    let has_mounts = job.layers.has(Layer::MountNs);
    let path = match has_mounts {
        true => job.program.clone(),
        // Its folders may be closed to the user it is by then.
        false => format!("/proc/self/fd/{}", program.file.as_raw_fd()).into(),
    };
    let path = OneProgram::at_a_secret_place(&path)?;
    let filters = if job.layers.has(Layer::Seccomp) { filter::compile(job, &path)? } else { Vec::new() };
    let has_user_ns = job.layers.has(Layer::UserNs);
    if has_mounts {
        mounts::prepare(&job.root, if has_user_ns { INSIDE_ID } else { 0 })?;
    }
    if has_user_ns {
        // Capabilities stay until `execve`, because user 0 is not mapped.
        privileges::become_user(INSIDE_ID)?;
    }
    if has_mounts {
        mounts::build(&sources, &job.program)?;
    }
    if job.layers.has(Layer::UtsNs) {
        nix::unistd::sethostname("sandbox").step("sethostname")?;
    }
    if job.layers.has(Layer::Rlimits) {
        privileges::limit_resources(job)?;
    }
    privileges::drop_all(job)?;
    keep_descriptors(job)?;
    die_with_platform(&platform)?;
    if [Layer::Capabilities, Layer::Landlock, Layer::Seccomp].iter().any(|layer| job.layers.has(*layer)) {
        prctl::set_no_new_privs().step("no_new_privs")?;
    }
    if !job.jit {
        privileges::refuse_executable_memory();
    }
    if job.layers.has(Layer::Landlock) {
        rights::restrict(&sources)?;
    }
    let mut arguments = vec![c_string(job.program.file_name().unwrap_or_default())?];
    for argument in &job.arguments {
        arguments.push(c_string(argument)?);
    }
    filter::load(&filters)?;
    path.execute(&arguments)
}

fn c_string(text: &OsStr) -> Step<CString> {
    CString::new(text.as_bytes()).step("an argument")
}

/// Leaves standard input, output, error and the listed descriptors open to the program, and undoes what Rust's start
/// does to signals.
#[allow(unsafe_code, reason = "no library wraps close_range")]
fn keep_descriptors(job: &Job) -> Step<()> {
    let first = libc::c_uint::try_from(FIRST_FD + job.descriptors).step("descriptors")?;
    // SAFETY: the call only marks descriptors to be closed by `execve`; none is closed under its owner.
    let marked =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(marked).step("close_range")?;
    // SAFETY: the default action runs no code of ours.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.step("signal")?;
    Ok(())
}

/// Has the kernel end this process with the thread of the platform that started it. Every change of users before this
/// has taken the wish back.
fn die_with_platform(platform: &UnixStream) -> Step<()> {
    prctl::set_dumpable(false).step("dumpable")?;
    prctl::set_pdeathsig(Signal::SIGKILL).step("pdeathsig")?;
    // The platform may have ended before that line, and would then never tell us.
    let mut watched = [PollFd::new(platform.as_fd(), PollFlags::empty())];
    poll(&mut watched, PollTimeout::ZERO).step("poll")?;
    match watched[0].revents() {
        Some(events) if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) => {
            Err("the platform is gone".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether this process may become other users.
fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Something opened before the root changes, and where it is to appear.
fn inside(source: &Source) -> &std::path::Path {
    source.to.strip_prefix("/").unwrap_or(&source.to)
}
