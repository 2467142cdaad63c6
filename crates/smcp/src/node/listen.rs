//! Accepting connections: HTTP/1.1 and HTTP/2 on one listener, bounded, drained at the end.

#![allow(
    clippy::disallowed_methods,
    reason = "each connection is a task, and draining waits for all of them"
)]

use std::{future::Future, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use smcp_core::ports::Clock;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
};
use tower::ServiceExt as _;

/// A client that has not sent its headers by then is let go.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Largest request head.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// HTTP/2 streams of one connection.
const MAX_STREAMS: u32 = 250;
/// Open connections; more wait in the backlog.
const MAX_CONNECTIONS: usize = 10_000;
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
    let server = server();
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
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
        let asked = Arc::new(Notify::new());
        let first = Arc::clone(&asked);
        let router = router.clone().map_request(move |request: Request<Incoming>| {
            first.notify_one();
            request.map(Body::new)
        });
        let connection = server
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router))
            .into_owned();
        let connection = connections.watch(connection);
        let clock = Arc::clone(&clock);
        tokio::spawn(async move {
            let _place = place;
            let mut connection = std::pin::pin!(connection);
            // Whatever it speaks, a connection that has not asked for anything by then is let go.
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = asked.notified() => connection.await,
                () = clock.sleep(HEADERS_WITHIN) => return,
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = clock.sleep(drain) => tracing::warn!("some requests did not finish in time"),
    }
}

type Place = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(tokio::net::TcpStream, Place)> {
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

fn server() -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    server
}
