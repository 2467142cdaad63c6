//! Accepting connections: HTTP/1.1 and HTTP/2 on one listener, bounded, drained at the end.

#![allow(
    clippy::disallowed_methods,
    reason = "each connection is a task, and draining waits for all of them"
)]

mod unending;

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use smcp_core::ports::Clock;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, watch},
};
use unending::Taken;

/// A client that has not sent its headers by then is let go.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Largest request head.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// HTTP/2 streams of one connection.
const MAX_STREAMS: u32 = 250;
/// Open connections, if there are descriptors for twice as many; more wait in the backlog.
const MAX_CONNECTIONS: u64 = 50_000;
/// What a connection of HTTP/2 begins with (RFC 9113, section 3.4), as far as no method of HTTP/1.1 does.
const PREFACE: [u8; 3] = *b"PRI";
/// When it is looked at again whether the rest of that has come.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// When accepting fails for want of descriptors, how long until the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets requests finish for at most `drain`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
    drain: Duration,
) {
    let connections = GracefulShutdown::new();
    let running = watch::Sender::new(());
    let room = Arc::new(Semaphore::new(places()));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, place)) = accepted else {
            clock.sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, watcher, running) = (router.clone(), connections.watcher(), running.subscribe());
        let connection = Connection { stream, router, watcher, running };
        let clock = Arc::clone(&clock);
        tokio::spawn(async move {
            let _place = place;
            connection.serve(&*clock).await;
        });
    }
    drop((listener, running));
    tokio::select! {
        () = connections.shutdown() => {}
        () = clock.sleep(drain) => tracing::warn!("some requests did not finish in time"),
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, Place)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // An answer is one write; waiting for more to send with it costs 40 ms.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            None
        }
    }
}

/// How many connections there is room for: what they ask for takes descriptors, too.
fn places() -> usize {
    use nix::sys::resource::{Resource, getrlimit};
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
    usize::try_from((limit / 4 * 3).min(MAX_CONNECTIONS)).unwrap_or(1024)
}

/// A connection that has said nothing yet.
struct Connection {
    stream: TcpStream,
    router: Router,
    watcher: Watcher,
    /// Closed when the node stops.
    running: watch::Receiver<()>,
}

impl Connection {
    /// Serves it. Whatever it speaks, one that has not asked for anything in time is let go.
    async fn serve(self, clock: &dyn Clock) {
        let asked = Notify::new();
        let ended = {
            let mut work = std::pin::pin!(self.speak(clock, &asked));
            tokio::select! {
                ended = &mut work => ended,
                () = asked.notified() => work.await,
                () = clock.sleep(HEADERS_WITHIN) => return,
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn speak(mut self, clock: &dyn Clock, asked: &Notify) -> Result<(), String> {
        let is_http2 = tokio::select! {
            is_http2 = begins_http2(&self.stream, clock) => is_http2.map_err(|error| error.to_string())?,
            _ = self.running.changed() => return Ok(()),
        };
        if !is_http2 {
            return self.speak_http1(clock, asked).await;
        }
        let service = TowerToHyperService::new(self.router);
        let service = service_fn(move |request: Request<Incoming>| {
            asked.notify_one();
            service.call(request.map(Body::new))
        });
        let connection = http2().serve_connection(TokioIo::new(self.stream), service);
        // In a box, so that a connection of HTTP/1.1 does not pay for it.
        Box::pin(self.watcher.watch(connection)).await.map_err(|error| error.to_string())
    }

    async fn speak_http1(self, clock: &dyn Clock, asked: &Notify) -> Result<(), String> {
        let Self { stream, router, watcher: _watcher, mut running } = self;
        let taken = Taken::default();
        let answer = {
            let (service, taken) = (TowerToHyperService::new(router), &taken);
            let service = service_fn(|request: Request<Incoming>| {
                asked.notify_one();
                let version = request.version();
                let answer = service.call(request.map(Body::new));
                async move {
                    let Some(answer) = taken.keep(version, answer.await?) else { return pending().await };
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut connection = http1().serve_connection(TokioIo::new(stream), service);
            let mut is_stopping = false;
            loop {
                tokio::select! {
                    ended = &mut connection => return ended.map_err(|error| error.to_string()),
                    answer = taken.answer() => break (connection.into_parts().io.into_inner(), answer),
                    _ = running.changed(), if !is_stopping => {
                        is_stopping = true;
                        Pin::new(&mut connection).graceful_shutdown();
                    }
                }
            }
        };
        let (stream, answer) = answer;
        unending::send(stream, answer, clock).await.map_err(|error| error.to_string())
    }
}

/// Reads nothing: what has come stays where it is, and a buffer for it is not needed as long as nothing is asked.
async fn begins_http2(stream: &TcpStream, clock: &dyn Clock) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let come = stream.peek(&mut first).await?;
        if come == 0 || come == PREFACE.len() || !PREFACE.starts_with(&first[..come]) {
            return Ok(first == PREFACE);
        }
        clock.sleep(LOOK_AGAIN).await;
    }
}

fn http1() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false);
    server
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    server
}
