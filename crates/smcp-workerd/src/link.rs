//! HTTP to one process over its socket: connections kept alive and counted, requests sent at most once.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use smcp_core::ports::{Clock, HostedRequest, Scheduled};
use smcp_types::{Error, Refusal};
use tokio::{
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    config::LABELS_HEADER,
    turns::{Awaiting, Turns},
};

/// Idle connections kept to one process.
const MAX_IDLE: usize = 32;
/// Connections to one process at once: each costs a descriptor here and one there.
const MAX_CONNECTIONS: usize = 512;
/// workerd closes a connection after five idle seconds; one this old could close under a request.
const MAX_IDLE_TIME: Duration = Duration::from_secs(3);
/// Prefix of headers that are between us and the wrapper.
const OURS: &str = "x-smcp-";

/// The sending end of a connection, and what tells its stream what is awaited.
struct Sender {
    requests: SendRequest<Full<Bytes>>,
    awaiting: Awaiting,
}

/// The connections to one process.
pub(crate) struct Link {
    socket: PathBuf,
    idle: Mutex<Vec<(Duration, Sender)>>,
    places: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum SendError {
    /// Nothing of it has left: it may go to another process.
    Unsent(String),
    /// It may have been executed.
    Broken(String),
    /// It cannot be sent at all.
    Refused(Error),
}

/// A connection in use by one request.
pub(crate) struct Lease {
    link: Arc<Link>,
    sender: Sender,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    /// The clock of the platform.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.link.clock
    }

    /// Gives the connection back, once the whole answer has been read. Dropping the lease closes it instead.
    pub(crate) fn give_back(self) {
        let Self { link, sender, .. } = self;
        let now = link.clock.monotonic();
        let mut idle = link.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, sender)| {
            !sender.requests.is_closed() && now.saturating_sub(*since) < MAX_IDLE_TIME
        });
        if idle.len() < MAX_IDLE {
            idle.push((now, sender));
        }
    }
}

impl Link {
    pub(crate) fn new(socket: PathBuf, clock: Arc<dyn Clock>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Arc::new(Self { socket, idle: Mutex::default(), places, clock })
    }

    /// Sends the request and waits for the head of the answer.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &HostedRequest,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let busy =
            || SendError::Refused(Error::Limited { message: TOO_MANY.to_owned(), retry_after: RETRY_AFTER });
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let mut outgoing = outgoing(request).map_err(SendError::Refused)?;
        loop {
            let reused = self.take_idle();
            let fresh = reused.is_none();
            let mut sender = match reused {
                Some(sender) => sender,
                None => self.connect().await.map_err(|error| SendError::Unsent(error.to_string()))?,
            };
            // A kept connection that was closed meanwhile costs another try; a new one tells about the process.
            if let Err(error) = sender.requests.ready().await {
                if fresh {
                    return Err(SendError::Unsent(error.to_string()));
                }
                continue;
            }
            sender.awaiting.head();
            match sender.requests.try_send_request(outgoing).await {
                Ok(response) => {
                    sender.awaiting.body();
                    return Ok((response, Lease { link: Arc::clone(self), sender, _place: place }));
                }
                Err(mut error) => match error.take_message() {
                    Some(_) if fresh => return Err(SendError::Unsent(error.into_error().to_string())),
                    Some(message) => outgoing = message,
                    None => return Err(SendError::Broken(error.into_error().to_string())),
                },
            }
        }
    }

    fn take_idle(&self) -> Option<Sender> {
        let now = self.clock.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, sender)) = idle.pop() {
            if now.saturating_sub(since) < MAX_IDLE_TIME && !sender.requests.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self) -> io::Result<Sender> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (stream, awaiting) = Turns::new(stream);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (requests, connection) = handshake.await.map_err(io::Error::other)?;
        #[allow(
            clippy::disallowed_methods,
            reason = "ends when its sender is dropped or the process closes it"
        )]
        tokio::spawn(async move {
            // Its errors reach whoever waits for an answer on it.
            let _ = connection.await;
        });
        Ok(Sender { requests, awaiting })
    }
}

const TOO_MANY: &str = "too many calls are in flight on this server";
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The request as it goes over the socket: the absolute URL in its first line, labels for the wrapper in a header that
/// workerd takes off, and no other header of ours.
fn outgoing(request: &HostedRequest) -> Result<Request<Full<Bytes>>, Error> {
    let mut outgoing = Request::new(Full::new(request.body.clone()));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = request.url.clone();
    let headers = outgoing.headers_mut();
    for (name, value) in &request.headers {
        if !name.as_str().starts_with(OURS) {
            headers.append(name, value.clone());
        }
    }
    let unfit = |what: &str| Error::Invalid(Refusal::new(format!("{what} cannot be sent to the server")));
    let authority = request.url.authority().ok_or_else(|| unfit("a URL without a host"))?;
    headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| unfit("this host"))?);
    let traceparent = request.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let scheduled = request.scheduled.as_ref().map(|scheduled| match scheduled {
        Scheduled::Due { cron, at } => serde_json::json!({ "cron": cron, "time": at.0 }),
        Scheduled::Asked => serde_json::json!({ "asked": true }),
    });
    let labels = serde_json::json!({
        "id": request.request_id, "traceparent": traceparent, "scheduled": scheduled });
    let labels = labels.to_string();
    let labels = HeaderValue::from_str(&labels).map_err(Error::internal)?;
    headers.insert(HeaderName::from_static(LABELS_HEADER), labels);
    Ok(outgoing)
}
