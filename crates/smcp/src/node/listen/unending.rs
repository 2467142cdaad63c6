//! Sending an answer that has no end of its own. HTTP's library keeps buffers of 16 KiB for a connection as long as it lives;
//! thousands of streams on which nothing happens should not have to pay for them.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use axum::{body::Body, response::Response};
use futures_util::StreamExt as _;
use http::Version;
use smcp_core::ports::Clock;
use smcp_http::Unending;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};

/// A client that takes nothing for so long is let go.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// What a client may send after its request before it is let go: nothing of it is read.
const MAX_IGNORED_BYTES: usize = 64 << 10;

/// Where an answer is put that is to be sent without the library.
#[derive(Default)]
pub(super) struct Taken {
    answer: Mutex<Option<Response>>,
    there: Notify,
}

impl Taken {
    /// Keeps an answer that has no end of its own, and gives back any other.
    pub(super) fn keep(&self, version: Version, answer: Response) -> Option<Response> {
        // Older clients know of no chunks.
        if version != Version::HTTP_11 || answer.extensions().get::<Unending>().is_none() {
            return Some(answer);
        }
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.there.notify_one();
        None
    }

    /// Waits for one.
    pub(super) async fn answer(&self) -> Response {
        loop {
            self.there.notified().await;
            if let Some(answer) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return answer;
            }
        }
    }
}

/// Sends it in chunks (RFC 9112, section 7.1) until it ends or the client goes; then the connection ends.
pub(super) async fn send(mut stream: TcpStream, answer: Response, clock: &dyn Clock) -> io::Result<()> {
    let (head, body) = head(answer, clock);
    stream.write_all(&head).await?;
    drop(head);
    let (mut reading, mut writing) = stream.split();
    let gone = async {
        let (mut ignored, mut bytes) = (0, [0; 64]);
        while let Ok(read @ 1..) = reading.read(&mut bytes).await {
            ignored += read;
            if ignored > MAX_IGNORED_BYTES {
                break;
            }
        }
    };
    let sending = async {
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            if !chunk.is_empty() {
                let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
                framed.extend_from_slice(&chunk);
                framed.extend_from_slice(b"\r\n");
                let late = || io::Error::from(io::ErrorKind::TimedOut);
                tokio::select! {
                    written = writing.write_all(&framed) => written?,
                    () = clock.sleep(STUCK_AFTER) => return Err(late()),
                }
            }
        }
        writing.write_all(b"0\r\n\r\n").await?;
        writing.shutdown().await
    };
    tokio::select! {
        () = gone => Ok(()),
        sent = sending => sent,
    }
}

fn head(answer: Response, clock: &dyn Clock) -> (Vec<u8>, Body) {
    let (head, body) = answer.into_parts();
    let mut out = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    let now = Duration::from_millis(clock.now().0.unsigned_abs());
    let date = httpdate::fmt_http_date(UNIX_EPOCH + now);
    let rest = format!("transfer-encoding: chunked\r\nconnection: close\r\ndate: {date}\r\n\r\n");
    out.extend_from_slice(rest.as_bytes());
    (out, body)
}
