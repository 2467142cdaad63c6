//! When the first alarm of a server's objects is due. What tells is a file that hosted code may have damaged: it is read
//! in the sandbox, never in this process (DESIGN 7).

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, config::DbConfig};
use smcp_core::ports::Clock;
use smcp_manifest::SandboxClass;
use smcp_types::{Limits, ServerId, TenantId, UnixMillis};
use tokio::io::AsyncReadExt as _;

use super::DEFAULT_QUOTA;
use crate::sandbox::{Image, Layer, Sandbox, Start, Visible};

/// The word that makes the binary the reader of alarms.
pub const ALARMS_WORD: &str = "__alarms";
/// Where the reader finds the folder.
const PLACE: &str = "/state";
/// The same, where there is no root of its own.
const OPEN_PLACE: &str = "/proc/self/fd/3";
/// The runtime's file of alarms in the folder of each class.
const METADATA: &str = "metadata.sqlite";
/// Without locks: nobody else has the folder.
const VFS: &str = "unix-none";
/// Longest reading.
const LONGEST: Duration = Duration::from_secs(10);
/// More than a number and its end.
const MAX_SAID: u64 = 1 << 10;
const MEMORY_MB: u32 = 96;

/// Starts readers.
pub(super) struct Reader {
    sandbox: Arc<Sandbox>,
    image: Image,
    clock: Arc<dyn Clock>,
    largest_file: u64,
    next: AtomicU64,
}

impl Reader {
    /// Readers of folders that hold no more than `quota`, or did when it was the usual one.
    pub(super) fn new(sandbox: Arc<Sandbox>, clock: Arc<dyn Clock>, quota: u64) -> io::Result<Self> {
        let image = sandbox.own_image()?;
        Ok(Self { sandbox, image, clock, largest_file: quota.max(DEFAULT_QUOTA), next: AtomicU64::new(1) })
    }

    /// When the first alarm in a server's folder is due.
    pub(super) async fn first(
        &self,
        owner: (TenantId, ServerId),
        files: &Path,
        classes: Vec<String>,
    ) -> io::Result<Option<UnixMillis>> {
        let mut child = self.sandbox.start(self.spec(owner, files, classes)?).await?;
        let Some((out, errors)) = child.take_output() else {
            return Err(io::Error::other("a child without pipes"));
        };
        let (mut said, mut complaint) = (String::new(), String::new());
        let (mut out, mut errors) = (out.take(MAX_SAID), errors.take(MAX_SAID));
        let read = async {
            let (out, errors) =
                tokio::join!(out.read_to_string(&mut said), errors.read_to_string(&mut complaint));
            out.and(errors)?;
            child.wait().await
        };
        let ended = tokio::select! {
            ended = read => ended?,
            () = self.clock.sleep(LONGEST) => return Err(io::Error::other("reading alarms does not end")),
        };
        let unread = format!("{}: {}", ended.status, complaint.trim());
        match said.trim() {
            "" if ended.status.success() => Ok(None),
            "" => Err(io::Error::other(unread)),
            number => Ok(Some(UnixMillis(number.parse().map_err(io::Error::other)?))),
        }
    }

    fn spec(
        &self,
        (tenant, server): (TenantId, ServerId),
        files: &Path,
        classes: Vec<String>,
    ) -> io::Result<Start> {
        let layers = self.sandbox.layers().clone();
        let mut descriptors = Vec::new();
        let has_root = layers.has(Layer::MountNs);
        if !has_root {
            descriptors.push(File::open(files)?.into());
        }
        let place = if has_root { PLACE } else { OPEN_PLACE };
        let words = [ALARMS_WORD.to_owned(), place.to_owned()].into_iter().chain(classes);
        let arguments = words.map(OsString::from).collect();
        Ok(Start {
            image: self.image.clone(),
            arguments,
            layers,
            limits: Limits { memory_mb: MEMORY_MB, ..Limits::default() },
            // It compiles nothing.
            class: SandboxClass::Hardened,
            owner: server.to_string(),
            tenant: tenant.to_string(),
            label: format!("alarms-{}", self.next.fetch_add(1, Ordering::Relaxed)),
            files: vec![Visible::state(files, Path::new(PLACE))],
            largest_file: self.largest_file,
            stdin: File::open("/dev/null")?.into(),
            descriptors,
        })
    }
}

/// Prints the time of the first alarm, in Unix milliseconds, or nothing. What it returns is the process's exit code.
#[must_use]
pub fn alarms_main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let (mut first, mut code) = (None, ExitCode::SUCCESS);
    for file in arguments.map(|class| folder.join(class).join(METADATA)).filter(|file| file.is_file()) {
        match first_of(&file) {
            Ok(found) => first = [first, found].into_iter().flatten().min(),
            Err(error) => {
                // The platform listens, or has gone.
                let _ = writeln!(io::stderr(), "{}: {error}", file.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    let _ = first.map(|first| writeln!(io::stdout(), "{first}"));
    code
}

/// The runtime keeps nanoseconds.
fn first_of(file: &Path) -> rusqlite::Result<Option<i64>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags_and_vfs(file, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW, VFS)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    database.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0;",
    )?;
    let found: Option<Option<i64>> =
        database.query_row("SELECT min(scheduled_time) FROM _cf_ALARM", [], |row| row.get(0)).optional()?;
    Ok(found.flatten().map(|nanoseconds| nanoseconds.div_euclid(1_000_000)))
}
