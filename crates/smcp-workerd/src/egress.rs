//! The only way out of hosted code: for now a service that refuses every request.

use std::{
    collections::HashMap,
    convert::Infallible,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use smcp_core::ports::Clock;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// Connections of one process that are served at once; more are closed unheard, which refuses them too.
const PER_PROCESS: usize = 32;
/// Longest host name there is.
const MAX_HOST: usize = 253;
/// Most of a request's body that is passed over before the answer. Unread bytes would reset the connection, answer and all.
const MAX_BODY: usize = 1 << 20;
/// Longest life of a connection: one that trickles must not keep its place.
const MAX_LIFE: Duration = Duration::from_secs(10);
/// How long a failed accept, most likely for want of descriptors, waits for better times.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens on the path and answers 403 to everything, until the task is aborted.
pub(crate) fn refuse_all(path: &Path, clock: Arc<dyn Clock>) -> io::Result<JoinHandle<()>> {
    let listener = UnixListener::bind(path)?;
    // Hosted processes run as users of their own. Its folder is closed, so only whom the sandbox shows it can connect.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    #[allow(clippy::disallowed_methods, reason = "the supervisor aborts it when it is dropped")]
    Ok(tokio::spawn(accept(listener, clock)))
}

async fn accept(listener: UnixListener, clock: Arc<dyn Clock>) {
    let places = Arc::new(Places::default());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            clock.sleep(PAUSE).await;
            continue;
        };
        let Some(place) = Places::take(&places, &stream) else { continue };
        let clock = Arc::clone(&clock);
        #[allow(clippy::disallowed_methods, reason = "bounded by the places and by its life")]
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream) => {}
                () = clock.sleep(MAX_LIFE) => {}
            }
            drop(place);
        });
    }
}

/// How many connections each process has, by its number: what one takes, no other lacks.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<i32, usize>>);

/// One of them.
struct Place {
    places: Arc<Places>,
    process: i32,
}

impl Places {
    fn take(places: &Arc<Self>, stream: &UnixStream) -> Option<Place> {
        let process = stream.peer_cred().ok()?.pid()?;
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(process).or_default();
        if *count == PER_PROCESS {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { places: Arc::clone(places), process })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.process) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.process);
            }
        }
    }
}

async fn serve(stream: UnixStream) {
    let answer = service_fn(|request: Request<Incoming>| async move {
        let (head, body) = request.into_parts();
        // What is beyond the limit, or broken, is not worth an answer that arrives. Nothing of it is kept.
        let mut body = Limited::new(body, MAX_BODY);
        while let Some(Ok(_)) = body.frame().await {}
        Ok::<_, Infallible>(refuse(&head.uri))
    });
    // A broken connection is the hosted code's own loss.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

fn refuse(target: &Uri) -> Response<Full<Bytes>> {
    let host = target.host().unwrap_or("the host");
    let host = &host[..host.floor_char_boundary(MAX_HOST)];
    let sentence = format!(
        "outbound requests are not offered yet: hosted code has no network, and {host} was not asked\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(sentence)));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // The body may not have been read to its end, so the connection is not used again.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
