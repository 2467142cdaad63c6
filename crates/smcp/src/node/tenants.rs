//! The tenants' databases: a file for each, opened when it is needed, not all at once.

use std::{
    collections::HashMap,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use smcp_core::ports::{Clock, StoreError, StoreResult};
use smcp_sql::{DATA, Databases, Sql};
use smcp_types::TenantId;
use tokio::{sync::OnceCell, task::spawn_blocking};

use super::sqlite::{Durability, Sqlite};

/// Databases that are open at once; each is a thread and three descriptors.
const OPEN: usize = 64;

/// A database that is being opened, once, by whoever came first.
type Opening = Arc<OnceCell<Arc<Sqlite>>>;

/// `<data>/tenants/<tenant id>/data.db`, of which the last used are open.
pub(crate) struct TenantFiles {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    files: HashMap<TenantId, (Opening, u64)>,
    uses: u64,
}

impl TenantFiles {
    /// The databases below a folder.
    pub(crate) fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { root, clock, open: Mutex::default() }
    }

    /// The tenants whose databases are open: those of whom anything can have expired unseen by a reader.
    pub(crate) fn in_use(&self) -> Vec<TenantId> {
        self.lock().files.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opening(&self, tenant: TenantId) -> Opening {
        let mut open = self.lock();
        open.uses += 1;
        let now = open.uses;
        if let Some((opening, used)) = open.files.get_mut(&tenant) {
            *used = now;
            return Arc::clone(opening);
        }
        if open.files.len() >= OPEN
            && let Some(oldest) = open.files.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id)
        {
            // Whoever still uses it keeps it open; SQLite lets two connections share a file.
            open.files.remove(&oldest);
        }
        let opening = Opening::default();
        open.files.insert(tenant, (Arc::clone(&opening), now));
        opening
    }

    /// Opens the file of one tenant, makes it if it is not there, and brings it up to date.
    async fn open(&self, tenant: TenantId) -> StoreResult<Arc<Sqlite>> {
        let folder = self.root.join(tenant.to_string());
        let path = folder.join("data.db");
        let opened = {
            let path = path.clone();
            spawn_blocking(move || {
                DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| e.to_string())?;
                Sqlite::open(&path, Durability::Full).map_err(|e| e.to_string())
            })
        };
        let opened = opened.await.map_err(|e| unusable(&path, &e))?;
        let sql = opened.map_err(|e| unusable(&path, &e))?;
        let now = self.clock.now();
        let copy = path.with_extension(format!("before-{}.db", now.0));
        let migrated = smcp_sql::migrate(&sql, DATA, now, || Sqlite::copy_to(&path, &copy)).await;
        migrated.map_err(|e| unusable(&path, &e))?;
        Ok(Arc::new(sql))
    }
}

#[async_trait]
impl Databases for TenantFiles {
    async fn of(&self, tenant: TenantId) -> StoreResult<Arc<dyn Sql>> {
        let opening = self.opening(tenant);
        // What failed is tried again by the next who asks: the file may have been restored.
        let sql = opening.get_or_try_init(|| self.open(tenant)).await?;
        Ok(Arc::clone(sql) as Arc<dyn Sql>)
    }
}

fn unusable(path: &Path, why: &impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!(
        "the database {} cannot be used, restore it from a backup: {why}",
        path.display()
    ))
}

#[cfg(test)]
mod tests;
