//! Mounts and roots: rebuilding the tree that hostile code was put into.

use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{Done, address, call, text};
use crate::{Result, say};

pub(crate) const PROBES: &[(&str, Probe)] = &[("mount-inside", inside), ("mount", outside)];

const HERE: usize = libc::AT_FDCWD as isize as usize;
/// `OPEN_TREE_CLONE`, and `MOVE_MOUNT_F_EMPTY_PATH`: the tree is the descriptor itself.
const CLONE: usize = 1;
const EMPTY_PATH: usize = 4;
/// `umount2(".", MNT_DETACH)`
const DETACH: usize = 2;

/// `PROCESS FILE PLACE`: as the administrator, lays a file of ours over a place in what a process sees. No hostile code: a
/// test puts a witness between a hosted process and the platform.
pub(crate) fn cover(words: &[String]) -> Result<()> {
    let [process, file, place] = words else { return Err("which process, file and place?".into()) };
    let namespace = std::fs::File::open(format!("/proc/{process}/ns/mnt"))?;
    let [file, place, none] = [file, place, ""].map(text);
    let [file, place, none] = [&file, &place, &none].map(|text| address(text.as_slice()));
    let tree = call(libc::SYS_open_tree, &[HERE, file, CLONE])?;
    let namespace = std::os::fd::AsRawFd::as_raw_fd(&namespace) as usize;
    call(libc::SYS_setns, &[namespace, libc::CLONE_NEWNS as usize])?;
    call(libc::SYS_move_mount, &[tree, none, HERE, place, EMPTY_PATH])?;
    say("covered")
}

/// In user and mount namespaces of its own, where hostile code has every capability.
fn inside(order: &Order) -> Outcome {
    let both = (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) as usize;
    if let Err(error) = call(libc::SYS_unshare, &[both]) {
        return Outcome::Refused(format!("unshare {error:?}"));
    }
    Outcome::of(attempt(&order.row), "done").unless_missing()
}

/// With what capabilities it was started with.
fn outside(order: &Order) -> Outcome {
    Outcome::of(attempt(&order.row), "done").unless_missing()
}

fn attempt(row: &str) -> Done {
    let [root, here, tmpfs] = ["/", ".", "tmpfs"].map(text);
    let [root, here, tmpfs] = [&root, &here, &tmpfs].map(|text| address(text.as_slice()));
    let recursive_private = (libc::MS_REC | libc::MS_PRIVATE) as usize;
    match row {
        "mount" => call(libc::SYS_mount, &[tmpfs, root, tmpfs, 0, 0]),
        "propagation" => call(libc::SYS_mount, &[0, root, 0, recursive_private, 0]),
        "bind" => call(libc::SYS_mount, &[root, root, 0, (libc::MS_BIND | libc::MS_REC) as usize, 0]),
        "fsopen" => call(libc::SYS_fsopen, &[tmpfs, 0]),
        "open_tree" => call(libc::SYS_open_tree, &[HERE, root, CLONE]),
        "pivot_root" => {
            call(libc::SYS_mount, &[tmpfs, root, tmpfs, 0, 0])?;
            call(libc::SYS_chdir, &[root])?;
            // The new root must be a mount point: the one that was just put on top.
            let new = text("/..");
            call(libc::SYS_chdir, &[address(new.as_slice())])?;
            call(libc::SYS_pivot_root, &[here, here])
        }
        "umount" => {
            call(libc::SYS_mount, &[tmpfs, root, tmpfs, 0, 0])?;
            let top = text("/..");
            call(libc::SYS_umount2, &[address(top.as_slice()), DETACH])
        }
        "chroot" => call(libc::SYS_chroot, &[root]),
        _ => Err(nix::errno::Errno::EINVAL),
    }
}
