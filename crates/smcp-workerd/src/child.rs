//! A process we started: told by signal, measured while it runs, awaited through its pidfd, killed and reaped when dropped.

use std::{
    fs, io,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use crate::sandbox::{Cell, Lease};
use nix::{
    errno::Errno,
    libc,
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid},
    unistd::{Pid, SysconfVar, sysconf},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
    runtime::Handle,
};

/// A direct child of this process. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Child {
    life: Option<Life>,
    meter: Meter,
    output: Option<(pipe::Receiver, pipe::Receiver)>,
}

/// How a process ended, and what it used.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Whether the kernel killed it for the memory limit of its cgroup.
    pub out_of_memory: bool,
    /// The processor time it used.
    pub cpu: Duration,
    /// The most memory it ever had, in bytes.
    pub peak_memory: u64,
}

/// Measures a process; knows when there is nothing left to measure.
#[derive(Clone, Debug)]
pub struct Meter {
    process: Arc<Process>,
}

#[derive(Debug)]
struct Process {
    pid: Pid,
    /// Its CPU clock, once it was asked for: finding it costs as much as reading it.
    clock: OnceLock<ClockId>,
    /// Held while the number is used: once the process was reaped it may be somebody else's.
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Alive(Belongings),
    Ended(Ended),
}

/// What is a process's own until it is reaped.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    pub(crate) cell: Option<Cell>,
    pub(crate) uid: Option<Lease>,
}

/// What ends a process for good. Dropping it waits, so a child is never left a zombie.
#[derive(Debug)]
pub(crate) struct Life {
    process: Arc<Process>,
    pidfd: AsyncFd<OwnedFd>,
}

impl Child {
    /// A child from its life, its output and what is its own.
    ///
    /// # Errors
    /// When the system has no descriptors left. The child is killed and reaped then.
    pub(crate) fn of(
        life: Life,
        (stdout, stderr): (OwnedFd, OwnedFd),
        belongings: Belongings,
    ) -> io::Result<Self> {
        let process = Arc::clone(&life.process);
        if let State::Alive(own) = &mut *process.lock() {
            *own = belongings;
        }
        let mut child = Self { life: Some(life), meter: Meter { process }, output: None };
        child.output = Some((pipe::Receiver::from_owned_fd(stdout)?, pipe::Receiver::from_owned_fd(stderr)?));
        Ok(child)
    }

    /// Its number, as this process sees it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.meter.process.pid
    }

    /// Sends it a signal; harmless after its end.
    pub fn signal(&self, signal: Signal) {
        self.meter.process.signal(signal);
    }

    /// The reading ends of its standard output and error, the first time.
    pub fn take_output(&mut self) -> Option<(pipe::Receiver, pipe::Receiver)> {
        self.output.take()
    }

    /// Waits for its end. May be dropped and asked again, also after the end.
    ///
    /// # Errors
    /// When somebody else has reaped it.
    pub async fn wait(&mut self) -> io::Result<Ended> {
        match &self.life {
            Some(life) => life.wait().await,
            None => Err(io::Error::from(Errno::ECHILD)),
        }
    }

    /// What measures it, also from elsewhere.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.process.signal(Signal::SIGKILL);
        // Dying takes a moment that no thread of the runtime should spend. Where there is no runtime, or it ends before
        // the task does, dropping `life` waits.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { life.wait().await.map(drop) });
        }
    }
}

impl Life {
    /// Takes over a child that has not been reaped.
    ///
    /// # Errors
    /// When the system has no descriptors left. The child is killed and reaped then.
    pub(crate) fn adopt(pid: Pid) -> io::Result<Self> {
        let process = Arc::new(Process {
            pid,
            clock: OnceLock::new(),
            state: Mutex::new(State::Alive(Belongings::default())),
        });
        let pidfd = pidfd_open(pid).and_then(watched).inspect_err(|_| process.end())?;
        Ok(Self { process, pidfd })
    }

    pub(crate) async fn wait(&self) -> io::Result<Ended> {
        loop {
            if let Some(ended) = self.process.reap(libc::WNOHANG)? {
                return Ok(ended);
            }
            self.pidfd.readable().await?.clear_ready();
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.process.end();
    }
}

impl Process {
    fn lock(&self) -> MutexGuard<'_, State> {
        // It only ever goes from alive to ended.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        if let State::Alive(_) = *self.lock() {
            // It may be a zombie, which minds nothing.
            let _ = kill(self.pid, signal);
        }
    }

    /// Kills it and waits on this thread.
    fn end(&self) {
        self.signal(Signal::SIGKILL);
        // Nothing is left to do about one that cannot be reaped.
        let _ = self.reap(0);
    }

    fn reap(&self, options: libc::c_int) -> io::Result<Option<Ended>> {
        let mut state = self.lock();
        let own = match &*state {
            State::Ended(ended) => return Ok(Some(*ended)),
            State::Alive(own) => own,
        };
        let Some((status, used)) = wait4(self.pid, options)? else { return Ok(None) };
        let most = u64::try_from(used.ru_maxrss).unwrap_or(0) << 10;
        let ended = Ended {
            status,
            out_of_memory: own.cell.as_ref().is_some_and(Cell::out_of_memory),
            cpu: duration(used.ru_utime) + duration(used.ru_stime),
            peak_memory: own.cell.as_ref().and_then(Cell::peak).unwrap_or(most),
        };
        *state = State::Ended(ended);
        Ok(Some(ended))
    }

    /// Uses the number while it is surely the process's own.
    fn alive<T>(&self, measure: impl FnOnce(Pid, &Belongings) -> io::Result<T>) -> io::Result<T> {
        match &*self.lock() {
            State::Alive(own) => measure(self.pid, own),
            State::Ended(_) => Err(io::Error::from(Errno::ESRCH)),
        }
    }
}

impl Meter {
    /// The processor time used so far by all its threads.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> io::Result<Duration> {
        let known = &self.process.clock;
        let time = self.process.alive(|pid, _| {
            let clock = match known.get() {
                Some(clock) => *clock,
                None => {
                    let found = clock_getcpuclockid(pid)?;
                    *known.get_or_init(|| found)
                }
            };
            Ok(clock.now()?)
        })?;
        Ok(Duration::from(time))
    }

    /// The memory it has now, in bytes, without the pages it shares with others, such as those of the binary.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory(&self) -> io::Result<u64> {
        self.process.alive(|pid, _| {
            let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
            let mut pages = statm.split_ascii_whitespace().skip(1).map(|number| number.parse::<u64>().ok());
            let (Some(Some(resident)), Some(Some(shared))) = (pages.next(), pages.next()) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let page = sysconf(SysconfVar::PAGE_SIZE)?.and_then(|size| u64::try_from(size).ok());
            Ok(resident.saturating_sub(shared) * page.unwrap_or(4096))
        })
    }

    /// The most memory it has had so far, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak(&self) -> io::Result<u64> {
        self.process.alive(|pid, own| {
            if let Some(peak) = own.cell.as_ref().and_then(Cell::peak) {
                return Ok(peak);
            }
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            kibibytes.map(|number| number << 10).ok_or_else(|| io::ErrorKind::InvalidData.into())
        })
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

#[allow(unsafe_code, reason = "no crate here wraps this system call")]
fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers and touches no memory.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[allow(unsafe_code, reason = "tokio asks for a promise about whatever is registered")]
fn watched(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` keeps its one descriptor open until it is dropped, and always names the same.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

/// The status and the usage of a child that has ended; `None` when it has not.
#[allow(unsafe_code, reason = "no crate here gives the usage of one child")]
fn wait4(pid: Pid, options: libc::c_int) -> io::Result<Option<(ExitStatus, libc::rusage)>> {
    loop {
        let mut status = 0;
        // SAFETY: `rusage` is plain numbers, for which zero is a value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to locals that live through the call.
        let waited = unsafe { libc::wait4(pid.as_raw(), &raw mut status, options, &raw mut usage) };
        match Errno::result(waited) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some((ExitStatus::from_raw(status), usage))),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[allow(clippy::disallowed_methods, clippy::zombie_processes, reason = "a child to hold")]
    fn shell(script: &str) -> Child {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        Child::of(Life::adopt(pid).unwrap(), (stdout.into(), stderr.into()), Belongings::default()).unwrap()
    }

    #[tokio::test]
    async fn its_end_tells_status_and_usage_as_often_as_asked() {
        let mut child = shell("exit 7");
        for _ in 0..2 {
            let ended = child.wait().await.unwrap();
            assert_eq!(ended.status.code(), Some(7));
            assert!(ended.peak_memory > 100_000, "{ended:?}");
        }
        assert!(child.meter().cpu().is_err() && child.meter().memory().is_err());
        child.signal(Signal::SIGKILL);
    }

    #[tokio::test]
    async fn a_wait_may_be_given_up() {
        let mut child = shell("while :; do :; done");
        tokio::select! {
            biased;
            _ = child.wait() => panic!("it waits for input"),
            () = std::future::ready(()) => {}
        }
        let meter = child.meter();
        assert!(meter.memory().unwrap() > 0 && meter.peak().unwrap() >= meter.memory().unwrap());
        meter.cpu().unwrap();
        child.signal(Signal::SIGTERM);
        let ended = child.wait().await;
        assert!(ended.is_ok());
    }

    #[test]
    fn a_dropped_child_is_gone() {
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let child = runtime.block_on(async { shell("while :; do :; done") });
            let pid = child.pid();
            let entered = runtime.enter();
            drop(child);
            drop(entered);
            // The runtime ends before the task that waits does: dropping the task waits.
            drop(runtime);
            assert_eq!(kill(pid, None), Err(Errno::ESRCH));
        }
    }
}
