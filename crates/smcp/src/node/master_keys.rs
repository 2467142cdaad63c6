//! Where a node's master key is kept: given by its operator, or in a file of the data directory made at the first start.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use smcp_core::{
    master::MasterKey,
    ports::{Entropy, MasterKeys},
};
use smcp_types::{Error, MasterKeyId, Refusal, Result, Secret};
use zeroize::Zeroizing;

use super::{
    NodeConfig,
    data::{DataDir, unusable},
    sqlite,
};

/// Where the master key comes from, and where the next one does.
pub(crate) struct KeptKeys {
    place: Place,
    /// The next key itself, from `SMCP_NEXT_MASTER_KEY`.
    next: Option<Secret<String>>,
    /// Its file.
    next_file: Option<PathBuf>,
    entropy: Arc<dyn Entropy>,
}

/// Where the key in force lies.
enum Place {
    /// In a file of the data directory: ours to replace.
    Ours(PathBuf),
    /// Where its operator put it, in words.
    Operators(&'static str),
}

impl KeptKeys {
    /// Reads every key that may be the one in force: the one given or in its file, made at the first start; then the one
    /// that a change of master key was to put in its place.
    ///
    /// # Errors
    /// When there is none though there is data, one can be read by others, or is not a key.
    pub(crate) fn open(
        config: &NodeConfig,
        data: &DataDir,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, Vec<MasterKey>)> {
        let place = match (&config.master_key, &config.master_key_file) {
            (Some(_), _) => Place::Operators("SMCP_MASTER_KEY"),
            (None, Some(_)) => Place::Operators("--master-key-file"),
            (None, None) => Place::Ours(data.join("master.key")),
        };
        let (next, next_file) = (config.next_master_key.clone(), config.next_master_key_file.clone());
        let kept = Self { place, next, next_file, entropy };
        let path = config.master_key_file.clone().unwrap_or_else(|| data.join("master.key"));
        let mut given: Vec<MasterKey> = match &config.master_key {
            Some(text) => vec![MasterKey::from_hex(text.expose())?],
            None => kept.in_file(&path, data)?.into_iter().collect(),
        };
        given.extend(kept.supplied()?);
        if let Place::Ours(path) = &kept.place {
            given.extend(read_unfinished(&beside(path, NEXT)));
        }
        if given.is_empty() {
            let message =
                format!("the master key {} is missing, and there is data that needs it", path.display());
            let hint = "put the key back; without it nothing that it protects can be read";
            return Err(Error::Invalid(Refusal::new(message).hint(hint)));
        }
        Ok((kept, given))
    }

    /// Finishes what a node that was killed has begun: the key in force is where it belongs, and no other is left.
    ///
    /// # Errors
    /// When the files cannot be changed.
    pub(crate) fn finish(&self, in_force: MasterKeyId) -> Result<()> {
        match &self.place {
            Place::Ours(path) => self.tidy(path, in_force).map_err(|e| unusable(path, e)),
            Place::Operators(setting) => {
                if self.supplied()?.is_some_and(|next| next.id() == in_force) {
                    tracing::warn!(
                        "the next master key is the one in force: give it as {setting} from now on"
                    );
                }
                Ok(())
            }
        }
    }

    /// The key in its file, made when there is none and nothing yet that needs one.
    fn in_file(&self, path: &Path, data: &DataDir) -> Result<Option<MasterKey>> {
        let found = read(path)?;
        if found.is_some() || sqlite::is_database(&data.join("control.db")).map_err(Error::internal)? {
            return Ok(found);
        }
        let key = MasterKey::generate(&*self.entropy);
        write(path, &key).map_err(|e| unusable(path, e))?;
        Ok(Some(key))
    }

    /// The next key, as its operator supplies it. A file that is not there yet supplies none.
    fn supplied(&self) -> Result<Option<MasterKey>> {
        if let Some(text) = &self.next {
            return MasterKey::from_hex(text.expose()).map(Some);
        }
        self.next_file.as_deref().map_or(Ok(None), read)
    }

    fn tidy(&self, path: &Path, in_force: MasterKeyId) -> io::Result<()> {
        let next = beside(path, NEXT);
        for half in [path, &next] {
            remove(&beside(half, UNFINISHED))?;
        }
        if read_unfinished(&next).is_some_and(|key| key.id() == in_force) {
            fs::rename(&next, path)?;
        } else {
            remove(&next)?;
        }
        sync_folder(path)
    }
}

#[async_trait]
impl MasterKeys for KeptKeys {
    async fn next(&self, _: MasterKeyId) -> Result<MasterKey> {
        match (&self.place, self.supplied()?) {
            (Place::Ours(path), supplied) => {
                let key = supplied.unwrap_or_else(|| MasterKey::generate(&*self.entropy));
                let next = beside(path, NEXT);
                write(&next, &key).map_err(|e| unusable(&next, e))?;
                Ok(key)
            }
            (Place::Operators(_), Some(key)) => Ok(key),
            (Place::Operators(setting), None) => Err(not_supplied(setting)),
        }
    }

    async fn settle(&self, in_force: MasterKeyId) -> Result<Option<String>> {
        match &self.place {
            Place::Ours(path) => {
                self.tidy(path, in_force).map_err(|e| unusable(path, e))?;
                Ok(None)
            }
            Place::Operators(setting) => Ok(Some(format!(
                "Give the new key as {setting} from the next start on. Backups made before need the old one."
            ))),
        }
    }
}

/// The name of the file that holds the key of a change that is under way, after the name of the key's own.
const NEXT: &str = "next";
/// The same of a file that is being written.
const UNFINISHED: &str = "unfinished";

fn not_supplied(setting: &str) -> Error {
    Error::Conflict(
        Refusal::new(format!("the master key comes from {setting}, so its operator has to give the new one too"))
            .hint(
                "start the node with SMCP_NEXT_MASTER_KEY or --next-master-key-file FILE (the file may be made later)",
            ),
    )
}

/// The path with one more ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The key in a file, if the file is there.
fn read(path: &Path) -> Result<Option<MasterKey>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, error)),
    };
    let mode = file.metadata().map_err(|e| unusable(path, e))?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("the master key {} can be read by others", path.display());
        return Err(Error::Invalid(Refusal::new(message).hint(format!("chmod 600 {}", path.display()))));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(|e| unusable(path, e))?;
    MasterKey::from_hex(&text).map(Some)
}

/// The key that a change which did not come to its end has left. One that cannot be read was never put in force: it gets
/// its name when it is whole.
fn read_unfinished(path: &Path) -> Option<MasterKey> {
    read(path).ok().flatten()
}

/// Made aside and moved into place: a kill in between leaves no half a key.
fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let unfinished = beside(path, UNFINISHED);
    remove(&unfinished)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(key.to_hex().expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_folder(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests;
