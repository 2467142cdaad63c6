//! Starting a process in the sandbox: what it is given, the stub that sets everything up, and the hand-over.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt as _, OpenOptionsExt as _},
            net::UnixStream as StdStream,
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use async_trait::async_trait;
use command_fds::{CommandFdExt as _, FdMapping};
use nix::{libc, unistd::Pid};
use smcp_manifest::SandboxClass;
use smcp_types::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    runtime::Handle,
    sync::oneshot,
};

use super::{
    Image, Layer, Layers,
    cells::{Cells, Version},
    job::{self, FIRST_FD, JOB_FD, Job, Kind, Report, STUB_WORD},
    uids::{Uids, base_within},
};
use crate::{
    Child, LaunchSpec, Launcher,
    child::{Belongings, Life},
    launcher::{FIRST_FREE_FD, Places},
};

/// Private memory of a process that has done nothing yet, almost all of it reserved for code and never used.
const RESERVED_FOR_CODE: u64 = 544 << 20;
/// Where hosted code finds its socket and the folder of its health, in the sandbox.
const EGRESS: &str = "/out/egress.sock";
const DATA: &str = "/out/data.sock";
const HEALTH: &str = "/health";
/// Where its Durable Objects find their folder.
const STATE: &str = "/state";

/// How a node starts processes.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The binary that is the stub when its first argument is [`STUB_WORD`].
    pub stub: PathBuf,
    /// The layers to set up.
    pub layers: Layers,
    /// Whether a system call outside of what workerd was seen to use ends the process.
    pub strict: bool,
    /// A folder of this node alone. Its path also names the node's cgroups.
    pub run_dir: PathBuf,
    /// The first of the user ids for servers; `None` to choose.
    pub uid_base: Option<u32>,
}

/// A process to start.
#[derive(Debug)]
pub struct Start {
    /// The program with its libraries.
    pub image: Image,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// The layers to set up: those of the sandbox, or others.
    pub layers: Layers,
    /// What it may use.
    pub limits: Limits,
    /// Whether it may make memory executable.
    pub class: SandboxClass,
    /// Whose it is: no two owners have the same user id.
    pub owner: String,
    /// Whose that owner is: all processes of a tenant have one share of the processors.
    pub tenant: String,
    /// Its own name, unlike that of any other process of the node.
    pub label: String,
    /// Files and folders it sees besides program, libraries and two devices.
    pub files: Vec<Visible>,
    /// The size in bytes that no file it writes may pass; nothing else bounds what is in a folder of state.
    pub largest_file: u64,
    /// Its standard input.
    pub stdin: OwnedFd,
    /// Its descriptors from the third on.
    pub descriptors: Vec<OwnedFd>,
}

/// A file or folder of this machine that a process sees, and where it sees it.
#[derive(Clone, Debug)]
pub struct Visible(job::Visible);

impl Visible {
    /// A socket to connect to.
    #[must_use]
    pub fn socket(from: &Path, to: &Path) -> Self {
        Self(job::Visible { from: from.to_owned(), to: to.to_owned(), kind: Kind::Socket })
    }

    /// A folder to read.
    #[must_use]
    pub fn folder(from: &Path, to: &Path) -> Self {
        Self(job::Visible { from: from.to_owned(), to: to.to_owned(), kind: Kind::Folder })
    }

    /// A folder of its own to read and to write, of one process at a time. With everything in it, it is given to the user
    /// that the process becomes; the folders above it must be the platform's alone.
    #[must_use]
    pub fn state(from: &Path, to: &Path) -> Self {
        Self(job::Visible { from: from.to_owned(), to: to.to_owned(), kind: Kind::State })
    }
}

/// Starts processes in the sandbox. Dropping it ends every process it has started, as the end of the platform does.
#[derive(Debug)]
pub struct Sandbox {
    options: SandboxOptions,
    root: PathBuf,
    cells: Cells,
    uids: Uids,
    orders: mpsc::Sender<Order>,
    image: Mutex<Option<Image>>,
}

/// What the launching thread needs to start a stub.
struct Order {
    stub: PathBuf,
    stdin: OwnedFd,
    descriptors: Vec<OwnedFd>,
    handover: Handover,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// What happens after the stub has started.
struct Handover {
    /// Our end of the stub's socket, and the stub's.
    socket: (StdStream, StdStream),
    job: Vec<u8>,
    belongings: Belongings,
}

impl Sandbox {
    /// Makes the folders it needs, clears away what a killed node has left in its cgroups, and begins the thread that
    /// starts processes. The kernel ends a child when the *thread* that started it ends, so this must be one that lives
    /// as long as the platform, and none of the runtime's pool.
    ///
    /// # Errors
    /// When the folders cannot be made, or the system gives no thread.
    pub fn new(options: SandboxOptions) -> io::Result<Self> {
        let root = options.run_dir.join("root");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let mut hasher = DefaultHasher::new();
        root.canonicalize()?.hash(&mut hasher);
        let name = format!("smcp-{:016x}", hasher.finish());
        let cells = Cells::open(&name, &options.run_dir.join("cgroups"));
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let uids = Uids::new(options.uid_base.unwrap_or_else(|| base_within(&map)));
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name("launcher".to_owned()).spawn(move || inbox.into_iter().for_each(obey))?;
        Ok(Self { options, root, cells, uids, orders, image: Mutex::new(None) })
    }

    /// The layers it sets up by itself.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.options.layers
    }

    /// The platform's own binary as a program for the sandbox. Runs its loader and waits for it.
    ///
    /// # Errors
    /// When it is no program for this machine.
    pub fn own_image(&self) -> io::Result<Image> {
        Image::of_stub(&self.options.stub)
    }

    /// The version of the cgroups in use, if any.
    #[must_use]
    pub fn cgroup_version(&self) -> Option<u32> {
        self.cells.version().map(|version| match version {
            Version::One => 1,
            Version::Two => 2,
        })
    }

    /// Starts a process. It is held by the platform before it does anything, and has executed its program, or failed to,
    /// when this returns: a sandbox that cannot be set up is a child that ends with code 111 and says why.
    ///
    /// # Errors
    /// When the system starts nothing, or a cgroup cannot be made.
    pub async fn start(&self, start: Start) -> io::Result<Child> {
        let layers = start.layers.clone();
        let belongings = Belongings {
            cell: self.cells.cell((&start.tenant, &start.label), &start.limits, &layers)?,
            uid: self.lease(&start, &layers)?,
        };
        let job = serde_json::to_vec(&self.job(&start, &belongings)?)?;
        let handover = Handover { socket: StdStream::pair()?, job, belongings };
        let (answer, started) = oneshot::channel();
        let order = Order {
            stub: self.options.stub.clone(),
            stdin: start.stdin,
            descriptors: start.descriptors,
            handover,
            runtime: Handle::current(),
            answer,
        };
        let gone = || io::Error::other("the launcher thread has ended");
        self.orders.send(order).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }

    fn lease(&self, start: &Start, layers: &Layers) -> io::Result<Option<super::Lease>> {
        if !layers.has(Layer::Uid) {
            return Ok(None);
        }
        let none = || io::Error::other("every user id for servers is taken");
        self.uids.lease(&start.owner).map(Some).ok_or_else(none)
    }

    fn job(&self, start: &Start, own: &Belongings) -> io::Result<Job> {
        let code = |path: &PathBuf| job::Visible { from: path.clone(), to: path.clone(), kind: Kind::Code };
        let device = |path: &str| job::Visible { from: path.into(), to: path.into(), kind: Kind::Device };
        let mut files: Vec<_> = start.image.libraries.iter().map(code).collect();
        let (from, to) = (start.image.source.clone(), start.image.program.clone());
        files.push(job::Visible { from, to, kind: Kind::Code });
        files.extend(["/dev/null", "/dev/urandom"].map(device));
        files.extend(start.files.iter().map(|Visible(visible)| visible.clone()));
        let jit = start.class == SandboxClass::Standard;
        let budget = (u64::from(start.limits.memory_mb) << 20) + if jit { RESERVED_FOR_CODE } else { 0 };
        Ok(Job {
            layers: start.layers.clone(),
            strict: self.options.strict,
            jit,
            program: start.image.program.clone(),
            arguments: start.arguments.clone(),
            files,
            root: self.root.clone(),
            uid: own.uid.as_ref().map_or(0, super::Lease::uid),
            descriptors: i32::try_from(start.descriptors.len()).map_err(io::Error::other)?,
            cells: own.cell.as_ref().map_or_else(Vec::new, super::Cell::entries),
            data_limit: (!start.layers.has(Layer::MemoryCgroup)).then_some(budget),
            file_limit: start.largest_file,
        })
    }

    /// The program with its libraries; looked into once.
    fn image(&self, program: &Path) -> io::Result<Image> {
        let mut known = self.image.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(image) if image.program == program => Ok(image.clone()),
            Some(_) | None => Ok(known.insert(Image::of(program)?).clone()),
        }
    }
}

#[async_trait]
impl Launcher for Sandbox {
    async fn launch(&self, spec: LaunchSpec) -> io::Result<Child> {
        let (egress, health) = (Path::new(EGRESS), Path::new(HEALTH));
        let mut files =
            vec![Visible::socket(&spec.egress, egress), Visible::folder(&spec.health_dir, health)];
        files.extend(spec.data.iter().map(|data| Visible::socket(data, Path::new(DATA))));
        files.extend(spec.state.iter().map(|(state, _)| Visible::state(state, Path::new(STATE))));
        let mut more = Vec::new();
        let places = if self.options.layers.has(Layer::MountNs) {
            Places {
                egress: EGRESS.into(),
                data: spec.data.as_ref().map(|_| DATA.into()),
                health: HEALTH.into(),
                state: spec.state.as_ref().map(|_| STATE.into()),
            }
        } else {
            // The folders above them may be closed to the user it becomes; an open descriptor is a way past them.
            more.extend([place(&spec.egress)?, place(&spec.health_dir)?]);
            let data = spec.data.as_ref().map(|data| place(data)).transpose()?;
            let state = spec.state.as_ref().map(|(state, _)| place(state)).transpose()?;
            let open = |number: i32| PathBuf::from(format!("/proc/self/fd/{number}"));
            let places = Places {
                egress: open(FIRST_FREE_FD),
                data: data.as_ref().map(|_| open(FIRST_FREE_FD + 2)),
                health: open(FIRST_FREE_FD + 1),
                state: state.as_ref().map(|_| open(FIRST_FREE_FD + 2 + i32::from(data.is_some()))),
            };
            more.extend(data.into_iter().chain(state));
            places
        };
        let arguments = spec.arguments(&places);
        let start = Start {
            image: self.image(&spec.binary)?,
            arguments,
            layers: self.options.layers.clone(),
            limits: spec.limits,
            class: spec.class,
            owner: spec.server.to_string(),
            tenant: spec.tenant.to_string(),
            label: spec.label,
            files,
            largest_file: spec.state.as_ref().map_or(0, |(_, quota)| *quota),
            stdin: spec.config,
            descriptors: [spec.listen, spec.health, spec.control].into_iter().chain(more).collect(),
        };
        self.start(start).await
    }
}

/// Opens a file as a place, without reading it.
fn place(path: &Path) -> io::Result<OwnedFd> {
    Ok(OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?.into())
}

/// On the launching thread: starts the stub and leaves the rest to the runtime of whoever asked.
fn obey(order: Order) {
    let Order { stub, stdin, descriptors, handover, runtime, answer } = order;
    let Handover { socket: (ours, theirs), job, belongings } = handover;
    let spawned = spawn(&stub, stdin, descriptors, theirs);
    runtime.spawn(async move {
        let child = match spawned {
            Ok((pid, output)) => hand_over(pid, output, (ours, job), belongings).await,
            Err(error) => Err(error),
        };
        // Nobody waits any more: dropping the child kills it.
        let _ = answer.send(child);
    });
}

/// The reading ends of standard output and error.
type Output = (OwnedFd, OwnedFd);

fn spawn(
    stub: &Path,
    stdin: OwnedFd,
    descriptors: Vec<OwnedFd>,
    job: StdStream,
) -> io::Result<(Pid, Output)> {
    #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
    let mut command = Command::new(stub);
    command
        .arg(STUB_WORD)
        .env_clear()
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in the platform's terminal is for the platform, which then stops its processes in order.
        .process_group(0);
    let numbered = (FIRST_FD..).zip(descriptors).chain([(JOB_FD, job.into())]);
    let mappings = numbered.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    #[allow(clippy::zombie_processes, reason = "whoever takes the number over waits for it")]
    let mut started = command.spawn()?;
    let pid = i32::try_from(started.id()).map(Pid::from_raw).map_err(io::Error::other)?;
    match (started.stdout.take(), started.stderr.take()) {
        (Some(stdout), Some(stderr)) => Ok((pid, (stdout.into(), stderr.into()))),
        _ => Err(io::Error::other("a child without pipes")),
    }
}

/// Gives the stub its job and takes the child that comes of it: the stub's sibling, or the stub itself where it needed no
/// namespace or failed.
async fn hand_over(
    stub: Pid,
    output: Output,
    (socket, job): (StdStream, Vec<u8>),
    belongings: Belongings,
) -> io::Result<Child> {
    let stub = Life::adopt(stub)?;
    socket.set_nonblocking(true)?;
    let mut socket = UnixStream::from_std(socket)?;
    let length = u32::try_from(job.len()).map_err(io::Error::other)?.to_ne_bytes();
    // A stub that has ended meanwhile is seen below.
    let _ = socket.write_all(&[&length[..], &job].concat()).await;
    let mut report: Report = [0; 4];
    if socket.read_exact(&mut report).await.is_err() {
        return Child::of(stub, output, belongings);
    }
    let number = i32::from_ne_bytes(report);
    let life = Life::adopt(Pid::from_raw(number.abs()))?;
    if number < 0 {
        life.wait().await?;
        return Child::of(stub, output, belongings);
    }
    let child = Child::of(life, output, belongings)?;
    // From here on it is held; it may go on. Its end of the socket closes when it executes its program, or ends.
    let _ = socket.write_all(&[1]).await;
    let _ = socket.read_to_end(&mut Vec::new()).await;
    stub.wait().await?;
    Ok(child)
}
