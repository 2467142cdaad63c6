//! HTTP+SSE of 2024-11-05, for old clients: one stream for all that the server says, POST for what the client says
//! (2024-11-05, Transports, HTTP with SSE). Behind it are the same sessions as behind Streamable HTTP.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::{FutureExt as _, StreamExt as _, stream, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use smcp_core::{
    Ctx,
    call::{McpBody, McpRequest, Verb},
    ports::HostedBody,
};
use smcp_mcp::sse;
use smcp_types::{Error, Refusal, Result, Slug, limits::MAX_MCP_BODY_BYTES};

use crate::{App, answer, caller, extract::Path, mcp::Unending, rescue};

/// Streams that one caller may have open.
const MAX_PER_CALLER: usize = 100;
/// Messages that wait to be looked at.
const WAITING: usize = 15;
/// Messages that are answered at the same time.
const AT_ONCE: usize = 32;
/// Largest answer of ours that is put on a stream.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// What a message is answered with, as it goes over the wire.
type Answers = BoxStream<'static, Result<Bytes>>;

/// A stream that is open, and the session behind it once there is one.
#[derive(Clone)]
struct Talk {
    caller: String,
    place: (String, String),
    /// The one sender: each clone would have a place of its own beyond the bound.
    answers: Arc<Mutex<mpsc::Sender<Answers>>>,
    session: Arc<Mutex<Option<HeaderValue>>>,
}

/// Every open stream, by the name that its endpoint has.
#[derive(Default)]
pub(crate) struct Talks(Mutex<HashMap<String, Talk>>);

impl Talks {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Talk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, name: &str, talk: Talk) -> Result<Open> {
        let mut all = self.lock();
        if all.values().filter(|known| known.caller == talk.caller).count() >= MAX_PER_CALLER {
            let message = format!("a caller has at most {MAX_PER_CALLER} streams of 2024-11-05 open");
            return Err(Error::Unavailable(
                Refusal::new(message).hint("close one, or speak Streamable HTTP"),
            ));
        }
        all.insert(name.to_owned(), talk);
        Ok(Open { talks: Arc::clone(self), name: name.to_owned() })
    }
}

/// Forgets a stream when it is closed.
struct Open {
    talks: Arc<Talks>,
    name: String,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.talks.lock().remove(&self.name);
    }
}

pub(crate) fn stream_endpoint() -> MethodRouter<App> {
    get(listen)
}

pub(crate) fn message_endpoint() -> MethodRouter<App> {
    post(send)
}

async fn identify(app: &App, (tenant, server): (&str, &str), parts: &http::request::Parts) -> Result<Ctx> {
    if Slug::check_form(tenant).is_err() || Slug::check_form(server).is_err() {
        return Err(Error::NotFound("server"));
    }
    caller::identify(app, &parts.headers, caller::request_id(parts)).await
}

/// GET: the stream. Its first event says where messages are sent.
async fn listen(
    State(app): State<App>,
    Path((tenant, server)): Path<(String, String)>,
    request: Request,
) -> Response {
    if request.method() == Method::HEAD {
        return answer::no_such_method(request).await;
    }
    let (parts, _) = request.into_parts();
    let id = caller::request_id(&parts);
    match begin(&app, (tenant, server), &parts).await {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-cache, no-transform"),
            ];
            (Extension(Unending), headers, body).into_response()
        }
        Err(error) => rescue::mcp(&error.into(), id),
    }
}

async fn begin(app: &App, (tenant, server): (String, String), parts: &http::request::Parts) -> Result<Body> {
    let ctx = identify(app, (&tenant, &server), parts).await?;
    app.platform.may_connect(&ctx, &tenant, &server).await?;
    let random = [app.platform.random(), app.platform.random()].concat();
    let name = data_encoding::HEXLOWER.encode(&random);
    let first = format!("event: endpoint\ndata: /t/{tenant}/{server}/messages?session_id={name}\n\n");
    let (answers, incoming) = mpsc::channel(WAITING);
    let caller = ctx.caller.principal().to_owned();
    let answers = Arc::new(Mutex::new(answers));
    let talk = Talk { caller, place: (tenant, server), answers, session: Arc::default() };
    let open = app.talks.add(&name, talk)?;
    let all = stream::once(async move { Ok(Bytes::from(first)) })
        .chain(incoming.flatten_unordered(AT_ONCE))
        .map(move |chunk: Result<Bytes>| {
            let _open = &open;
            chunk
        });
    let all = all.take_until(app.platform.stopping());
    Ok(Body::from_stream(app.platform.while_in_force(&ctx, Box::pin(all))))
}

/// POST: a message. Whatever is answered to it comes on the stream.
async fn send(State(app): State<App>, Path(place): Path<(String, String)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let id = caller::request_id(&parts);
    match take(&app, place, parts, body).await {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) => rescue::mcp(&error.into(), id),
    }
}

async fn take(app: &App, place: (String, String), mut parts: http::request::Parts, body: Body) -> Result<()> {
    let ctx = identify(app, (&place.0, &place.1), &parts).await?;
    let gone = || Error::NotFound("session");
    let name = parts.uri.query().and_then(|query| query.strip_prefix("session_id=")).ok_or_else(gone)?;
    let talk = app.talks.lock().get(name).cloned().ok_or_else(gone)?;
    if talk.caller != ctx.caller.principal() || talk.place != place {
        return Err(gone());
    }
    if !answer::is_json(parts.headers.get(header::CONTENT_TYPE)) {
        return Err(Error::invalid("Content-Type has to be application/json"));
    }
    let body = answer::read(app, &parts.headers, body, MAX_MCP_BODY_BYTES).await?;
    for name in ["mcp-session-id", "mcp-protocol-version", "last-event-id"] {
        parts.headers.remove(name);
    }
    parts.headers.insert(header::ACCEPT, BOTH);
    if let Some(session) = talk.session.lock().unwrap_or_else(PoisonError::into_inner).clone() {
        parts.headers.insert("mcp-session-id", session);
    }
    let (tenant, server) = place;
    let request = McpRequest { tenant, server, verb: Verb::Send(body), headers: parts.headers };
    let answers = answered(app.clone(), ctx, request, Arc::clone(&talk.session)).flatten_stream().boxed();
    let mut waiting = talk.answers.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.try_send(answers).map_err(|_| {
        Error::Unavailable(Refusal::new("too many messages wait on this stream").hint("read what it says"))
    })
}

/// What a message is answered with: nothing, one event, or the events of a stream without their ids.
async fn answered(
    app: App,
    ctx: Ctx,
    request: McpRequest,
    session: Arc<Mutex<Option<HeaderValue>>>,
) -> Answers {
    let McpRequest { tenant, server, .. } = request.clone();
    let answer = match app.platform.mcp(&ctx, request).await {
        Ok(answer) => answer,
        Err(failure) => {
            let refusal = rescue::mcp(&failure, ctx.request_id).into_body();
            let body = to_bytes(refusal, MAX_REFUSAL_BYTES).await.unwrap_or_default();
            return event(&body);
        }
    };
    let begun = answer.headers.get("mcp-session-id").cloned();
    let is_events = answer.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let answers = match answer.body {
        McpBody::Whole(body) if is_events => without_ids(stream::once(async { Ok(body) }).boxed()),
        McpBody::Whole(body) => event(&body),
        McpBody::Stream(events) => without_ids(events),
    };
    let Some(begun) = begun else { return answers };
    session.lock().unwrap_or_else(PoisonError::into_inner).replace(begun.clone());
    let headers = HeaderMap::from_iter([(HeaderName::from_static("mcp-session-id"), begun)]);
    let listen = McpRequest { tenant, server, verb: Verb::Listen, headers };
    answers.chain(unasked(app, ctx, listen).flatten_stream()).boxed()
}

/// What the server says unasked in the session that has begun.
async fn unasked(app: App, ctx: Ctx, listen: McpRequest) -> Answers {
    match app.platform.mcp(&ctx, listen).await.map(|answer| answer.body) {
        Ok(McpBody::Stream(events)) => without_ids(events),
        Ok(McpBody::Whole(_)) | Err(_) => stream::empty().boxed(),
    }
}

/// Events that say something, without their ids: nobody can come back with them.
fn without_ids(events: HostedBody) -> Answers {
    let mut decoder = sse::Decoder::new(usize::MAX);
    let without = events.map(move |chunk| {
        let (mut read, mut out) = (Vec::new(), Vec::new());
        decoder.push(&chunk?, &mut read).map_err(Error::internal)?;
        let said = read.into_iter().filter(|event| event.data.as_ref().is_some_and(|data| !data.is_empty()));
        said.for_each(|event| sse::encode(&sse::Event { id: None, retry: None, ..event }, &mut out));
        if out.is_empty() {
            // It shows that it is alive, or has said something that is not for this client.
            out.extend_from_slice(b":\n\n");
        }
        Ok(out.into())
    });
    without.boxed()
}

/// One event with a message, or nothing if there is none.
fn event(body: &[u8]) -> Answers {
    let text = String::from_utf8_lossy(body);
    if text.trim().is_empty() {
        return stream::empty().boxed();
    }
    // One line: the message is JSON, in which line breaks are white space.
    let data = text.replace(['\r', '\n'], " ");
    let event = sse::Event { event: Some("message".to_owned()), data: Some(data), ..sse::Event::default() };
    let mut out = Vec::new();
    sse::encode(&event, &mut out);
    stream::once(async move { Ok(Bytes::from(out)) }).boxed()
}
