//! A socket at which one process, and no other, is served: HTTP/1.1 from the runtime, one connection for each request.

use std::{
    convert::Infallible,
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use smcp_core::ports::{Clock, HostedBody, Workload};
use smcp_types::{Error, Refusal};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
};

use super::{Services, data};
use crate::{run_folder::Socket, turns::Turns};

/// Connections that are served at once; more are closed unheard.
const CONNECTIONS: usize = 64;
/// How long a connection may be idle, or take for a head: one that trickles must not keep its place.
const HEAD: Duration = Duration::from_secs(10);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How long a failed accept, most likely for want of descriptors, waits for better times.
const PAUSE: Duration = Duration::from_millis(50);

/// The socket with who serves at it; both go when it is dropped.
pub(crate) struct Counter {
    path: PathBuf,
    _socket: Socket,
    task: JoinHandle<()>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counter {
    /// Requests to the outside are served here.
    pub(crate) fn outbound(
        socket: Socket,
        services: &Services,
        workload: &Arc<Workload>,
        clock: &Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let outbound = Arc::clone(&services.outbound);
        Self::open(socket, workload, clock, move |workload, request| {
            let outbound = Arc::clone(&outbound);
            async move { outbound.fetch(&workload, request).await }
        })
    }

    /// Storage is served here.
    pub(crate) fn storage(
        socket: Socket,
        services: &Services,
        workload: &Arc<Workload>,
        clock: &Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let services = services.clone();
        Self::open(socket, workload, clock, move |workload, request| {
            let services = services.clone();
            async move { data::serve(&services, &workload, request).await }
        })
    }

    fn open<F, A>(
        socket: Socket,
        workload: &Arc<Workload>,
        clock: &Arc<dyn Clock>,
        serve: F,
    ) -> io::Result<Self>
    where
        F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<HostedBody>> + Send + 'static,
    {
        let listener = socket.listener()?;
        let path = socket.path().to_owned();
        let accepting = accept(listener, Arc::clone(workload), Arc::clone(clock), serve);
        #[allow(
            clippy::disallowed_methods,
            reason = "aborted when the counter is dropped, which its process outlives not"
        )]
        let task = tokio::spawn(accepting);
        Ok(Self { path, _socket: socket, task })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

async fn accept<F, A>(listener: UnixListener, workload: Arc<Workload>, clock: Arc<dyn Clock>, serve: F)
where
    F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<HostedBody>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // What is served ends with the counter: its process has gone.
    let mut served = tokio::task::JoinSet::new();
    loop {
        while served.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            clock.sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (workload, serve) = (Arc::clone(&workload), serve.clone());
        served.spawn(async move {
            connection(stream, workload, serve).await;
            drop(place);
        });
    }
}

async fn connection<F, A>(stream: UnixStream, workload: Arc<Workload>, serve: F)
where
    F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Send + Sync,
    A: Future<Output = Response<HostedBody>> + Send + 'static,
{
    let answer = service_fn(|request: Request<Incoming>| {
        let served = serve(Arc::clone(&workload), request.map(incoming));
        async move { Ok::<_, Infallible>(served.await.map(outgoing)) }
    });
    let (stream, _) = Turns::new(stream);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD).half_close(false);
    // A broken connection is the hosted code's own loss.
    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
}

fn incoming(body: Incoming) -> HostedBody {
    let broken = |error: hyper::Error| Error::Hosted(Refusal::new("its request broke off").private(error));
    Box::pin(body.into_data_stream().map_err(broken))
}

fn outgoing(body: HostedBody) -> StreamBody<impl futures_core::Stream<Item = Result<Frame<Bytes>, Error>>> {
    StreamBody::new(body.map(|chunk| chunk.map(Frame::data)))
}
