//! One hostile answer as it arrives: read up to a bound and a deadline, whatever it is.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::Result;
use crate::http::Address;

/// Most that is read of an answer.
const MOST: usize = 4 << 20;
/// Most that is kept of it to look at.
const KEPT: usize = 256 << 10;
/// How often a connection that says nothing is looked at.
const GLANCE: Duration = Duration::from_millis(50);

/// What came.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Its beginning, as text.
    pub(super) text: String,
    pub(super) bytes: usize,
    /// It has not ended, and why it was not waited for any longer.
    pub(super) open: bool,
    pub(super) took: Duration,
}

impl Heard {
    /// The status of an HTTP answer.
    pub(super) fn status(&self) -> Option<u16> {
        self.text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
    }
}

/// Sends a request that asks for the connection to be closed, and listens.
pub(super) fn ask(address: &Address, request: &[u8], within: Duration) -> Result<Heard> {
    match address {
        Address::Tcp(host) => {
            let stream = TcpStream::connect(host)?;
            stream.set_read_timeout(Some(GLANCE))?;
            listen(stream, request, within)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(GLANCE))?;
            listen(stream, request, within)
        }
    }
}

fn listen<S: std::io::Read + std::io::Write>(
    mut stream: S,
    request: &[u8],
    within: Duration,
) -> Result<Heard> {
    let began = Instant::now();
    stream.write_all(request)?;
    let (mut kept, mut heard, mut block) = (Vec::new(), Heard::default(), vec![0; 64 << 10]);
    loop {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                heard.bytes += count;
                let room = KEPT.saturating_sub(kept.len()).min(count);
                kept.extend_from_slice(&block[..room]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // Cut off: as far as this client goes, that is an end.
            Err(_) => break,
        }
        if began.elapsed() >= within || heard.bytes >= MOST {
            heard.open = true;
            break;
        }
    }
    heard.took = began.elapsed();
    heard.text = String::from_utf8_lossy(&kept).into_owned();
    Ok(heard)
}
