//! What a platform leaves on the machine: processes of its own runtime, mounts, cgroups, sockets.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::Result;

/// The file and the folders by which one platform's leavings are told from everybody else's.
pub(super) struct Traces {
    /// The runtime's binary: a copy that nobody else runs.
    runtime: (u64, u64),
    data: PathBuf,
    /// Mounts before it was first started.
    mounts: BTreeSet<String>,
}

impl Traces {
    pub(super) fn before(runtime: &Path, data: &Path) -> Result<Self> {
        let metadata = fs::metadata(runtime)?;
        let runtime = (metadata.dev(), metadata.ino());
        Ok(Self { runtime, data: data.to_owned(), mounts: mounts() })
    }

    /// Numbers of processes that run our copy of the runtime, in whatever namespace.
    pub(super) fn processes(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let runs_ours = |id: &u32| {
            let file = fs::metadata(format!("/proc/{id}/exe"));
            file.is_ok_and(|file| (file.dev(), file.ino()) == self.runtime)
        };
        ids.filter(runs_ours).collect()
    }

    /// What is left of the cgroups that this platform has written down as its own.
    pub(super) fn cgroups(&self) -> Vec<PathBuf> {
        let note = fs::read_to_string(self.data.join("run/cgroups")).unwrap_or_default();
        let roots = note.lines().map(PathBuf::from).filter(|path| path.is_dir());
        roots.flat_map(|root| below(&root).into_iter().chain([root])).collect()
    }

    /// Whether the platform has written any down: else there is nothing to be left over.
    pub(super) fn knows_cgroups(&self) -> bool {
        fs::read_to_string(self.data.join("run/cgroups")).is_ok_and(|note| !note.trim().is_empty())
    }

    /// Mounts that were not there before.
    pub(super) fn mounts(&self) -> Vec<String> {
        let data = self.data.to_string_lossy().into_owned();
        let fresh = mounts().difference(&self.mounts).cloned().collect::<Vec<_>>();
        fresh.into_iter().filter(|line| line.contains("smcp") || line.contains(&data)).collect()
    }

    /// Sockets in the data directory that belong to single processes; the way out is the platform's own.
    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.data.join("run")) else { return Vec::new() };
        let sockets = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()));
        sockets
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_none_or(|name| name != "egress"))
            .collect()
    }
}

/// Every folder below one.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            found.push(entry.path());
            open.push(entry.path());
        }
    }
    found
}

fn mounts() -> BTreeSet<String> {
    fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines().map(str::to_owned).collect()
}
