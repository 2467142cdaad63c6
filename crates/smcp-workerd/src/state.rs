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
    ports::{Clock, Entropy, Purpose, VersionRef},
};
use smcp_manifest::LockedManifest;
use smcp_types::{ServerId, TenantId, UnixMillis};
use tokio::sync::OwnedMutexGuard;

use crate::{sandbox::Sandbox, trash::Trash};

pub use alarms::{ALARMS_WORD, alarms_main};

/// Most bytes that the objects of one server may keep, unless the operator says otherwise; also of one of its files.
pub const DEFAULT_QUOTA: u64 = 1 << 30;
/// The same for a trial.
const TRIAL_QUOTA: u64 = 32 << 20;
/// Most files and folders of a server's objects: an open object has three files.
const MAX_ENTRIES: u64 = 32 << 10;
/// What each takes at least: those that are empty take room too.
const LEAST_BYTES: u64 = 4 << 10;
/// The runtime makes a folder for each class and files in it, and nothing below.
const MAX_DEPTH: u32 = 3;
/// How long nobody looks at how much they keep: as long as filling the room that is left takes on a fast disk, within these,
const FILLED_IN_A_MILLISECOND: u64 = 1 << 20;
const SHORTEST_REST: Duration = Duration::from_millis(25);
const USUAL_REST: Duration = Duration::from_millis(500);
/// but so many times as long as looking takes, up to this: what many files hide meanwhile has a bound.
const RESTS: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(2);
/// In a tenant's folder: everything that its servers' objects keep.
const FOLDER: &str = "do";
/// In a server's: what its process can write.
const FILES: &str = "files";
/// In a server's: what makes ids of its objects unlike anybody else's.
const KEY: &str = "key";

/// Held by whoever has a folder.
type Lock = Arc<tokio::sync::Mutex<()>>;

/// The folders of all servers.
pub struct StateFolders {
    tenants: PathBuf,
    quota: u64,
    reader: alarms::Reader,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    claims: Mutex<HashMap<(TenantId, ServerId), Lock>>,
    trash: Trash,
    made: AtomicU64,
}

/// The one right to a server's folder, until it is dropped.
pub(crate) struct Claim {
    version: VersionRef,
    _alone: OwnedMutexGuard<()>,
}

impl StateFolders {
    /// Folders below this one, in which each tenant has one of its own. What is removed goes through the trash. The
    /// objects of one server may keep as many bytes as `quota` says.
    ///
    /// # Errors
    /// When this program cannot be started in the sandbox.
    pub fn new(
        (tenants, trash): (PathBuf, Trash),
        quota: u64,
        sandbox: Arc<Sandbox>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> io::Result<Self> {
        let reader = alarms::Reader::new(sandbox, Arc::clone(&clock), quota)?;
        let (claims, made) = (Mutex::default(), AtomicU64::new(0));
        Ok(Self { tenants, quota, reader, clock, entropy, claims, trash, made })
    }

    /// Most bytes that the objects of a server may keep, for this.
    pub(crate) fn quota(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Trial => TRIAL_QUOTA.min(self.quota),
            Purpose::Serving => self.quota,
        }
    }

    /// Where folders go that hosted code has written.
    pub(crate) fn trash(&self) -> Trash {
        self.trash.clone()
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
        if held.is_over(self.quota) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, held.full(self.quota)));
        }
        Ok(files)
    }

    /// Returns when a folder keeps more than it may, or cannot be measured, and never if it does not.
    pub(crate) fn overflow(&self, files: PathBuf, quota: u64) -> impl Future<Output = Cause> + Send + use<> {
        let clock = Arc::clone(&self.clock);
        async move {
            loop {
                let began = clock.monotonic();
                let held = match size_of(files.clone()).await {
                    Ok(held) if held.is_over(quota) => return Cause::new(held.full(quota)),
                    Ok(held) => held,
                    Err(error) => {
                        return Cause::new(format!(
                            "what its Durable Objects keep cannot be measured: {error}"
                        ));
                    }
                };
                let took = clock.monotonic().saturating_sub(began);
                clock.sleep(held.rest(quota, took)).await;
            }
        }
    }

    /// When the first alarm of a version's objects is due.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn first_alarm(
        &self,
        claim: &Claim,
        manifest: &LockedManifest,
    ) -> io::Result<Option<UnixMillis>> {
        let VersionRef { tenant, server, .. } = claim.version;
        let files = self.home(tenant, server).join(FILES);
        if !files.is_dir() {
            return Ok(None);
        }
        // Classes that the version does not have keep their alarms, and nobody rings them.
        let key = self.key(&claim.version)?;
        let classes = manifest.durable_objects.iter().map(|one| unique_key(&one.class, &key)).collect();
        self.reader.first((tenant, server), &files, classes).await
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
        let made = home.join(format!("{KEY}.{}", self.made.fetch_add(1, Ordering::Relaxed)));
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

    /// Takes away everything that a server's objects keep. A process that still runs writes into what is gone.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub(crate) fn erase(&self, tenant: TenantId, server: ServerId) -> io::Result<()> {
        self.trash.throw(&self.home(tenant, server))
    }
}

/// The runtime's name for a class of one server: of its folder, and in front of its objects' ids.
pub(crate) fn unique_key(class: &str, key: &str) -> String {
    format!("{class}-{key}")
}

/// How much a folder keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    bytes: u64,
    entries: u64,
}

impl Held {
    fn is_over(self, quota: u64) -> bool {
        self.bytes > quota || self.entries > MAX_ENTRIES
    }

    /// How long to wait until the next look, when this one took so long.
    fn rest(self, quota: u64, took: Duration) -> Duration {
        let left = quota.saturating_sub(self.bytes);
        let filled = Duration::from_millis(left / FILLED_IN_A_MILLISECOND);
        filled.clamp(SHORTEST_REST, USUAL_REST).max((took * RESTS).min(LONGEST_REST))
    }

    fn full(self, quota: u64) -> String {
        format!(
            "its Durable Objects keep {} MiB in {} files, more than the {} MiB or {MAX_ENTRIES} files that they may; \
             delete the server, or have the platform's operator raise storage.durable_objects_mb",
            self.bytes >> 20,
            self.entries,
            quota >> 20
        )
    }
}

async fn size_of(folder: PathBuf) -> io::Result<Held> {
    tokio::task::spawn_blocking(move || measure(&folder)).await.map_err(io::Error::other)?
}

/// What is on the disk below a folder, up to one more than it may be. Files come and go meanwhile.
fn measure(folder: &Path) -> io::Result<Held> {
    let mut held = Held::default();
    let mut folders = vec![(folder.to_owned(), MAX_DEPTH)];
    while let Some((folder, depth)) = folders.pop() {
        let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("it has folders in folders"))?;
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let found = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            held.entries += 1;
            held.bytes += (found.blocks() * 512).max(LEAST_BYTES);
            if held.entries > MAX_ENTRIES {
                return Ok(held);
            }
            if found.is_dir() {
                folders.push((entry.path(), depth));
            }
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_measured_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("Room-1");
        fs::create_dir(&class).unwrap();
        fs::write(class.join("a.sqlite"), vec![1; 100_000]).unwrap();
        fs::write(class.join("empty"), "").unwrap();
        let held = measure(folder.path()).unwrap();
        assert!(held.entries == 3 && (100_000..200_000).contains(&held.bytes), "{held:?}");
        assert!(!held.is_over(DEFAULT_QUOTA) && held.is_over(1_000));
        let rest = |quota, took| held.rest(quota, Duration::from_millis(took)).as_millis();
        assert_eq!(
            [rest(DEFAULT_QUOTA, 1), rest(DEFAULT_QUOTA, 50), rest(DEFAULT_QUOTA, 900)],
            [500, 1_000, 2_000]
        );
        assert_eq!([rest(held.bytes, 0), rest(held.bytes + (100 << 20), 0)], [25, 100]);
        fs::create_dir_all(class.join("b/c/d")).unwrap();
        assert!(measure(folder.path()).is_err(), "nobody makes folders there who means well");
    }
}
