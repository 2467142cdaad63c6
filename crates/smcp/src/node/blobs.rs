//! The object folder: blobs as files, each written whole or not at all.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use smcp_core::ports::{Blobs, StoreError, StoreResult};
use smcp_types::TenantId;
use tokio::task::spawn_blocking;

/// Blobs under a folder, one folder per tenant.
pub(crate) struct Folder {
    root: PathBuf,
    made: AtomicU64,
}

impl Folder {
    /// Uses a folder, and removes what an earlier process left half written in it.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let unfinished = root.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&unfinished)?;
        Ok(Self { root, made: AtomicU64::new(0) })
    }

    fn path(&self, tenant: TenantId, name: &str) -> StoreResult<PathBuf> {
        // Names are ours, never a caller's; this holds even if that changes.
        let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !plain {
            return Err(StoreError::Broken(format!("not a blob's name: {name}")));
        }
        Ok(self.root.join(tenant.to_string()).join(name))
    }
}

/// Where files are while they are being written.
const UNFINISHED: &str = "unfinished";

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, tenant: TenantId, name: &str, bytes: Bytes) -> StoreResult<()> {
        let path = self.path(tenant, name)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(number.to_string());
        blocking(move || write(&path, &unfinished, &bytes)).await
    }

    async fn get(&self, tenant: TenantId, name: &str) -> StoreResult<Option<Bytes>> {
        let path = self.path(tenant, name)?;
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn beginning(&self, tenant: TenantId, name: &str, length: usize) -> StoreResult<Option<Bytes>> {
        let path = self.path(tenant, name)?;
        blocking(move || {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut bytes = Vec::with_capacity(length);
            file.take(length as u64).read_to_end(&mut bytes)?;
            Ok(Some(bytes.into()))
        })
        .await
    }

    async fn delete(&self, tenant: TenantId, name: &str) -> StoreResult<()> {
        let path = self.path(tenant, name)?;
        blocking(move || match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

/// Written aside, made durable, then moved into place; the folders' entries are made durable too.
fn write(path: &Path, unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    fs::create_dir_all(parent)?;
    let mut file = File::create_new(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    for folder in parent.ancestors().take(4) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StoreResult<T> {
    let done = spawn_blocking(work).await.map_err(|error| StoreError::Broken(error.to_string()))?;
    done.map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(error.to_string()),
        _ => StoreError::Broken(error.to_string()),
    })
}
