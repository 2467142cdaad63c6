//! What Durable Objects keep: a folder for each server, which one process at a time has.

mod alarms;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use smcp_core::{
    fleet::Cause,
    ports::{Clock, Entropy, VersionRef},
};
use smcp_types::{ServerId, TenantId, UnixMillis};
use tokio::sync::OwnedMutexGuard;

use crate::sandbox::Sandbox;

pub use alarms::{ALARMS_WORD, alarms_main};

/// Most bytes that the objects of one server may keep; also of one of its files.
pub(crate) const QUOTA: u64 = 1 << 30;
/// How often it is looked at how much they keep.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// In a tenant's folder: everything that its servers' objects keep.
const FOLDER: &str = "do";
/// In a server's: what its process can write.
const FILES: &str = "files";
/// In a server's: what makes ids of its objects unlike anybody else's.
const KEY: &str = "key";
/// Prefix of what is being removed.
const DELETED: &str = ".deleted";

/// Held by whoever has a folder.
type Lock = Arc<tokio::sync::Mutex<()>>;

/// The folders of all servers.
pub struct StateFolders {
    tenants: PathBuf,
    reader: alarms::Reader,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    claims: Mutex<HashMap<(TenantId, ServerId), Lock>>,
    deleted: AtomicU64,
}

/// The one right to a server's folder, until it is dropped.
pub(crate) struct Claim {
    version: VersionRef,
    _alone: OwnedMutexGuard<()>,
}

impl StateFolders {
    /// Folders below this one, in which each tenant has one of its own. Finishes what was being removed.
    ///
    /// # Errors
    /// When this program cannot be started in the sandbox.
    pub fn new(
        tenants: PathBuf,
        sandbox: Arc<Sandbox>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> io::Result<Self> {
        let reader = alarms::Reader::new(sandbox, Arc::clone(&clock))?;
        finish_removals(&tenants);
        Ok(Self { tenants, reader, clock, entropy, claims: Mutex::default(), deleted: AtomicU64::new(0) })
    }

    fn home(&self, tenant: TenantId, server: ServerId) -> PathBuf {
        self.tenants.join(tenant.to_string()).join(FOLDER).join(server.to_string())
    }

    fn lock_of(&self, version: &VersionRef) -> Lock {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(claims.entry((version.tenant, version.server)).or_default())
    }

    /// Waits until nobody else has the server's folder: two processes would both be the one object.
    pub(crate) async fn claim(&self, version: &VersionRef) -> Claim {
        Claim { version: *version, _alone: self.lock_of(version).lock_owned().await }
    }

    /// The claim, if nobody has the folder.
    pub(crate) fn try_claim(&self, version: &VersionRef) -> Option<Claim> {
        Some(Claim { version: *version, _alone: self.lock_of(version).try_lock_owned().ok()? })
    }

    /// The folder that a process may write in, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or holds as much as it may.
    pub(crate) async fn open(&self, claim: &Claim) -> io::Result<PathBuf> {
        let files = self.home(claim.version.tenant, claim.version.server).join(FILES);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&files)?;
        let held = size_of(files.clone()).await?;
        if held > QUOTA {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, full(held)));
        }
        Ok(files)
    }

    /// Returns when a server's objects keep more than they may, and never if they do not.
    pub(crate) async fn overflow(&self, version: &VersionRef) -> Cause {
        let files = self.home(version.tenant, version.server).join(FILES);
        loop {
            self.clock.sleep(LOOK_EVERY).await;
            match size_of(files.clone()).await {
                Ok(held) if held > QUOTA => return Cause::new(full(held)),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(server.id = %version.server, %error, "what objects keep cannot be measured")
                }
            }
        }
    }

    /// When the first alarm of a server's objects is due.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn first_alarm(&self, claim: &Claim) -> io::Result<Option<UnixMillis>> {
        let VersionRef { tenant, server, .. } = claim.version;
        let files = self.home(tenant, server).join(FILES);
        if !files.is_dir() {
            return Ok(None);
        }
        self.reader.first((tenant, server), &files).await
    }

    /// What stands in front of the ids of a server's objects. Made once, lost with the folder.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub(crate) fn key(&self, version: &VersionRef) -> io::Result<String> {
        let home = self.home(version.tenant, version.server);
        let path = home.join(KEY);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&home)?;
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let made = home.join(format!("{KEY}.{}", self.deleted.fetch_add(1, Ordering::Relaxed)));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&made)?;
        io::Write::write_all(&mut file, key.as_bytes())?;
        file.sync_all()?;
        // Whoever was first has made it: the objects of two keys would not find each other's state.
        let linked = fs::hard_link(&made, &path);
        fs::remove_file(&made)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::File::open(&home)?.sync_all()?;
        fs::read_to_string(&path)
    }

    /// Removes everything that a server's objects keep. A process that still runs writes into what is gone.
    ///
    /// # Errors
    /// When it cannot be taken away; what could not be removed at once goes at the next start.
    pub async fn erase(&self, tenant: TenantId, server: ServerId) -> io::Result<()> {
        let home = self.home(tenant, server);
        let number = self.deleted.fetch_add(1, Ordering::Relaxed);
        let gone = home.with_file_name(format!("{DELETED}-{server}-{number}"));
        match fs::rename(&home, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        }
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(gone)).await;
        if let Ok(Err(error)) | Err(error) = removed.map_err(io::Error::other) {
            tracing::warn!(server.id = %server, %error, "what a deleted server's objects kept goes at the next start");
        }
        Ok(())
    }
}

fn full(held: u64) -> String {
    format!(
        "its Durable Objects keep {} MiB, more than the {} MiB that a server may; delete the server, or have the \
         platform's operator remove what it keeps",
        held >> 20,
        QUOTA >> 20
    )
}

async fn size_of(folder: PathBuf) -> io::Result<u64> {
    tokio::task::spawn_blocking(move || measure(&folder)).await.map_err(io::Error::other)?
}

/// Bytes on the disk below a folder. Files come and go meanwhile.
fn measure(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        sum += if found.is_dir() { measure(&entry.path())? } else { found.blocks() * 512 };
    }
    Ok(sum)
}

fn finish_removals(tenants: &Path) {
    let Ok(entries) = fs::read_dir(tenants) else { return };
    for tenant in entries.flatten() {
        let Ok(servers) = fs::read_dir(tenant.path().join(FOLDER)) else { continue };
        for server in servers.flatten().filter(|one| one.file_name().to_string_lossy().starts_with(DELETED)) {
            if let Err(error) = fs::remove_dir_all(server.path()) {
                tracing::warn!(folder = %server.path().display(), %error, "cannot be removed");
            }
        }
    }
}
