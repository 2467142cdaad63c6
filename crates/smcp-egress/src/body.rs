//! Bodies on their way: out no larger than was said, back no larger than is taken, no later, and without secrets.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::future::BoxFuture;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use smcp_core::{
    ports::HostedBody,
    redact::{Gunzip, Redacting},
};
use smcp_types::{Error, Refusal, Result};

use crate::{exchange::Driver, headers::Length, places::Place, record::Entry};

/// The body of a request, as long as nobody knows who will read it.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<HostedBody>>);

impl Source {
    pub(crate) fn new(body: HostedBody) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(context)
    }

    /// Reads up to so many bytes and keeps nothing of them: unread ones would reset the connection, answer and all.
    pub(crate) async fn pass_over(&self, most: usize) {
        let mut left = most;
        while let Some(Ok(chunk)) = poll_fn(|context| self.poll(context)).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    }
}

/// The body of a request on its way out.
pub(crate) struct Outgoing {
    source: Source,
    length: Length,
    most: u64,
    sent: Arc<AtomicU64>,
    too_large: Arc<AtomicBool>,
}

impl Outgoing {
    /// `sent` counts its bytes, `too_large` tells when it breaks off because there are more than `most`.
    pub(crate) fn new(
        source: Source,
        (length, most): (Length, u64),
        sent: Arc<AtomicU64>,
        too_large: Arc<AtomicBool>,
    ) -> Self {
        Self { source, length, most, sent, too_large }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let next = ready!(self.source.poll(context));
        let Some(chunk) = next.transpose()? else { return Poll::Ready(None) };
        let sent = self.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if sent > self.most {
            self.too_large.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Error::invalid("the body is too large"))));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.length, Length::None | Length::Exactly(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Length::None => SizeHint::with_exact(0),
            // hyper holds the stream to it.
            Length::Exactly(length) => SizeHint::with_exact(length),
            Length::Unknown => SizeHint::default(),
        }
    }
}

/// How the body of an answer is looked through.
pub(crate) enum Look {
    /// Not at all: no secret was sent.
    Not,
    /// For secrets.
    Redact(Redacting),
    /// For secrets, unpacked.
    Unpack(Box<Gunzip>, Redacting),
}

/// The body of an answer, with everything that lives as long as it.
pub(crate) struct Answer {
    pub(crate) body: Incoming,
    /// Moves the connection's bytes; `None` once it has ended.
    pub(crate) driver: Option<Driver>,
    pub(crate) look: Look,
    /// When it is over, whatever the other side does.
    pub(crate) deadline: BoxFuture<'static, ()>,
    /// How many bytes hosted code still gets.
    pub(crate) left: u64,
    pub(crate) entry: Entry,
    /// Held until then.
    pub(crate) _place: Place,
}

impl Answer {
    /// What is given of a chunk from outside.
    fn look_through(&mut self, chunk: Bytes) -> Result<Bytes> {
        let left = &mut self.left;
        let mut given = Vec::new();
        match &mut self.look {
            Look::Not => return spend(left, chunk.len()).map(|()| chunk),
            Look::Redact(redacting) => given = redacting.push(&chunk),
            Look::Unpack(gunzip, redacting) => gunzip.push(&chunk, |piece| {
                spend(left, piece.len())?;
                given.extend(redacting.push(piece));
                Ok(())
            })?,
        }
        if matches!(self.look, Look::Redact(_)) {
            spend(&mut self.left, chunk.len())?;
        }
        Ok(given.into())
    }

    /// What was held back until the end.
    fn finish(&mut self) -> Result<Bytes> {
        let left = &mut self.left;
        let mut given = Vec::new();
        match std::mem::replace(&mut self.look, Look::Not) {
            Look::Not => {}
            Look::Redact(mut redacting) => given = redacting.finish(),
            Look::Unpack(gunzip, mut redacting) => {
                gunzip.finish(|piece| {
                    spend(left, piece.len())?;
                    given.extend(redacting.push(piece));
                    Ok(())
                })?;
                given.extend(redacting.finish());
            }
        }
        Ok(given.into())
    }

    /// The next chunk from outside, counted.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(cut("it took too long"))));
        }
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(context).is_ready()
        {
            self.driver = None;
        }
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else { return Poll::Ready(Some(Err(cut("it broke off")))) };
            // Trailers go nowhere.
            if let Ok(chunk) = frame.into_data() {
                self.entry.received(chunk.len());
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
    }
}

fn spend(left: &mut u64, bytes: usize) -> Result<()> {
    *left = left.checked_sub(bytes as u64).ok_or_else(|| cut("it was too large"))?;
    Ok(())
}

fn cut(why: &str) -> Error {
    Error::Unavailable(Refusal::new(why))
}

/// The stream that hosted code reads; `None` when it is over.
pub(crate) struct AnswerStream(Option<Box<Answer>>);

impl AnswerStream {
    pub(crate) fn new(answer: Answer) -> Self {
        Self(Some(Box::new(answer)))
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            let Some(answer) = &mut self.0 else { return Poll::Ready(None) };
            let (given, over) = match ready!(answer.poll_chunk(context)) {
                Some(chunk) => (chunk.and_then(|chunk| answer.look_through(chunk)), false),
                None => (answer.finish(), true),
            };
            if let Err(error) = &given {
                answer.entry.cut_off(&error_words(error));
            }
            if over || given.is_err() {
                self.0 = None;
            }
            match given {
                Ok(bytes) if bytes.is_empty() => {}
                given => return Poll::Ready(Some(given)),
            }
        }
    }
}

fn error_words(error: &Error) -> String {
    match error {
        Error::Unavailable(refusal) => refusal.message.clone(),
        other => other.to_string(),
    }
}
