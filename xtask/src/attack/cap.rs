//! The outer cap of controls: 1 GiB of memory and 128 processes, by control groups of the suite's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Result, processes};

const MEMORY: u64 = 1 << 30;
const PROCESSES: u64 = 128;
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Control groups that hold processes of the suite. Dropping it ends all of these, and removes the groups.
pub(super) struct Cap {
    folders: Vec<PathBuf>,
    /// What could not be capped here, and why.
    pub(super) missing: Vec<String>,
}

impl Cap {
    /// Makes the groups below the one we are in.
    pub(super) fn new(label: &str) -> Self {
        let mut cap = Self { folders: Vec::new(), missing: Vec::new() };
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").is_file();
        if unified {
            let place = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
            let files = [("memory.max", MEMORY), ("pids.max", PROCESSES)];
            cap.make(&Path::new("/sys/fs/cgroup").join(place), label, &files);
        } else {
            for (controller, file, value) in
                [("memory", "memory.limit_in_bytes", MEMORY), ("pids", "pids.max", PROCESSES)]
            {
                let marked = format!(":{controller}:/");
                let place = own.lines().find_map(|line| line.split_once(&marked)).unwrap_or_default().1;
                let root = Path::new("/sys/fs/cgroup").join(controller).join(place);
                cap.make(&root, label, &[(file, value)]);
            }
        }
        cap
    }

    fn make(&mut self, root: &Path, label: &str, files: &[(&str, u64)]) {
        let folder = root.join(format!("smcp-{label}-{}", std::process::id()));
        let made = fs::create_dir(&folder).and_then(|()| {
            files.iter().try_for_each(|(name, value)| fs::write(folder.join(name), value.to_string()))
        });
        if let Err(error) = made {
            self.missing.push(format!("{}: {error}", folder.display()));
        }
        if folder.is_dir() {
            self.folders.push(folder);
        }
    }

    /// Puts a process in; what it starts is in as well.
    pub(super) fn hold(&self, process: u32) -> Result<()> {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), process.to_string())
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(())
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        let until = Instant::now() + GONE_WITHIN;
        while !self.folders.is_empty() && Instant::now() < until {
            self.folders.retain(|folder| !removed(folder));
            std::thread::yield_now();
        }
        for folder in &self.folders {
            eprintln!("could not be removed: {}", folder.display());
        }
    }
}

/// Ends what is in a group and in the groups below, and removes them.
fn removed(folder: &Path) -> bool {
    let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for inner in below.filter(|path| path.is_dir()) {
        removed(&inner);
    }
    let inside = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for process in inside.lines().filter_map(|line| line.parse().ok()) {
        // It may have ended in the meantime.
        let _ = processes::end(process);
    }
    fs::remove_dir(folder).is_ok() || !folder.exists()
}
