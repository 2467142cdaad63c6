//! Giving a process bytes on its standard input that are in no file: it reads them once, and nothing of them stays.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use nix::fcntl::{FcntlArg, fcntl};
use tokio::{io::AsyncWriteExt as _, net::unix::pipe::Sender};
use zeroize::Zeroizing;

/// As much as a pipe may hold at once without asking for more than anybody has.
const PIPE_BYTES: usize = 1 << 20;

/// The end of a pipe that these bytes come out of. What does not fit into it at once follows as it is read; when it is
/// dropped unread, so are they.
///
/// A pipe and not a file in memory: a file could be mapped as code, and its bytes are a publisher's.
pub(crate) fn feed(bytes: Zeroizing<Vec<u8>>) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    let wanted = i32::try_from(bytes.len().min(PIPE_BYTES)).unwrap_or_default();
    // Where it is not given, the bytes go through in smaller pieces.
    let _ = fcntl(writer.as_fd(), FcntlArg::F_SETPIPE_SZ(wanted));
    let mut writer = Sender::from_owned_fd(writer.into())?;
    #[allow(
        clippy::disallowed_methods,
        reason = "ends with the pipe's other end, which the process or its start holds"
    )]
    tokio::spawn(async move {
        // Who stops reading does not want the rest.
        let _ = writer.write_all(&bytes).await;
    });
    Ok(reader.into())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _};

    use super::*;

    #[tokio::test]
    async fn everything_comes_through_and_then_the_end() {
        for size in [0, 1, 100_000, 5 << 20] {
            let bytes = vec![7; size];
            let mut reader = File::from(feed(Zeroizing::new(bytes.clone())).unwrap());
            let read = tokio::task::spawn_blocking(move || {
                let mut read = Vec::new();
                reader.read_to_end(&mut read).map(|_| read)
            });
            assert!(read.await.unwrap().unwrap() == bytes, "{size}");
        }
    }

    #[tokio::test]
    async fn who_does_not_read_leaves_nothing_behind() {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let reader = feed(Zeroizing::new(vec![7; 5 << 20])).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(tasks(), 1);
        drop(reader);
        while tasks() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
