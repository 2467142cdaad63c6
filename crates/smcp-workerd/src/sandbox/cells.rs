//! Cgroups: in each hierarchy one folder for this node, in it one for each tenant that runs something, and in that one
//! cell for each process, gone when the process is. Version 1 is tested; version 2 is written from its documentation.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use smcp_types::Limits;

use super::{Layer, Layers};

/// Most threads and processes of a cell; V8 has up to 16 threads.
const MAX_PIDS: u32 = 64;
/// Most of all cells of one tenant together: more than that many honest processes need, far fewer than a machine has.
const MAX_TENANT_PIDS: u32 = 8_192;
/// The period over which processor time is shared out, in microseconds.
const PERIOD: u32 = 100_000;
/// How often a leftover that does not go at once is tried again at start, and the pause between.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// What a hierarchy controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }

    fn layer(self) -> Layer {
        match self {
            Self::Memory => Layer::MemoryCgroup,
            Self::Cpu => Layer::CpuCgroup,
            Self::Pids => Layer::PidsCgroup,
        }
    }
}

/// Version 1 has a hierarchy for each controller, version 2 has one for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Version 1.
    One,
    /// Version 2.
    Two,
}

/// The node's folder for one controller.
#[derive(Clone, Debug)]
struct Folder {
    controller: Controller,
    version: Version,
    path: PathBuf,
}

/// The node's cgroups.
#[derive(Debug)]
pub(crate) struct Cells {
    node: Arc<Node>,
    /// Controllers that cannot be used, and why.
    missing: Vec<(Layer, String)>,
}

/// The node's own folders. They go when the last cell has gone.
#[derive(Debug, Default)]
struct Node {
    folders: Vec<Folder>,
    /// Cells whose processes take their time. Held while folders are made or removed, so that no tenant's folder goes
    /// while a cell is made in it.
    stale: Mutex<Vec<PathBuf>>,
}

/// The cell of one process.
#[derive(Debug)]
pub(crate) struct Cell {
    folders: Vec<Folder>,
    paths: Vec<PathBuf>,
    node: Arc<Node>,
}

impl Cells {
    /// Finds the hierarchies, makes this node's folder in each, and clears away what a killed node of the same name has
    /// left: processes are killed and their cells removed. `note` is where the folders are written down, because a node
    /// may be started in another cgroup the next time.
    pub(crate) fn open(name: &str, note: &Path) -> Self {
        for path in fs::read_to_string(note).unwrap_or_default().lines().map(Path::new) {
            // The note may be damaged: only folders that this code makes are touched.
            if path.file_name().is_some_and(|last| last == name) && path.join("cgroup.procs").is_file() {
                clear(path);
            }
        }
        let (mut node, mut missing) = (Node::default(), Vec::new());
        for controller in Controller::ALL {
            match open_folder(controller, name, &node.folders) {
                Ok(folder) => node.folders.push(folder),
                Err(why) => missing.push((controller.layer(), why)),
            }
        }
        let paths: Vec<_> = node.folders.iter().map(|folder| folder.path.display().to_string()).collect();
        // Without the note a leftover in another cgroup stays, empty: its processes died with their node.
        let _ = fs::write(note, paths.join("\n"));
        Self { node: Arc::new(node), missing }
    }

    /// Why this layer cannot be had.
    pub(crate) fn why_missing(&self, layer: Layer) -> Option<&str> {
        self.missing.iter().find(|(missing, _)| *missing == layer).map(|(_, why)| why.as_str())
    }

    /// The version in use, if any.
    pub(crate) fn version(&self) -> Option<Version> {
        self.node.folders.first().map(|folder| folder.version)
    }

    /// A cell with these limits in its tenant's folder, for the layers that are wanted.
    ///
    /// # Errors
    /// When one of them cannot be had.
    pub(crate) fn cell(
        &self,
        (tenant, label): (&str, &str),
        limits: &Limits,
        layers: &Layers,
    ) -> io::Result<Option<Cell>> {
        self.node.sweep();
        let mut cell = Cell { folders: Vec::new(), paths: Vec::new(), node: Arc::clone(&self.node) };
        for controller in Controller::ALL {
            if !layers.has(controller.layer()) {
                continue;
            }
            if let Some(why) = self.why_missing(controller.layer()) {
                return Err(io::Error::other(format!("{}: {why}", controller.layer())));
            }
            for folder in self.node.folders.iter().filter(|folder| folder.controller == controller) {
                let path = self.node.make(folder, tenant, label)?;
                if !cell.paths.contains(&path) {
                    cell.paths.push(path.clone());
                }
                limit(controller, folder.version, &path, limits)?;
                cell.folders.push(Folder { path, ..folder.clone() });
            }
        }
        Ok((!cell.paths.is_empty()).then_some(cell))
    }
}

impl Node {
    /// Makes a cell in its tenant's folder, which is made with the first one. Every tenant's folder has the weight that
    /// a new one has, so however many processes a tenant runs, all of them have one tenant's share of the processors.
    fn make(&self, folder: &Folder, tenant: &str, label: &str) -> io::Result<PathBuf> {
        let _held = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = folder.path.join(tenant);
        let path = tenant.join(label);
        // Somebody who tidies up may have taken an empty folder for nobody's.
        fs::create_dir_all(&tenant).map_err(|error| at(&tenant, &error))?;
        let made = share_out(folder, &tenant).and_then(|()| match fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(at(&path, &error)),
            Ok(()) | Err(_) => Ok(()),
        });
        if made.is_err() {
            // Not while another cell is in it.
            let _ = fs::remove_dir(&tenant);
        }
        made.map(|()| path)
    }

    /// Removes cells, and their tenant's folder with the last one. Those whose processes take their time are kept in
    /// mind, with those that were before.
    fn remove(&self, cells: &[PathBuf]) {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        stale.extend_from_slice(cells);
        stale.retain(|cell| {
            let is_left = fs::remove_dir(cell).is_err_and(|error| error.kind() != ErrorKind::NotFound);
            if let (false, Some(tenant)) = (is_left, cell.parent()) {
                // Not while another cell is in it: that one's end tries again.
                let _ = fs::remove_dir(tenant);
            }
            is_left
        });
    }

    /// Tries again to remove cells whose processes took their time.
    fn sweep(&self) {
        self.remove(&[]);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.sweep();
        for folder in &self.folders {
            // Not while a cell is left; the next start clears it.
            let _ = fs::remove_dir(&folder.path);
        }
    }
}

impl Cell {
    /// The files a process of one thread writes itself into.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        let mut entries = Vec::new();
        for folder in &self.folders {
            let entry = folder.path.join(match folder.version {
                // A thread that moves itself waits for no lock that all of the machine's processes share. The same by
                // `cgroup.procs` costs several milliseconds in each hierarchy.
                Version::One => "tasks",
                Version::Two => "cgroup.procs",
            });
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        entries
    }

    fn memory(&self) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.controller == Controller::Memory)
    }

    /// Whether the kernel has killed a process of it for its memory.
    pub(crate) fn out_of_memory(&self) -> bool {
        self.memory().is_some_and(|folder| {
            let file = match folder.version {
                Version::One => "memory.oom_control",
                Version::Two => "memory.events",
            };
            let text = fs::read_to_string(folder.path.join(file)).unwrap_or_default();
            let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            kills.is_some_and(|kills| kills.trim() != "0")
        })
    }

    /// The most memory it ever had, in bytes.
    pub(crate) fn peak(&self) -> Option<u64> {
        let folder = self.memory()?;
        let file = match folder.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        fs::read_to_string(folder.path.join(file)).ok()?.trim().parse().ok()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.node.remove(&self.paths);
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn set(folder: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string()).map_err(|error| at(&path, &error))
}

/// What a tenant's folder needs before there can be cells in it. It has no limit of memory: that is each server's own.
fn share_out(folder: &Folder, tenant: &Path) -> io::Result<()> {
    if folder.version == Version::Two {
        set(tenant, "cgroup.subtree_control", format!("+{}", folder.controller.name()))?;
    }
    match folder.controller {
        Controller::Pids => set(tenant, "pids.max", MAX_TENANT_PIDS),
        Controller::Memory | Controller::Cpu => Ok(()),
    }
}

fn limit(controller: Controller, version: Version, folder: &Path, limits: &Limits) -> io::Result<()> {
    let bytes = u64::from(limits.memory_mb) << 20;
    let quota = limits.cpu_percent * (PERIOD / 100);
    match (controller, version) {
        (Controller::Memory, Version::One) => {
            set(folder, "memory.limit_in_bytes", bytes)?;
            // Memory and swap together: no more than memory alone, so no swap. Not every kernel counts swap.
            match set(folder, "memory.memsw.limit_in_bytes", bytes) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        }
        (Controller::Memory, Version::Two) => {
            set(folder, "memory.max", bytes)?;
            // Not there where there is no swap.
            if folder.join("memory.swap.max").exists() {
                set(folder, "memory.swap.max", 0)?;
            }
            set(folder, "memory.oom.group", 1)
        }
        (Controller::Cpu, Version::One) => {
            set(folder, "cpu.cfs_period_us", PERIOD)?;
            set(folder, "cpu.cfs_quota_us", quota)
        }
        (Controller::Cpu, Version::Two) => set(folder, "cpu.max", format!("{quota} {PERIOD}")),
        (Controller::Pids, Version::One | Version::Two) => set(folder, "pids.max", MAX_PIDS),
    }
}

/// The node's folder for a controller, below the cgroup that this process is in: what holds for us holds for it.
fn open_folder(controller: Controller, name: &str, opened: &[Folder]) -> Result<Folder, String> {
    let (mounts, own) = ("/proc/self/mountinfo", "/proc/self/cgroup");
    let read = |path| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let hierarchies = hierarchies(&read(mounts)?, &read(own)?);
    let one =
        hierarchies.iter().find(|place| place.controllers.iter().any(|found| found == controller.name()));
    let folder = match one {
        Some(place) => Folder { controller, version: Version::One, path: place.path.join(name) },
        None => {
            let two = hierarchies.iter().find(|place| place.controllers.is_empty());
            let two =
                two.ok_or_else(|| format!("no cgroup hierarchy for {} is mounted", controller.name()))?;
            let path = delegated(&two.path, controller).map_err(|error| error.to_string())?.join(name);
            Folder { controller, version: Version::Two, path }
        }
    };
    if !opened.iter().any(|other| other.path == folder.path) {
        clear(&folder.path);
    }
    match fs::create_dir(&folder.path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(at(&folder.path, &error).to_string()),
        Ok(()) | Err(_) => {
            if folder.version == Version::Two {
                set(&folder.path, "cgroup.subtree_control", format!("+{}", controller.name()))
                    .map_err(|error| error.to_string())?;
            }
            if controller == Controller::Cpu {
                // Without a weight of their own all servers together would get as much as one process outside.
                weigh(&folder).map_err(|error| error.to_string())?;
            }
            Ok(folder)
        }
    }
}

/// Gives all servers together, beside what else runs on this machine, as much as one process for each core would get.
fn weigh(folder: &Folder) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    match folder.version {
        Version::One => set(&folder.path, "cpu.shares", 1_024 * cores.min(256)),
        Version::Two => set(&folder.path, "cpu.weight", 100 * cores.min(100)),
    }
}

/// Where in a version 2 hierarchy folders with this controller can be made: in our own cgroup where it is delegated to us
/// alone, else at the root. Processes and controllers may not be in one folder, so we move into one of our own.
fn delegated(own: &Path, controller: Controller) -> io::Result<PathBuf> {
    let available = fs::read_to_string(own.join("cgroup.controllers"))?;
    if !available.split_ascii_whitespace().any(|found| found == controller.name()) {
        return Err(io::Error::other(format!("cgroup 2 here has no {} controller", controller.name())));
    }
    let enable = || set(own, "cgroup.subtree_control", format!("+{}", controller.name()));
    if enable().is_ok() {
        return Ok(own.to_owned());
    }
    let ours = own.join("smcp-node");
    fs::create_dir_all(&ours).map_err(|error| at(&ours, &error))?;
    set(&ours, "cgroup.procs", 0)?;
    enable()?;
    Ok(own.to_owned())
}

/// A mounted hierarchy, with the folder of this process in it.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    /// Version 1's; none for version 2.
    controllers: Vec<String>,
    path: PathBuf,
}

/// Reads the mounts and our place in each hierarchy.
fn hierarchies(mounts: &str, own: &str) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let mut left = left.split(' ').skip(3);
        let (Some(root), Some(point)) = (left.next(), left.next()) else { continue };
        let mut right = right.split(' ');
        let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
        let controllers: Vec<String> = match kind {
            Some("cgroup2") => Vec::new(),
            Some("cgroup") => options.split(',').map(str::to_owned).collect(),
            _ => continue,
        };
        let ours = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            let here = match kind {
                Some("cgroup2") => names.is_empty(),
                _ => names.split(',').any(|name| controllers.iter().any(|found| found == name)),
            };
            here.then_some(path)
        });
        let Some(ours) = ours else { continue };
        // In a container the mount begins where the path does.
        let below = ours.strip_prefix(root).unwrap_or(ours).trim_start_matches('/');
        found.push(Hierarchy { controllers, path: Path::new(point).join(below) });
    }
    found
}

/// Removes a folder that an earlier node has left, with all that is in it: whatever runs there is killed.
fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    // Tenants, and cells in them: a folder can go when those in it have gone.
    for inner in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_dir()) {
        clear(&inner);
    }
    for _ in 0..TRIES {
        if fs::remove_dir(folder).map_or_else(|error| error.kind() == ErrorKind::NotFound, |()| true) {
            break;
        }
        let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_wherever_they_are() {
        let mounts = "1 2 0:3 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      4 1 0:4 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                      5 1 0:5 /docker/x /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      6 1 0:6 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/a/b\n2:cpu,cpuacct:/docker/x/c\n1:name=systemd:/\n0::/d\n";
        let places: Vec<_> = hierarchies(mounts, own).into_iter().map(|place| place.path).collect();
        let expected =
            ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/cpu,cpuacct/c", "/sys/fs/cgroup/unified/d"];
        assert_eq!(places, expected.map(PathBuf::from));
        assert_eq!(hierarchies(mounts, own)[1].controllers, ["rw", "cpu", "cpuacct"]);
    }
}
