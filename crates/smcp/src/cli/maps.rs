//! Source maps of what was deployed from here: kept on this machine, by the version's digest, and used by `smcp logs`.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use smcp_api::{LogLine, LogSource};
use smcp_types::Digest;

use super::source_map::{MAX_BYTES, SourceMap};
use crate::config::Environment;

/// The module that esbuild makes, and that its map is of.
pub(crate) const BUNDLED: &str = "index.js";
/// Maps that are kept; older ones go.
const MOST: usize = 64;

/// Translates positions in log lines.
pub(crate) struct Maps {
    folder: Option<PathBuf>,
    read: HashMap<String, Option<SourceMap>>,
}

impl Maps {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self { folder: folder(environment), read: HashMap::new() }
    }

    /// Puts positions of the sources in place of those of the bundle, if the version was deployed from here.
    pub(crate) fn translate(&mut self, line: &mut LogLine) {
        let Self { folder, read } = self;
        let (Some(folder), Some(version), LogSource::Server) = (folder, &line.version, line.source) else {
            return;
        };
        if !line.message.contains(BUNDLED) {
            return;
        }
        let map = read.entry(version.clone()).or_insert_with(|| find(folder, version));
        if let Some(map) = map {
            line.message = map.translate(BUNDLED, &line.message);
        }
    }
}

/// The same for lines of a version that was just refused, with its map at hand.
pub(crate) fn translate_all(map: Option<&[u8]>, lines: &mut [LogLine]) {
    let Some(map) = map.and_then(SourceMap::read) else { return };
    for line in lines.iter_mut().filter(|line| line.source == LogSource::Server) {
        line.message = map.translate(BUNDLED, &line.message);
    }
}

fn folder(environment: &Environment) -> Option<PathBuf> {
    environment.cache_dir().map(|folder| folder.join("maps"))
}

/// The version comes from the platform: it names a file only if it is a digest.
fn find(folder: &Path, version: &str) -> Option<SourceMap> {
    let digest: Digest = version.parse().ok()?;
    let file = File::open(folder.join(format!("{digest}.json"))).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
    SourceMap::read(&bytes)
}

/// Keeps the map of a version.
///
/// # Errors
/// It cannot be written.
pub(crate) fn keep(environment: &Environment, digest: &str, map: &[u8]) -> io::Result<()> {
    let (Some(folder), Ok(digest)) = (folder(environment), digest.parse::<Digest>()) else { return Ok(()) };
    fs::create_dir_all(&folder)?;
    let part = tempfile_in(&folder, digest);
    fs::write(&part, map)?;
    fs::rename(&part, folder.join(format!("{digest}.json")))?;
    let mut kept = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        kept.push((entry.metadata()?.modified()?, entry.path()));
    }
    kept.sort_unstable();
    let many = kept.len().saturating_sub(MOST);
    kept.into_iter().take(many).try_for_each(|(_, path)| fs::remove_file(path))
}

/// Another deploy of the same version may be writing the very same.
fn tempfile_in(folder: &Path, digest: Digest) -> PathBuf {
    folder.join(format!("{digest}.{}.part", std::process::id()))
}
