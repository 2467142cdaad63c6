//! A folder of state becomes the property of the user that its process becomes: that user may be another one each time.
//!
//! What is in the folder was made by hosted code. Everything is opened as a place, looked at and then given away by the
//! same descriptor, so that nothing outside of the folder is reached, by no link and no other name.

use std::{ffi::CStr, os::fd::OwnedFd};

use nix::{
    dir::Dir,
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstat},
    unistd::{Gid, Uid, fchownat},
};

use super::{Named as _, Step, ids, mounts};
use crate::sandbox::job::{Job, Kind};

/// Folders in folders; no runtime here makes more than three.
const MAX_DEPTH: u32 = 8;
/// Files and folders of one process.
const MAX_ENTRIES: u32 = 1 << 20;

/// Gives every folder of state to the user of the job.
pub(super) fn hand_over(job: &Job) -> Step<()> {
    let (user, group) = ids(job);
    for file in job.files.iter().filter(|file| file.kind == Kind::State) {
        let top = mounts::open_one(&file.from)?;
        let found = fstat(&top).step(file.from.display())?;
        if kind(&found) != SFlag::S_IFDIR {
            return Err(format!("{}: is no folder", file.from.display()));
        }
        let mut walk = Walk { user, group, device: found.st_dev, left: MAX_ENTRIES };
        walk.give(&top, &found).step(file.from.display())?;
        walk.folder(&top, MAX_DEPTH).step(file.from.display())?;
    }
    Ok(())
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

/// One folder of state on the way through it.
struct Walk {
    user: Uid,
    group: Gid,
    /// The file system that all of it is in.
    device: nix::libc::dev_t,
    left: u32,
}

impl Walk {
    fn folder(&mut self, folder: &OwnedFd, depth: u32) -> Step<()> {
        let depth = depth.checked_sub(1).ok_or("it is too deep")?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut entries = Dir::openat(folder, ".", flags, Mode::empty()).step("opening")?;
        for entry in entries.iter() {
            let entry = entry.step("reading")?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entry(folder, name, depth).step(name.to_string_lossy())?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, name: &CStr, depth: u32) -> Step<()> {
        self.left = self.left.checked_sub(1).ok_or("there are too many files")?;
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let place = openat(folder, name, flags, Mode::empty()).step("opening")?;
        let found = fstat(&place).step("looking")?;
        if found.st_dev != self.device {
            return Err("is of another file system".to_owned());
        }
        match kind(&found) {
            SFlag::S_IFDIR => {
                self.give(&place, &found)?;
                self.folder(&place, depth)
            }
            // Its other name may be anywhere.
            SFlag::S_IFREG if found.st_nlink > 1 => Err("has more than one name".to_owned()),
            SFlag::S_IFREG => self.give(&place, &found),
            _ => Err("is neither file nor folder".to_owned()),
        }
    }

    fn give(&self, place: &OwnedFd, found: &FileStat) -> Step<()> {
        if (found.st_uid, found.st_gid) == (self.user.as_raw(), self.group.as_raw()) {
            return Ok(());
        }
        let (user, group) = (Some(self.user), Some(self.group));
        fchownat(place, c"", user, group, AtFlags::AT_EMPTY_PATH).step("chown")
    }
}
