//! The data directory: private, locked by one node, with the databases in it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use smcp_sql::{MigrateError, MigrationSet, SqlError};
use smcp_types::{Error, Refusal, Result, UnixMillis};

use super::sqlite::{Durability, Sqlite};

/// A data directory that this process alone uses while it holds this.
pub(crate) struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there, and locks it.
    ///
    /// # Errors
    /// `Conflict` when another node runs on it; `Unavailable` when it cannot be used.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(|e| unusable(root, e))?;
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(|e| unusable(root, e))?;
        let path = root.join("lock");
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock = options.map_err(|e| unusable(&path, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(root, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(unusable(&path, error)),
        }
        // Who holds the lock, for the message of the next one; the lock itself is the kernel's.
        let note = lock.set_len(0).and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()));
        note.map_err(|e| unusable(&path, e))?;
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// A path inside.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Opens a database and brings it up to date, with a copy beside it before an existing one changes.
    ///
    /// # Errors
    /// A newer or foreign schema, and what SQLite says.
    pub(crate) async fn database(
        &self,
        set: MigrationSet,
        durability: Durability,
        now: UnixMillis,
    ) -> Result<Sqlite> {
        let path = self.join(&format!("{}.db", set.name));
        let sql = Sqlite::open(&path, durability).map_err(|error| broken(&path, &error))?;
        let copy = self.join(&format!("{}.before-{}.db", set.name, now.0));
        let migrated = smcp_sql::migrate(&sql, set, now, || Sqlite::copy_to(&path, &copy)).await;
        migrated.map_err(|error| match error {
            MigrateError::Newer { .. } | MigrateError::Changed { .. } => Error::invalid(error.to_string()),
            MigrateError::Sql(error) => broken(&path, &error),
        })?;
        Ok(sql)
    }
}

fn in_use(root: &Path, lock: &mut File) -> Error {
    let mut pid = String::new();
    // Only for the message.
    let _ = lock.read_to_string(&mut pid);
    let who = if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
    let message = format!("another smcp{who} runs on the data directory {}", root.display());
    Error::Conflict(Refusal::new(message).hint("stop it first, or choose another directory with --data"))
}

pub(super) fn unusable(path: &Path, error: std::io::Error) -> Error {
    let message = format!("{} cannot be used: {error}", path.display());
    Error::Unavailable(Refusal::new(message).hint("choose another data directory with --data"))
}

fn broken(path: &Path, error: &SqlError) -> Error {
    let message = format!("the database {} cannot be used: {error}", path.display());
    Error::Unavailable(Refusal::new(message).hint("restore it from a backup"))
}
