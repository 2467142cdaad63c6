//! The private folder of sockets: short names, mode 0700, nothing left over.

use std::{
    fs,
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::trash::Trash;

/// Longest path of a socket that the kernel takes, its final zero aside.
const MAX_PATH: usize = 107;
/// Room for the longest name this module gives: `/`, a number and `.h`.
const MAX_NAME: usize = 1 + 20 + 2;

/// Suffix of folders that go with their process.
const SCRATCH: &str = ".s";

/// The folder. Every socket in it is ours; every process gets its own.
pub(crate) struct RunFolder {
    path: PathBuf,
    next: AtomicU64,
    trash: Trash,
}

impl RunFolder {
    /// Takes the folder over: makes it, makes it private, and removes the sockets a killed platform left behind. The
    /// caller makes sure that no other platform uses it.
    pub(crate) fn open(path: PathBuf, trash: Trash) -> io::Result<Self> {
        if path.as_os_str().len() + MAX_NAME > MAX_PATH {
            let why = format!(
                "the run folder's path is too long for sockets (at most {} bytes)",
                MAX_PATH - MAX_NAME
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let found = fs::symlink_metadata(&path)?;
        if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(io::Error::new(
                ErrorKind::PermissionDenied,
                "the run folder belongs to somebody else",
            ));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_type()?.is_socket() {
                fs::remove_file(entry.path())?;
            } else if entry.file_name().to_string_lossy().ends_with(SCRATCH) {
                trash.throw(&entry.path())?;
            }
        }
        let folder = Self { path, next: AtomicU64::new(1), trash };
        fs::create_dir_all(folder.health())?;
        fs::write(folder.health().join("ok"), "ok\n")?;
        // Read by every hosted process, whoever it runs as, where the sandbox shows it the folder.
        fs::set_permissions(folder.health(), fs::Permissions::from_mode(0o755))?;
        fs::set_permissions(folder.health().join("ok"), fs::Permissions::from_mode(0o644))?;
        Ok(folder)
    }

    /// The folder with the one file that the health socket serves.
    pub(crate) fn health(&self) -> PathBuf {
        self.path.join("health")
    }

    /// A listening socket of ours for one process: where it finds a service it may use.
    pub(crate) fn service(&self, number: u64, suffix: &str) -> io::Result<Socket> {
        let socket = Socket::bind(self.path.join(format!("{number}{suffix}")))?;
        // Hosted processes run as users of their own. The folder is closed, so only whom the sandbox shows it can connect.
        fs::set_permissions(socket.path(), fs::Permissions::from_mode(0o666))?;
        Ok(socket)
    }

    /// A folder that goes when it is dropped: what a trial's objects keep.
    pub(crate) fn scratch(&self, number: u64) -> io::Result<Scratch> {
        let path = self.path.join(format!("{number}{SCRATCH}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path, trash: self.trash.clone() })
    }

    /// A pair of listening sockets for a new process, and the number that is its own.
    pub(crate) fn sockets(&self) -> io::Result<(u64, Socket, Socket)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bind = |suffix| Socket::bind(self.path.join(format!("{number}{suffix}")));
        Ok((number, bind("")?, bind(".h")?))
    }
}

/// A folder of ours that goes when it is dropped.
pub(crate) struct Scratch {
    path: PathBuf,
    trash: Trash,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What could not be taken away goes when the folder is opened again.
        if let Err(error) = self.trash.throw(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "what a trial has left stays");
        }
    }
}

/// A listening socket that we hold. Its name goes when it is dropped; so does every connection nobody has accepted.
pub(crate) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    fn bind(path: PathBuf) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        Ok(Self { path, listener })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A second descriptor of it, for ourselves to listen on.
    pub(crate) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        tokio::net::UnixListener::from_std(listener)
    }

    /// A second descriptor of it, for a process.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.listener.try_clone()?.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
