//! One call: wait for a process, send, and stream the answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use smcp_core::{
    fleet::Traffic,
    ports::{Clock, HostedBody, HostedRequest, HostedResponse, Target},
};
use smcp_types::{Error, Limit, Refusal, Result};
use tokio::sync::watch;

use super::{
    admission::{Admitted, Ticket},
    desk::Takes,
    shared::{Ready, Shared},
};
use crate::{
    exit::End,
    link::{Lease, SendError},
};

/// Processes one call may be sent to, one after another, as long as nothing of it has left.
const MAX_TRIES: u32 = 3;
/// A connection breaks a moment before its process is known to be gone.
const UNTIL_KNOWN: Duration = Duration::from_millis(500);

/// Sends one call to a version and returns the head of the answer.
pub(super) async fn call(
    shared: &Arc<Shared>,
    target: &Target,
    request: &HostedRequest,
) -> Result<HostedResponse> {
    tokio::select! {
        answer = attempts(shared, target, request) => answer,
        () = shared.host.clock.sleep(request.head_timeout) => Err(timed_out(request.head_timeout)),
    }
}

pub(crate) fn timed_out(after: Duration) -> Error {
    let limit = Limit::CallTimeout;
    let message = format!("the server did not answer within {} ms ({limit})", after.as_millis());
    let hint = "it is too slow, or another call keeps its processor busy; its log may say more: smcp logs";
    Error::TimedOut(Refusal::new(message).hint(hint))
}

async fn attempts(shared: &Arc<Shared>, target: &Target, request: &HostedRequest) -> Result<HostedResponse> {
    let traffic = if opens_stream(request) { Traffic::Stream } else { Traffic::Call };
    let calls = if traffic == Traffic::Call { request.calls } else { 1 };
    let takes = Takes { traffic, calls };
    for _ in 0..MAX_TRIES {
        let ticket = admit(shared, target, takes).await?;
        let mut ready = ticket.ready.clone();
        match exchange(&mut ready, &*shared.host.clock, request, ticket).await {
            Ok(response) => return Ok(response),
            Err(Missed::Unsent) => {}
            Err(Missed::Failed(error)) => return Err(error),
        }
    }
    Err(Error::Unavailable(Refusal::new("the server's process ends before it takes a call")))
}

/// Whether it opens the stream of what a server says unasked: a GET, or on 2026-07-28 the method that took its place,
/// which the platform has found to be the body's.
fn opens_stream(request: &HostedRequest) -> bool {
    request.method == Method::GET
        || request.headers.get("mcp-method").is_some_and(|method| method == "subscriptions/listen")
}

/// A call that got no answer.
pub(crate) enum Missed {
    /// Nothing of it was sent, and the process is gone or going.
    Unsent,
    /// It failed.
    Failed(Error),
}

/// What lives as long as the body of an answer.
pub(crate) trait Keep: Send + 'static {
    /// The head of the answer has come.
    fn answered(&mut self);
    /// Whether nothing is lost when the answer ends with the process.
    fn only_listens(&self) -> bool;
}

impl Keep for () {
    fn answered(&mut self) {}

    fn only_listens(&self) -> bool {
        false
    }
}

/// Sends the request to one process. `keep` lives as long as the answer's body.
pub(crate) async fn exchange<K: Keep>(
    ready: &mut Ready,
    clock: &dyn Clock,
    request: &HostedRequest,
    mut keep: K,
) -> std::result::Result<HostedResponse, Missed> {
    match ready.link.send(request).await {
        Ok((response, lease)) => {
            keep.answered();
            let (head, body) = response.into_parts();
            let ends = keep.only_listens().then(|| ready.end_streams.subscribe());
            let body = stream_body(body, lease, ready.gone.clone(), keep);
            let body: HostedBody = match ends {
                Some(ends) => Box::pin(body.take_until(ended(ends))),
                None => body,
            };
            Ok(HostedResponse { status: head.status, headers: head.headers, body })
        }
        Err(SendError::Refused(error)) => Err(Missed::Failed(error)),
        Err(SendError::Unsent(why)) => {
            if end_of(&mut ready.gone, clock).await.is_some() {
                return Err(Missed::Unsent);
            }
            // Alive and yet not to be reached: its queue of connections is full.
            let stuck = Refusal::new("the server takes no connection at the moment").private(why);
            Err(Missed::Failed(Error::Unavailable(stuck)))
        }
        Err(SendError::Broken(why)) => {
            let known = end_of(&mut ready.gone, clock).await;
            Err(Missed::Failed(broken(known, &why)))
        }
    }
}

async fn ended(mut ends: watch::Receiver<bool>) {
    // An error says that the process has gone altogether.
    let _ = ends.wait_for(|ended| *ended).await;
}

/// Why the process is gone, if it is or is about to be.
async fn end_of(gone: &mut watch::Receiver<Option<End>>, clock: &dyn Clock) -> Option<End> {
    tokio::select! {
        end = gone.wait_for(Option::is_some) => match end {
            Ok(end) => end.clone(),
            // A generation that ended without a word: the platform stops.
            Err(_) => Some(End::unseen("was stopped by the platform")),
        },
        () = clock.sleep(UNTIL_KNOWN) => None,
    }
}

fn broken(end: Option<End>, why: &str) -> Error {
    match end {
        Some(end) => end.error(why),
        None => Error::Hosted(Refusal::new("the server broke off its answer").private(why)),
    }
}

/// The answer's body, chunk by chunk as it comes. Read to its end it gives the connection back; dropped before, it
/// closes it, and hosted code learns of that.
fn stream_body<K: Keep>(
    body: Incoming,
    lease: Lease,
    gone: watch::Receiver<Option<End>>,
    keep: K,
) -> HostedBody {
    let state = Some((body, lease, gone, keep));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut body, lease, mut gone, keep) = state?;
        loop {
            let error = match body.frame().await {
                None => {
                    lease.give_back();
                    return None;
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => return Some((Ok::<Bytes, _>(bytes), Some((body, lease, gone, keep)))),
                    // Trailers say nothing in MCP.
                    Err(_) => continue,
                },
                Some(Err(error)) => error,
            };
            let known = end_of(&mut gone, lease.clock()).await;
            return Some((Err(broken(known, &error.to_string())), None));
        }
    }))
}

/// Waits for a ticket; says so if the caller stops waiting.
pub(super) async fn admit(shared: &Arc<Shared>, target: &Target, takes: Takes) -> Result<Ticket> {
    let (id, promise) = match shared.admit(target, takes)? {
        Admitted::Now(ticket) => return Ok(ticket),
        Admitted::Later { id, promise } => (id, promise),
    };
    let _waiting = Waiting { shared, id };
    let stopped = || Error::Unavailable(Refusal::new("the platform is stopping"));
    promise.await.map_err(|_| stopped())?
}

/// A call that waits for a process; the fleet hears of it when it is dropped unanswered.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.give_up(self.id);
    }
}
