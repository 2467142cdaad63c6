//! Folders that hosted code has written, on their way out: taken away at once, removed in the background by a thread
//! that nothing waits for, whatever is in them. However deep folders lie in folders, none of them is climbed into: each is
//! moved to the top first.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// Names that are tried for one folder: those of an earlier run may be taken.
const TRIES: usize = 1 << 16;

/// A folder of the platform's alone, on the same file system as what is thrown into it.
#[derive(Clone)]
pub struct Trash {
    folder: PathBuf,
    next: Arc<AtomicU64>,
    news: Sender<()>,
}

impl Trash {
    /// Makes the folder and begins to remove what an earlier run has left in it.
    ///
    /// # Errors
    /// When it cannot be made, or the system gives no thread.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let (news, inbox) = channel();
        let (next, there) = (Arc::new(AtomicU64::new(1)), folder.clone());
        let names = Arc::clone(&next);
        thread::Builder::new()
            .name("trash".to_owned())
            .spawn(move || empty_for_ever(&there, &names, &inbox))?;
        let trash = Self { folder, next, news };
        trash.wake();
        Ok(trash)
    }

    /// Takes a folder away. It is gone from its place when this returns; one that is not there is gone already.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn throw(&self, folder: &Path) -> io::Result<()> {
        match move_to(folder, &self.folder, &self.next) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            moved => {
                self.wake();
                moved
            }
        }
    }

    fn wake(&self) {
        // The thread ends with the process.
        let _ = self.news.send(());
    }
}

/// Moves something to the top under a name that is free.
fn move_to(from: &Path, top: &Path, names: &AtomicU64) -> io::Result<()> {
    for _ in 0..TRIES {
        let name = names.fetch_add(1, Ordering::Relaxed).to_string();
        match fs::rename(from, top.join(name)) {
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            }
            moved => return moved,
        }
    }
    Err(io::Error::other("no name is free in the trash"))
}

fn empty_for_ever(folder: &Path, names: &AtomicU64, inbox: &Receiver<()>) {
    while inbox.recv().is_ok() {
        while inbox.try_recv().is_ok() {}
        if let Err(error) = empty(folder, names) {
            tracing::warn!(folder = %folder.display(), %error, "what hosted code has left cannot be removed");
        }
    }
}

/// Removes everything in the folder. What cannot be removed keeps nothing else; it is tried again with the next.
///
/// # Errors
/// Why the last thing that is left is left.
fn empty(top: &Path, names: &AtomicU64) -> io::Result<()> {
    loop {
        let (mut removed, mut stays) = (false, Ok(()));
        for entry in fs::read_dir(top)? {
            match remove(&entry?.path(), top, names) {
                Ok(()) => removed = true,
                Err(error) => stays = Err(error),
            }
        }
        if !removed {
            return stays;
        }
    }
}

fn remove(path: &Path, top: &Path, names: &AtomicU64) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    flatten(path, top, names)?;
    fs::remove_dir(path)
}

/// Removes the files of a folder and moves its folders to the top.
fn flatten(folder: &Path, top: &Path, names: &AtomicU64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            move_to(&entry.path(), top, names)?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::{
        fcntl::{OFlag, open, openat},
        sys::stat::{Mode, mkdirat},
    };

    use super::*;

    #[test]
    fn depth_and_links_do_not_matter() {
        let home = tempfile::tempdir().unwrap();
        let (top, outside) = (home.path().join("trash"), home.path().join("outside"));
        fs::create_dir_all(&top).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY;
        let first = home.path().join("deep");
        fs::create_dir(&first).unwrap();
        symlink(&outside, first.join("link")).unwrap();
        fs::write(first.join("file"), "x").unwrap();
        let mut at = open(&first, flags, Mode::empty()).unwrap();
        for _ in 0..20_000 {
            mkdirat(&at, "d", Mode::S_IRWXU).unwrap();
            at = openat(&at, "d", flags, Mode::empty()).unwrap();
        }
        let names = AtomicU64::new(1);
        move_to(&first, &top, &names).unwrap();
        // A name of an earlier run.
        fs::create_dir_all(top.join("3/taken")).unwrap();
        empty(&top, &names).unwrap();
        assert_eq!(fs::read_dir(&top).unwrap().count(), 0);
        assert!(outside.join("kept").is_file() && !first.exists());
    }

    #[test]
    fn what_is_thrown_away_is_gone_at_once() {
        let home = tempfile::tempdir().unwrap();
        let trash = Trash::open(home.path().join("trash")).unwrap();
        let folder = home.path().join("folder");
        fs::create_dir(&folder).unwrap();
        trash.throw(&folder).unwrap();
        assert!(!folder.exists());
        trash.throw(&folder).unwrap();
        let empty = || fs::read_dir(home.path().join("trash")).unwrap().count() == 0;
        assert!((0..100_000).any(|_| {
            thread::yield_now();
            empty()
        }));
    }
}
