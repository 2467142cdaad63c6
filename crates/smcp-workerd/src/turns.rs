//! A stream that takes turns: what one hosted process sends never keeps all others from being served.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read in one turn; then the others have theirs.
const TURN: u64 = 16 << 10;
/// Bytes that may come before the head of an answer. There is no other end to informational heads (RFC 9110, 15.2).
const BEFORE_HEAD: u64 = 64 << 10;

/// What the user of a connection tells its stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Awaiting(Arc<AtomicU64>);

/// No head is awaited.
const NOTHING: u64 = u64::MAX;

impl Awaiting {
    /// The head of an answer is awaited from now on.
    pub(crate) fn head(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// It is there.
    pub(crate) fn body(&self) {
        self.0.store(NOTHING, Ordering::Relaxed);
    }

    /// Notes bytes that came; one that awaits nothing counts none.
    fn count(&self, bytes: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            (before != NOTHING).then(|| before.saturating_add(bytes).min(NOTHING - 1))
        });
    }

    fn is_too_long(&self) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        before != NOTHING && before > BEFORE_HEAD
    }
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Turns<S> {
    stream: S,
    awaiting: Awaiting,
    /// Bytes read in this turn.
    read: u64,
}

impl<S> Turns<S> {
    pub(crate) fn new(stream: S) -> (Self, Awaiting) {
        let awaiting = Awaiting::default();
        awaiting.body();
        (Self { stream, awaiting: awaiting.clone(), read: 0 }, awaiting)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Turns<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.awaiting.is_too_long() {
            return Poll::Ready(Err(io::Error::other("the head of the answer does not come to an end")));
        }
        if self.read >= TURN {
            self.read = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        match polled {
            // Whoever waits has had its turn.
            Poll::Pending => self.read = 0,
            Poll::Ready(_) => {
                let bytes = (buffer.filled().len() - before) as u64;
                self.read += bytes;
                self.awaiting.count(bytes);
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Turns<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    /// Reads once, without waiting; the bytes that came.
    fn read_now(stream: &mut Turns<tokio::io::Repeat>, size: usize) -> Poll<io::Result<usize>> {
        let mut bytes = vec![0; size];
        let mut buffer = ReadBuf::new(&mut bytes);
        let mut context = Context::from_waker(std::task::Waker::noop());
        Pin::new(stream).poll_read(&mut context, &mut buffer).map_ok(|()| buffer.filled().len())
    }

    #[test]
    fn a_flood_gives_others_their_turn() {
        let (mut stream, _) = Turns::new(tokio::io::repeat(b'x'));
        for _ in 0..3 {
            assert!(matches!(read_now(&mut stream, 10_000), Poll::Ready(Ok(10_000))));
            assert!(matches!(read_now(&mut stream, 10_000), Poll::Ready(Ok(10_000))));
            assert!(read_now(&mut stream, 1).is_pending());
        }
    }

    #[tokio::test]
    async fn a_head_comes_to_an_end() {
        let (mut stream, awaiting) = Turns::new(tokio::io::repeat(b'x'));
        let mut bytes = vec![0; 40_000];
        for _ in 0..5 {
            stream.read_exact(&mut bytes).await.unwrap();
        }
        awaiting.head();
        stream.read_exact(&mut bytes).await.unwrap();
        // The read that passes the bound may bring the head with it; the next one must not be needed.
        stream.read_exact(&mut bytes).await.unwrap();
        assert!(stream.read_exact(&mut bytes).await.unwrap_err().to_string().contains("head"));
        awaiting.body();
        stream.read_exact(&mut bytes).await.unwrap();
    }
}
