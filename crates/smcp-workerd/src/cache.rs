//! Compiled configurations on disk, sealed like the bundles whose code they hold: made once at the trial, made again when
//! they are missing. In the clear they are in memory alone.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use smcp_core::ports::{Clock, Kind, Place, Sealer, Target, VersionRef};
use smcp_manifest::Bundle;
use smcp_types::{Error, Result, TenantId};
use zeroize::Zeroizing;

use crate::{
    Workerd,
    config::{Engine, Given, config_text, fingerprint},
    feed::feed,
    memory_file::memory_file,
};

/// Prefix of files that are being made.
const UNFINISHED: &str = ".making-";
/// Longest compilation; it runs no hosted code, and 10 MiB take 0.2 s.
const COMPILE_DEADLINE: Duration = Duration::from_secs(30);

/// Where a version's bundle comes from when its compiled configuration is not there.
#[async_trait]
pub trait Bundles: Send + Sync + 'static {
    /// The stored bundle.
    ///
    /// # Errors
    /// `NotFound`, or the store's own.
    async fn load(&self, version: &VersionRef) -> Result<Arc<Bundle>>;
}

/// The cache folder: one folder per tenant, one file per version, runtime, wrapper and engine.
pub(crate) struct ConfigCache {
    folder: PathBuf,
    workerd: Workerd,
    clock: Arc<dyn Clock>,
    sealer: Arc<dyn Sealer>,
    suffix: String,
    heap_flags: bool,
    made: AtomicU64,
}

impl ConfigCache {
    /// Opens the folder and clears away what an earlier process left half made or made for another runtime.
    pub(crate) fn open(
        folder: PathBuf,
        workerd: Workerd,
        clock: Arc<dyn Clock>,
        sealer: Arc<dyn Sealer>,
        heap_flags: bool,
    ) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        // Before they were sealed they ended in `.bin`: those go too.
        let suffix = format!("-{}-{}.sealed", workerd.version(), fingerprint());
        for tenant in fs::read_dir(&folder)? {
            for file in fs::read_dir(tenant?.path())? {
                let path = file?.path();
                let current = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix));
                if !current {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(Self { folder, workerd, clock, sealer, suffix, heap_flags, made: AtomicU64::new(0) })
    }

    /// The version's configuration for this class and memory, if it is there and opens: what a process is to read on its
    /// standard input.
    pub(crate) async fn get(&self, target: &Target) -> Result<Option<OwnedFd>> {
        let (name, path) = (self.name(target), self.path(target));
        let found = blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let Some(sealed) = found.await.map_err(broken)? else { return Ok(None) };
        match self.sealer.open(&place(target.version.tenant, &name), &sealed).await {
            Ok(plain) => feed(plain).map(Some).map_err(broken),
            // Whatever has become of it, its key or its bytes: it can be made again.
            Err(Error::Damaged(refusal)) => {
                tracing::info!(
                    private = refusal.private,
                    "a compiled configuration does not open: made again"
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Compiles the bundle's configuration and keeps it, in place of one for another class or memory.
    pub(crate) async fn make(&self, target: &Target, bundle: &Bundle, given: &Given) -> Result<OwnedFd> {
        let text = config_text(bundle, Engine::of(target, self.heap_flags), given)?;
        let compiled = self.compile(&text).await?;
        let (name, path) = (self.name(target), self.path(target));
        let sealed = self.sealer.seal(&place(target.version.tenant, &name), &compiled).await?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let made = path.with_file_name(format!("{UNFINISHED}{number}"));
        self.remove(&target.version);
        blocking(move || {
            write_new(&made, &sealed)?;
            fs::rename(&made, &path)
        })
        .await
        .map_err(broken)?;
        feed(compiled).map_err(broken)
    }

    /// Compiles the configuration with secrets in it, which is kept nowhere.
    pub(crate) async fn fresh(&self, target: &Target, bundle: &Bundle, given: &Given) -> Result<OwnedFd> {
        let text = config_text(bundle, Engine::of(target, self.heap_flags), given)?;
        // What the compiler complains about would be told: it may hold what it was given.
        let compiled = self.compile(&text).await;
        feed(compiled.map_err(|_| Error::internal("workerd does not compile a configuration with secrets"))?)
            .map_err(broken)
    }

    /// Removes a version's configuration: it was refused, or nobody needs it any more.
    pub(crate) fn remove(&self, version: &VersionRef) {
        let Ok(files) = fs::read_dir(self.folder.join(version.tenant.to_string())) else { return };
        let digest = version.digest.to_string();
        for file in files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(&digest)) {
            // A file too much is made no worse by staying.
            let _ = fs::remove_file(file.path());
        }
    }

    fn path(&self, target: &Target) -> PathBuf {
        self.folder.join(target.version.tenant.to_string()).join(self.name(target))
    }

    fn name(&self, target: &Target) -> String {
        let engine = Engine::of(target, self.heap_flags).name();
        format!("{}-{engine}{}", target.version.digest, self.suffix)
    }

    async fn compile(&self, source: &str) -> Result<Zeroizing<Vec<u8>>> {
        let source = memory_file(source.as_bytes()).map_err(broken)?;
        #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
        let output = tokio::process::Command::new(self.workerd.path())
            .args(["compile", "--config-only", "/dev/stdin"])
            .env_clear()
            .stdin(Stdio::from(source))
            .kill_on_drop(true)
            .output();
        let output = tokio::select! {
            output = output => output.map_err(Error::internal)?,
            () = self.clock.sleep(COMPILE_DEADLINE) => return Err(Error::internal("workerd compile does not end")),
        };
        if output.status.success() && !output.stdout.is_empty() {
            return Ok(Zeroizing::new(output.stdout));
        }
        let complaint: String = String::from_utf8_lossy(&output.stderr).chars().take(2_000).collect();
        Err(Error::internal(format_args!("workerd compile: {}: {complaint}", output.status)))
    }
}

fn broken(error: io::Error) -> Error {
    Error::internal(format_args!("compiled configuration: {error}"))
}

fn place(tenant: TenantId, name: &str) -> Place<'_> {
    Place { tenant, kind: Kind::CompiledConfig, namespace: "", key: name, version: 0 }
}

/// Writes a file that must be complete before it gets its name.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Runs file work that may take long off the event loop.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
