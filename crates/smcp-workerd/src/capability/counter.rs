//! A socket at which one process, and no other, is served: HTTP/1.1 from the runtime.

use std::{
    convert::Infallible,
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderValue, Request, Response, header::CONNECTION};
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
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use super::{Services, data};
use crate::{run_folder::Socket, turns::Turns};

/// Connections that are served at once.
const CONNECTIONS: usize = 64;
/// How long one more waits for one that is answered meanwhile, and then for one that is idle: both are closed for it. If
/// there is none, it is closed unheard.
const PATIENCE: Duration = Duration::from_millis(50);
const WAIT: Duration = Duration::from_secs(1);
/// How long a connection may be idle, or take for a head: one that trickles must not keep its place.
const HEAD: Duration = Duration::from_secs(10);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How long a failed accept, most likely for want of descriptors, waits for better times.
const PAUSE: Duration = Duration::from_millis(50);

/// What becomes of a connection when its request is answered.
#[derive(Clone, Copy)]
enum After {
    /// It may have another request.
    Kept,
    /// It is closed. The runtime keeps one from each call of the server and uses it in no other: they would take all
    /// places until they have been idle for long enough.
    Closed,
}

/// What connections know of those that wait for a place. The runtime keeps its own, for each of the services behind the
/// socket apart, until they have been idle for long enough.
#[derive(Default)]
struct Crowd {
    /// Somebody waits: who is answered goes.
    waits: AtomicBool,
    /// Somebody has waited: who is idle goes.
    stays: watch::Sender<()>,
}

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
        Self::open(socket, (workload, After::Closed), clock, move |workload, request| {
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
        Self::open(socket, (workload, After::Kept), clock, move |workload, request| {
            let services = services.clone();
            async move { data::serve(&services, &workload, request).await }
        })
    }

    fn open<F, A>(
        socket: Socket,
        (workload, after): (&Arc<Workload>, After),
        clock: &Arc<dyn Clock>,
        serve: F,
    ) -> io::Result<Self>
    where
        F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<HostedBody>> + Send + 'static,
    {
        let listener = socket.listener()?;
        let path = socket.path().to_owned();
        let accepting = accept(listener, (Arc::clone(workload), after), Arc::clone(clock), serve);
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

async fn accept<F, A>(
    listener: UnixListener,
    (workload, after): (Arc<Workload>, After),
    clock: Arc<dyn Clock>,
    serve: F,
) where
    F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<HostedBody>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let crowd = Arc::new(Crowd::default());
    // What is served ends with the counter: its process has gone.
    let mut served = tokio::task::JoinSet::new();
    loop {
        while served.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            clock.sleep(PAUSE).await;
            continue;
        };
        let Some(place) = place(&places, &crowd, &*clock).await else { continue };
        let (workload, serve, crowd) = (Arc::clone(&workload), serve.clone(), Arc::clone(&crowd));
        served.spawn(async move {
            connection(stream, (workload, after), &crowd, serve).await;
            drop(place);
        });
    }
}

/// A place for one more connection.
async fn place(places: &Arc<Semaphore>, crowd: &Crowd, clock: &dyn Clock) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Some(place);
    }
    let free = Arc::clone(places).acquire_owned();
    let wait = async {
        // Those that are about to be used again have a request by then.
        clock.sleep(PATIENCE).await;
        crowd.stays.send_replace(());
        clock.sleep(WAIT).await;
    };
    crowd.waits.store(true, Ordering::Relaxed);
    let place = tokio::select! {
        place = free => place.ok(),
        () = wait => None,
    };
    crowd.waits.store(false, Ordering::Relaxed);
    place
}

async fn connection<F, A>(
    stream: UnixStream,
    (workload, after): (Arc<Workload>, After),
    crowd: &Crowd,
    serve: F,
) where
    F: Fn(Arc<Workload>, Request<HostedBody>) -> A + Send + Sync,
    A: Future<Output = Response<HostedBody>> + Send + 'static,
{
    let answered = Notify::new();
    let answer = service_fn(|request: Request<Incoming>| {
        let served = serve(Arc::clone(&workload), request.map(incoming));
        let answered = &answered;
        async move {
            let mut answer = served.await.map(outgoing);
            answered.notify_one();
            if crowd.waits.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let (stream, _) = Turns::new(stream);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD).half_close(false);
    http.keep_alive(match after {
        After::Kept => true,
        After::Closed => false,
    });
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(stream), answer));
    let mut crowded = crowd.stays.subscribe();
    // One that was never answered has a request on its way.
    let may_close = async {
        answered.notified().await;
        // Its sender lives as long as who accepts.
        let _ = crowded.changed().await;
    };
    // A broken connection is the hosted code's own loss.
    tokio::select! {
        _ = &mut served => return,
        () = may_close => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

fn incoming(body: Incoming) -> HostedBody {
    let broken = |error: hyper::Error| Error::Hosted(Refusal::new("its request broke off").private(error));
    Box::pin(body.into_data_stream().map_err(broken))
}

fn outgoing(body: HostedBody) -> StreamBody<impl futures_core::Stream<Item = Result<Frame<Bytes>, Error>>> {
    StreamBody::new(body.map(|chunk| chunk.map(Frame::data)))
}
