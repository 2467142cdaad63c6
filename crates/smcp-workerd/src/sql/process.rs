//! The process of one database, from outside: started in the sandbox, asked, ended.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use nix::sys::signal::Signal;
use smcp_core::ports::Clock;
use smcp_manifest::SandboxClass;
use smcp_types::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixStream, unix::pipe},
    task::JoinHandle,
};

use super::{
    SqlLimits,
    frame::{self, Ask, HEAD, Hello, MAX_ANSWER, SQL_WORD, Tell},
    room::{Held, Room},
    slot::Place,
};
use crate::{
    Child, Ended,
    sandbox::{Image, Layer, Sandbox, Start, Visible},
};

/// How long it may take to end by itself, its log moved into its file.
const GRACE: Duration = Duration::from_secs(2);
/// How long it may take to open its file.
const START: Duration = Duration::from_secs(10);
/// Beyond its own deadline, which it may be kept from looking at.
const BEYOND: Duration = Duration::from_secs(2);
/// Where it finds its folder.
const FOLDER: &str = "/state";
/// The same, where there is no root of its own.
const OPEN_FOLDER: &str = "/proc/self/fd/4";
/// Bytes of what it says that are kept.
const MAX_SAID: u64 = 2 << 10;

/// What databases are started with.
pub(super) struct Starter {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) image: Image,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: SqlLimits,
}

/// A process that serves one database.
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    /// What it complained about, once it has ended.
    said: Option<JoinHandle<String>>,
    clock: Arc<dyn Clock>,
    request: Duration,
    _place: Held,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tell: Tell,
    pub(super) body: Bytes,
    /// The memory that the answer takes.
    pub(super) held: Held,
}

/// Why it is no longer there.
#[derive(Debug)]
pub(super) enum Lost {
    /// It took too long and was killed.
    Late,
    /// It had more memory than it may.
    Memory,
    /// Anything else, for the log.
    Ended(String),
}

impl Starter {
    /// Starts the process of a database whose folder is there and waits until it has opened it. The answer is empty, or
    /// says why the file cannot be opened.
    pub(super) async fn start(
        &self,
        (place, number): (&Place, u64),
        folder: Option<&Path>,
        (seat, memory): (Held, &Room),
    ) -> Result<(Process, Answer), Lost> {
        let failed = |error: io::Error| Lost::Ended(format!("it could not be started: {error}"));
        let (ours, theirs) = StdStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let socket = UnixStream::from_std(ours).map_err(failed)?;
        let start = self.spec((place, number), folder, theirs.into()).map_err(failed)?;
        let has_root = start.layers.has(Layer::MountNs);
        let mut child = self.sandbox.start(start).await.map_err(failed)?;
        let said = child.take_output().map(|(out, errors)| {
            listen(out);
            listen(errors)
        });
        let request = self.limits.request;
        let clock = Arc::clone(&self.clock);
        let mut process = Process { child, socket, said, clock, request, _place: seat };
        let hello = Hello {
            protocol: frame::PROTOCOL,
            folder: folder.map(|_| PathBuf::from(if has_root { FOLDER } else { OPEN_FOLDER })),
            quota: self.limits.quota,
            request_ms: u64::try_from(request.as_millis()).unwrap_or(u64::MAX),
        };
        let hello = serde_json::to_vec(&hello).map_err(|error| failed(error.into()))?;
        let answer = process.within(START, Ask::Rows, &hello, (place, memory)).await?;
        Ok((process, answer))
    }

    fn spec(
        &self,
        (place, number): (&Place, u64),
        folder: Option<&Path>,
        socket: OwnedFd,
    ) -> io::Result<Start> {
        let layers = self.sandbox.layers().clone();
        let mut descriptors = vec![socket];
        if let Some(folder) = folder.filter(|_| !layers.has(Layer::MountNs)) {
            // The folders above it may be closed to the user it becomes; an open descriptor is a way past them.
            let flags = nix::libc::O_PATH | nix::libc::O_DIRECTORY;
            let mut options = OpenOptions::new();
            std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), flags);
            descriptors.push(options.open(folder)?.into());
        }
        Ok(Start {
            image: self.image.clone(),
            arguments: vec![SQL_WORD.into()],
            layers,
            limits: Limits { memory_mb: self.limits.memory_mb, ..Limits::default() },
            // It compiles nothing.
            class: SandboxClass::Hardened,
            owner: place.owner(),
            tenant: place.tenant.to_string(),
            label: format!("sql-{number}"),
            files: folder.map(|folder| Visible::state(folder, Path::new(FOLDER))).into_iter().collect(),
            largest_file: largest_file(self.limits.quota, folder),
            stdin: File::open("/dev/null")?.into(),
            descriptors,
        })
    }
}

/// Its log of changes can be as long as what they change; and the quota may have been larger when the file was written.
fn largest_file(quota: u64, folder: Option<&Path>) -> u64 {
    let there = folder.and_then(|folder| folder.join(frame::FILE).symlink_metadata().ok());
    let most = quota.max(there.map_or(0, |found| found.len()));
    most.saturating_mul(2).saturating_add(64 << 20)
}

/// Reads what a process says to its end; the beginning of it.
fn listen(mut from: pipe::Receiver) -> JoinHandle<String> {
    #[allow(clippy::disallowed_methods, reason = "ends with the process whose pipe it reads")]
    tokio::spawn(async move {
        let mut text = Vec::new();
        let _ = (&mut from).take(MAX_SAID).read_to_end(&mut text).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&text).trim().to_owned()
    })
}

impl Process {
    /// Asks it something. When this fails it has ended.
    pub(super) async fn ask(
        &mut self,
        ask: Ask,
        body: &[u8],
        memory: (&Place, &Room),
    ) -> Result<Answer, Lost> {
        self.within(self.request + BEYOND, ask, body, memory).await
    }

    async fn within(
        &mut self,
        time: Duration,
        ask: Ask,
        body: &[u8],
        memory: (&Place, &Room),
    ) -> Result<Answer, Lost> {
        let clock = Arc::clone(&self.clock);
        let exchanged = tokio::select! {
            exchanged = exchange(&mut self.socket, ask, body, memory) => Some(exchanged),
            () = clock.sleep(time) => None,
        };
        match exchanged {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(self.lost(&error).await),
            None => {
                self.kill().await;
                Err(Lost::Late)
            }
        }
    }

    /// The next piece of a dump.
    pub(super) async fn next(&mut self, memory: (&Place, &Room)) -> Result<Answer, Lost> {
        let clock = Arc::clone(&self.clock);
        let read = tokio::select! {
            read = read_answer(&mut self.socket, memory) => Some(read),
            () = clock.sleep(self.request + BEYOND) => None,
        };
        match read {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(self.lost(&error).await),
            None => {
                self.kill().await;
                Err(Lost::Late)
            }
        }
    }

    /// Whether it has ended while nobody asked.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.wait().now_or_never().is_some()
    }

    /// Has it end in order, and sees to it that it has ended.
    pub(super) async fn stop(mut self) {
        let _ = self.socket.shutdown().await;
        let clock = Arc::clone(&self.clock);
        let ended = tokio::select! {
            _ = self.child.wait() => true,
            () = clock.sleep(GRACE) => false,
        };
        if !ended {
            self.kill().await;
        }
    }

    /// Ends it now.
    pub(super) async fn kill(&mut self) {
        self.child.signal(Signal::SIGKILL);
        // Nothing is left to do about one that cannot be waited for.
        let _ = self.child.wait().await;
    }

    /// Why its socket failed.
    async fn lost(&mut self, error: &io::Error) -> Lost {
        self.child.signal(Signal::SIGKILL);
        match self.child.wait().await {
            Ok(Ended { out_of_memory: true, .. }) => Lost::Memory,
            Ok(ended) => {
                let said = match self.said.take() {
                    Some(said) => said.await.unwrap_or_default(),
                    None => String::new(),
                };
                Lost::Ended(format!("{}: {error}: {said}", ended.status))
            }
            Err(unseen) => Lost::Ended(format!("{error}: {unseen}")),
        }
    }
}

async fn exchange(
    socket: &mut UnixStream,
    ask: Ask,
    body: &[u8],
    memory: (&Place, &Room),
) -> io::Result<Answer> {
    socket.write_all(&frame::head(ask.byte(), body.len())?).await?;
    socket.write_all(body).await?;
    read_answer(socket, memory).await
}

async fn read_answer(socket: &mut UnixStream, (place, memory): (&Place, &Room)) -> io::Result<Answer> {
    let mut head = [0; HEAD];
    socket.read_exact(&mut head).await?;
    // Room for the answer and the end of a row.
    let length = frame::length(head, MAX_ANSWER + (4 << 20))?;
    let kind = socket.read_u8().await?;
    let tell = Tell::of_byte(kind).ok_or_else(|| io::Error::other("it says something unknown"))?;
    let held = memory.wait(place.tenant, length).await;
    let mut body = vec![0; length - 1];
    socket.read_exact(&mut body).await?;
    Ok(Answer { tell, body: body.into(), held })
}
