//! Compiled configurations on disk: made once at the trial, made again from the bundle when they are missing.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use smcp_core::ports::{Clock, Target, VersionRef};
use smcp_manifest::Bundle;
use smcp_types::{Error, Result};

use crate::{
    Workerd,
    config::{Engine, config_text, fingerprint},
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
        heap_flags: bool,
    ) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let suffix = format!("-{}-{}.bin", workerd.version(), fingerprint());
        for tenant in fs::read_dir(&folder)? {
            for file in fs::read_dir(tenant?.path())? {
                let path = file?.path();
                let current = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&suffix));
                if !current {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(Self { folder, workerd, clock, suffix, heap_flags, made: AtomicU64::new(0) })
    }

    /// The version's configuration for this class and memory, if it is there.
    pub(crate) fn get(&self, target: &Target) -> Result<Option<File>> {
        match File::open(self.path(target)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::internal(format_args!("compiled configuration: {error}"))),
        }
    }

    /// Compiles the bundle's configuration and keeps it, in place of one for another class or memory.
    pub(crate) async fn make(&self, target: &Target, bundle: &Bundle, key: Option<&str>) -> Result<File> {
        let text = config_text(bundle, Engine::of(target, self.heap_flags), key)?;
        let path = self.path(target);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let source = path.with_file_name(format!("{UNFINISHED}{number}.capnp"));
        let made = path.with_file_name(format!("{UNFINISHED}{number}.bin"));
        let broken = |error: io::Error| Error::internal(format_args!("compiled configuration: {error}"));
        let written = source.clone();
        blocking(move || write_new(&written, text.as_bytes())).await.map_err(broken)?;
        let compiled = self.compile(&source).await;
        let _ = fs::remove_file(&source);
        let bytes = compiled?;
        self.remove(&target.version);
        blocking(move || {
            write_new(&made, &bytes)?;
            fs::rename(&made, &path)?;
            File::open(&path)
        })
        .await
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
        let VersionRef { tenant, digest, .. } = target.version;
        let engine = Engine::of(target, self.heap_flags).name();
        self.folder.join(tenant.to_string()).join(format!("{digest}-{engine}{}", self.suffix))
    }

    async fn compile(&self, source: &Path) -> Result<Vec<u8>> {
        #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
        let output = tokio::process::Command::new(self.workerd.path())
            .args(["compile", "--config-only"])
            .arg(source)
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::select! {
            output = output => output.map_err(Error::internal)?,
            () = self.clock.sleep(COMPILE_DEADLINE) => return Err(Error::internal("workerd compile does not end")),
        };
        if output.status.success() && !output.stdout.is_empty() {
            return Ok(output.stdout);
        }
        let complaint: String = String::from_utf8_lossy(&output.stderr).chars().take(2_000).collect();
        Err(Error::internal(format_args!("workerd compile: {}: {complaint}", output.status)))
    }
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
