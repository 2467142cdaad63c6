//! The new root: a small read-only tmpfs with a handful of files bound into it, none of which can be written but what
//! is in a folder of state.

use std::{
    fs::{self, File},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::symlink,
    },
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open as open_file},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::{
        stat::Mode,
        statvfs::{FsFlags, statvfs},
    },
    unistd::{chdir, pivot_root},
};

use super::{Named as _, Step, inside};
use crate::sandbox::job::{Kind, Visible};

const NOTHING: Option<&str> = None;

/// Something to be seen in the new root. Held open, because its folders are closed to the user the process becomes.
pub(super) struct Source {
    pub(super) file: OwnedFd,
    pub(super) to: PathBuf,
    pub(super) kind: Kind,
}

pub(super) fn open(files: &[Visible]) -> Step<Vec<Source>> {
    files
        .iter()
        .map(|Visible { from, to, kind }| Ok(Source { file: open_one(from)?, to: to.clone(), kind: *kind }))
        .collect()
}

/// Opens a file as a place, without reading it.
pub(super) fn open_one(path: &Path) -> Step<OwnedFd> {
    open_file(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).step(path.display())
}

/// Mounts the new root and goes there, while the folders above it can still be passed.
pub(super) fn prepare(root: &Path, owner: u32) -> Step<()> {
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)
        .step("mount --make-private")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = format!("size=256k,nr_inodes=128,mode=0755,uid={owner},gid={owner}");
    mount(Some("sandbox"), root, Some("tmpfs"), flags, Some(options.as_str())).step("mount tmpfs")?;
    chdir(root).step("chdir")
}

/// Fills the new root and makes it the only one.
pub(super) fn build(sources: &[Source], program: &Path) -> Step<()> {
    for source in sources {
        bind(source).step(format_args!("mount {}", source.to.display()))?;
    }
    // All of /proc there is: workerd looks itself up at its start.
    fs::create_dir_all("proc/self")
        .and_then(|()| symlink(program, "proc/self/exe"))
        .step("/proc/self/exe")?;
    pivot_root(".", ".").step("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).step("umount")?;
    chdir("/").step("chdir")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    mount(NOTHING, "/", NOTHING, flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NOTHING).step("mount -r /")
}

fn bind(source: &Source) -> Result<(), std::io::Error> {
    let to = inside(source);
    match source.kind {
        Kind::Folder | Kind::State => fs::create_dir_all(to)?,
        Kind::Code | Kind::Device | Kind::Socket => {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create(to)?;
        }
    }
    let from = format!("/proc/self/fd/{}", source.file.as_raw_fd());
    mount(Some(from.as_str()), to, NOTHING, MsFlags::MS_BIND, NOTHING)?;
    let (read_only, no_device, no_program) = (MsFlags::MS_RDONLY, MsFlags::MS_NODEV, MsFlags::MS_NOEXEC);
    let flags = match source.kind {
        Kind::Code => read_only | no_device,
        Kind::Device => read_only | no_program,
        Kind::Socket | Kind::Folder => read_only | no_device | no_program,
        Kind::State => no_device | no_program,
    };
    let flags = flags | MsFlags::MS_NOSUID | inherited(to)?;
    mount(NOTHING, to, NOTHING, flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND, NOTHING)?;
    Ok(())
}

/// What the place is mounted with already: in a user namespace none of it may be given up.
fn inherited(place: &Path) -> nix::Result<MsFlags> {
    let found = statvfs(place)?.flags();
    let pairs = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
    ];
    Ok(pairs.into_iter().filter(|(seen, _)| found.contains(*seen)).map(|(_, flag)| flag).collect())
}
