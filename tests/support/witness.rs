//! A witness between a hosted process and the platform: every byte at the socket of its way out, in both directions.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use crate::node::binary;

/// Where a process finds the socket.
const PLACE: &str = "/out/egress.sock";

/// What went over the socket.
#[derive(Clone, Default)]
pub struct Seen {
    /// Connections that were made.
    pub connections: usize,
    /// From the process.
    pub sent: Vec<u8>,
    /// To the process.
    pub got: Vec<u8>,
}

/// The witness. It listens for as long as the test runs.
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
}

impl Witness {
    /// Stands between this process, which is awake, and the one socket of a way out that a node with this data has.
    ///
    /// # Panics
    /// When it cannot: the test runs as root, or shows nothing.
    pub fn between(process: u32, data: &Path, folder: &Path) -> Self {
        let ways_out = std::fs::read_dir(data.join("run")).unwrap().flatten().map(|entry| entry.path());
        let ways_out: Vec<_> =
            ways_out.filter(|path| path.extension().is_some_and(|end| end == "e")).collect();
        let [way_out] = &ways_out[..] else { panic!("not one process that is awake: {ways_out:?}") };
        let place = folder.join("witness.sock");
        let listener = UnixListener::bind(&place).unwrap();
        // As the platform's own: the process is a user of its own.
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o666)).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let (noted, platform) = (Arc::clone(&seen), way_out.clone());
        thread::spawn(move || {
            for process in listener.incoming().flatten() {
                pass_on(process, &platform, &noted).unwrap();
            }
        });
        cover(process, &place);
        Self { seen }
    }

    /// All of it so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

/// Lays the witness's socket over the one that the process was shown.
#[allow(clippy::disallowed_methods, reason = "tests start what `cargo build --workspace` made")]
fn cover(process: u32, with: &Path) {
    let prober: PathBuf = binary().with_file_name("smcp-prober");
    let mut command = Command::new(prober);
    let covered = command.args(["cover", &process.to_string()]).arg(with).arg(PLACE).output().unwrap();
    assert!(covered.status.success(), "{}", String::from_utf8_lossy(&covered.stderr));
}

/// Bytes are noted before they are passed on: what one side has, the witness has.
fn pass_on(process: UnixStream, platform: &Path, noted: &Arc<Mutex<Seen>>) -> io::Result<()> {
    let platform = UnixStream::connect(platform)?;
    noted.lock().unwrap().connections += 1;
    let (from, to, seen) = (process.try_clone()?, platform.try_clone()?, Arc::clone(noted));
    thread::spawn(move || copy(from, to, |bytes| seen.lock().unwrap().sent.extend_from_slice(bytes)));
    let seen = Arc::clone(noted);
    thread::spawn(move || copy(platform, process, |bytes| seen.lock().unwrap().got.extend_from_slice(bytes)));
    Ok(())
}

fn copy(mut from: UnixStream, mut to: UnixStream, note: impl Fn(&[u8])) {
    let mut block = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut block) {
        note(&block[..count]);
        if to.write_all(&block[..count]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}
