//! The data directory: private, locked by one node, with the master key beside the databases.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use smcp_core::{master::MasterKey, ports::Entropy};
use smcp_sql::{MigrateError, MigrationSet, SqlError};
use smcp_types::{Error, Refusal, Result, UnixMillis};

use super::{
    NodeConfig,
    sqlite::{self, Durability, Sqlite},
};

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

    /// The master key: given, read from its file, or made at the first start.
    ///
    /// # Errors
    /// When it is missing though there is data, readable by others, or not a key.
    pub(crate) fn master_key(&self, config: &NodeConfig, entropy: &dyn Entropy) -> Result<MasterKey> {
        if let Some(text) = &config.master_key {
            return MasterKey::from_hex(text.expose());
        }
        let path = config.master_key_file.clone().unwrap_or_else(|| self.join("master.key"));
        match File::open(&path) {
            Ok(file) => read_key(&path, file),
            Err(error) if error.kind() == ErrorKind::NotFound => self.make_key(&path, entropy),
            Err(error) => Err(unusable(&path, error)),
        }
    }

    fn make_key(&self, path: &Path, entropy: &dyn Entropy) -> Result<MasterKey> {
        if sqlite::is_database(&self.join("control.db")).map_err(Error::internal)? {
            let message =
                format!("the master key {} is missing, and there is data that needs it", path.display());
            let hint = "put the key back; without it nothing that it protects can be read";
            return Err(Error::Invalid(Refusal::new(message).hint(hint)));
        }
        let (key, text) = MasterKey::generate(entropy);
        // Made aside and linked into place: a kill in between leaves no half a key.
        let unfinished = path.with_extension("unfinished");
        let write = || {
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            file.write_all(text.expose().as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
            path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        };
        write().map_err(|e| unusable(path, e))?;
        Ok(key)
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

fn read_key(path: &Path, mut file: File) -> Result<MasterKey> {
    let mode = file.metadata().map_err(|e| unusable(path, e))?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("the master key {} can be read by others", path.display());
        return Err(Error::Invalid(Refusal::new(message).hint(format!("chmod 600 {}", path.display()))));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(|e| unusable(path, e))?;
    MasterKey::from_hex(&text)
}

fn in_use(root: &Path, lock: &mut File) -> Error {
    let mut pid = String::new();
    // Only for the message.
    let _ = lock.read_to_string(&mut pid);
    let who = if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
    let message = format!("another smcp{who} runs on the data directory {}", root.display());
    Error::Conflict(Refusal::new(message).hint("stop it first, or choose another directory with --data"))
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    let message = format!("{} cannot be used: {error}", path.display());
    Error::Unavailable(Refusal::new(message).hint("choose another data directory with --data"))
}

fn broken(path: &Path, error: &SqlError) -> Error {
    let message = format!("the database {} cannot be used: {error}", path.display());
    Error::Unavailable(Refusal::new(message).hint("restore it from a backup"))
}
