//! Starting a process for hosted code: the seam where the sandbox goes, and the plain launcher without one.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use async_trait::async_trait;
use command_fds::{CommandFdExt as _, FdMapping};
use nix::{
    sys::signal::Signal,
    unistd::{Pid, getppid},
};
use smcp_manifest::SandboxClass;
use smcp_types::{Limits, ServerId};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    Child,
    config::{HEALTH_SOCKET, MAIN_SOCKET},
};

/// Where a process finds what it is given.
const LISTEN_FD: i32 = 3;
const HEALTH_FD: i32 = 4;
const CONTROL_FD: i32 = 5;

/// Everything a process is given, and nothing else.
#[derive(Debug)]
pub struct LaunchSpec {
    /// The workerd binary.
    pub binary: PathBuf,
    /// The listening socket for calls.
    pub listen: OwnedFd,
    /// The listening socket for the watchdog.
    pub health: OwnedFd,
    /// Where it reports that it listens.
    pub control: OwnedFd,
    /// The compiled configuration, its standard input.
    pub config: File,
    /// The socket of its outgoing requests, as the process sees it.
    pub egress: PathBuf,
    /// The folder the health socket serves, as the process sees it.
    pub health_dir: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// How tightly it is locked in.
    pub class: SandboxClass,
    /// Whose code it runs: processes of one server may share what no two servers do, such as a user id.
    pub server: ServerId,
    /// Its own name, unlike that of any other process of this node.
    pub label: String,
}

impl LaunchSpec {
    /// The arguments of `workerd`.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = ["serve", "-S"].map(OsString::from).into();
        arguments.push(format!("{MAIN_SOCKET}={LISTEN_FD}").into());
        arguments.extend(["-S".into(), format!("{HEALTH_SOCKET}={HEALTH_FD}").into()]);
        arguments.extend(["--control-fd".into(), CONTROL_FD.to_string().into()]);
        arguments.extend(["-d".into(), named("health=", &self.health_dir)]);
        for service in ["egress=unix:", "internet=unix:"] {
            arguments.extend(["-e".into(), named(service, &self.egress)]);
        }
        arguments.extend(["-b".into(), "-".into()]);
        arguments
    }
}

fn named(name: &str, path: &std::path::Path) -> OsString {
    let mut argument = OsString::from(name);
    argument.push(path);
    argument
}

/// Starts processes. Standard output and error of the child are pipes; it dies when the platform does.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts one process.
    ///
    /// # Errors
    /// When the system does not start it.
    async fn launch(&self, spec: LaunchSpec) -> io::Result<Child>;
}

/// A process to start, and who waits for it.
type Order = (LaunchSpec, Handle, oneshot::Sender<io::Result<Child>>);

/// Starts plain processes: no sandbox. Dropping it ends every process it has started, as the end of the platform does.
pub struct PlainLauncher {
    orders: mpsc::Sender<Order>,
}

impl PlainLauncher {
    /// Begins the thread that starts processes. The kernel ends a child when the *thread* that started it ends, so this
    /// must be one that lives as long as the platform, and none of the runtime's pool.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new() -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name("launcher".to_owned()).spawn(move || {
            for (spec, runtime, answer) in inbox {
                // The child is watched by the runtime of whoever ordered it.
                let _entered = runtime.enter();
                // Nobody waits any more: dropping the child kills it.
                let _ = answer.send(start(spec));
            }
        })?;
        Ok(Self { orders })
    }
}

#[async_trait]
impl Launcher for PlainLauncher {
    async fn launch(&self, spec: LaunchSpec) -> io::Result<Child> {
        let (answer, started) = oneshot::channel();
        let gone = || io::Error::other("the launcher thread has ended");
        self.orders.send((spec, Handle::current(), answer)).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }
}

fn start(spec: LaunchSpec) -> io::Result<Child> {
    #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
    let mut command = Command::new(&spec.binary);
    command
        .args(spec.arguments())
        .env_clear()
        .env("TZ", "UTC")
        .stdin(Stdio::from(spec.config))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the platform's terminal is for the platform, which then stops its processes in order.
        .process_group(0);
    die_with_parent(&mut command);
    let mappings = [(spec.listen, LISTEN_FD), (spec.health, HEALTH_FD), (spec.control, CONTROL_FD)]
        .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd });
    debug_assert!(mappings.iter().all(|mapping| mapping.parent_fd.as_raw_fd() > 2));
    command.fd_mappings(mappings.into()).map_err(io::Error::other)?;
    let mut started = command.spawn()?;
    let pid = i32::try_from(started.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    let (Some(stdout), Some(stderr)) = (started.stdout.take(), started.stderr.take()) else {
        return Err(io::Error::other("a child without pipes"));
    };
    Child::adopt(pid, stdout.into(), stderr.into())
}

/// Has the kernel kill the child when the thread that started it ends, even by `kill -9`.
#[allow(unsafe_code, reason = "the standard library has no other way to act between fork and exec")]
fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let hook = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above; the child would then never be told.
        if getppid() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(nix::libc::ESRCH)) }
    };
    // SAFETY: between fork and exec of a threaded process only async-signal-safe functions may run. The hook makes two
    // system calls, `prctl` and `getppid`, and allocates nothing: errors are made from their numbers.
    unsafe {
        command.pre_exec(hook);
    }
}
