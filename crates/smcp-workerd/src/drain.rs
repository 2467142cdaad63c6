//! Reading what a process prints, always and within bounds: a full pipe would freeze it.

use std::time::Duration;

use smcp_core::ports::Clock;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Most bytes of one line that are kept: 8 KiB of message, each byte of it perhaps six in JSON, and its envelope.
const MAX_LINE: usize = 50 << 10;

/// Most bytes that are read at a time.
const CHUNK: usize = 16 << 10;
/// After so many at once, others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Reads to the end of the stream and hands on each line; the flag says that its end was cut off.
pub(crate) async fn drain(
    mut stream: impl AsyncRead + Unpin,
    clock: &dyn Clock,
    mut on_line: impl FnMut(&[u8], bool),
) {
    let mut chunk = vec![0; CHUNK];
    let mut lines = Lines::default();
    // An error on a pipe means the same as its end.
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        lines.feed(&chunk[..read], &mut on_line);
        if read == CHUNK {
            // It writes faster than anybody reads: it waits, and not everybody else.
            clock.sleep(PAUSE).await;
        }
    }
    lines.finish(&mut on_line);
}

/// Splits bytes into lines and drops what is too long.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    cut: bool,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], on_line: &mut impl FnMut(&[u8], bool)) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            self.keep(&bytes[..end]);
            self.finish(on_line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self, on_line: &mut impl FnMut(&[u8], bool)) {
        if !self.line.is_empty() {
            on_line(&self.line, self.cut);
        }
        self.line.clear();
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_whatever_the_chunks() {
        let input = b"one\n\ntwo\nthree";
        for size in 1..=input.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            let mut on_line =
                |line: &[u8], cut: bool| seen.push((String::from_utf8_lossy(line).into_owned(), cut));
            for chunk in input.chunks(size) {
                lines.feed(chunk, &mut on_line);
            }
            lines.finish(&mut on_line);
            assert_eq!(seen, ["one", "two", "three"].map(|line| (line.to_owned(), false)));
        }
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        let mut on_line = |line: &[u8], cut: bool| seen.push((line.len(), cut));
        for _ in 0..100 {
            lines.feed(&[b'x'; 9_999], &mut on_line);
        }
        lines.feed(b"\nshort\n", &mut on_line);
        assert!(lines.line.capacity() <= 2 * MAX_LINE);
        assert_eq!(seen, [(MAX_LINE, true), (5, false)]);
    }
}
