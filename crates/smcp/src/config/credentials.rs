//! Storing what `smcp login` learned in the configuration file, and taking the key out again.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use smcp_client::Endpoint;
use smcp_types::Secret;
use toml_edit::{DocumentMut, value};

use super::setting::{ENDPOINT, KEY};

/// Writes endpoint and key; everything else in the file stays as it is.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn store_login(file: &Path, endpoint: &Endpoint, key: &Secret<String>) -> io::Result<()> {
    let mut document = read(file)?;
    document[ENDPOINT.key] = value(endpoint.as_str());
    document[KEY.key] = value(key.expose().as_str());
    replace(file, &Secret::new(document.to_string()))
}

/// Takes the key out. Whether there was one.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn forget_key(file: &Path) -> io::Result<bool> {
    let mut document = read(file)?;
    let was_there = document.remove(KEY.key).is_some();
    if was_there {
        replace(file, &Secret::new(document.to_string()))?;
    }
    Ok(was_there)
}

fn read(file: &Path) -> io::Result<DocumentMut> {
    match fs::read_to_string(file) {
        Ok(text) => text.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DocumentMut::new()),
        Err(error) => Err(error),
    }
}

/// Puts a new file, for this user alone, in the place of the old one, at once.
fn replace(file: &Path, text: &Secret<String>) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = folder.join(format!(".config.toml.{}", std::process::id()));
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut new| {
            new.write_all(text.expose().as_bytes())?;
            new.sync_all()
        });
    let placed = written.and_then(|()| fs::rename(&fresh, file));
    if placed.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    }
    placed
}
