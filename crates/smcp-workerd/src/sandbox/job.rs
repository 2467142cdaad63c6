//! What the stub is told: everything about one process to be, and no secret.

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Layers;

/// The word that makes the binary a stub.
pub const STUB_WORD: &str = "__sandbox";
/// The descriptor on which the stub is told its job and says how far it is.
pub(crate) const JOB_FD: i32 = 40;
/// The first descriptor after standard error that a process is given.
pub(crate) const FIRST_FD: i32 = 3;
/// The code of a sandbox that could not be set up.
pub(crate) const FAILED: u8 = 111;
/// User and group inside a user namespace.
pub(crate) const INSIDE_ID: u32 = 1000;

/// A job for the stub.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The layers to set up.
    pub(crate) layers: Layers,
    /// Whether a system call outside of what workerd was seen to use ends the process.
    pub(crate) strict: bool,
    /// Whether it may make memory executable, which V8's compiler needs.
    pub(crate) jit: bool,
    /// The program and its arguments.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What it can see.
    pub(crate) files: Vec<Visible>,
    /// An empty folder over which its root is built.
    pub(crate) root: PathBuf,
    /// The user and group it becomes.
    pub(crate) uid: u32,
    /// How many descriptors from the third on are its own.
    pub(crate) descriptors: i32,
    /// The files of its cgroups that it writes itself into.
    pub(crate) cells: Vec<PathBuf>,
    /// The limit of private memory in bytes, where no cgroup limits it.
    pub(crate) data_limit: Option<u64>,
    /// The size in bytes that no file it writes may pass.
    pub(crate) file_limit: u64,
}

impl Job {
    /// Whether it may write in some folder.
    pub(crate) fn has_state(&self) -> bool {
        self.files.iter().any(|file| file.kind == Kind::State)
    }
}

/// A file or folder that the process can see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Visible {
    /// Where it is.
    pub(crate) from: PathBuf,
    /// Where it appears in the new root.
    pub(crate) to: PathBuf,
    pub(crate) kind: Kind,
}

/// What may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// A program or library: read and execute.
    Code,
    /// A device to read and write.
    Device,
    /// A socket to connect to.
    Socket,
    /// A folder to read.
    Folder,
    /// A folder of its own, to read and to write: files and folders in it, and nothing that is executed.
    State,
}

/// What the stub reports once its child exists: its number, or minus its number when it could not be let go on.
pub(crate) type Report = [u8; 4];
