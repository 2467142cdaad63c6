//! D1 bindings: what workerd's wrapped binding `cloudflare-internal:d1-api` sends, handed to the database's process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use smcp_core::{
    ports::{BindingService, Clock, HostedBody, Workload},
    room::{Room, Share},
};
use smcp_types::{Error, Refusal, Result};

use super::body;
use crate::sql::{Ask, Reply, SqlDatabases};

/// Most bytes of one request: a value of the largest size, each byte written as a number, and room around it.
const MAX_REQUEST: usize = 10 << 20;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How fresh a session's reads must be, and how fresh these were.
const BOOKMARK: HeaderName = HeaderName::from_static("x-cf-d1-session-commit-token");

/// Serves D1 bindings.
pub struct D1Service {
    databases: SqlDatabases,
    clock: Arc<dyn Clock>,
    room: Arc<Room>,
    bookmarks: AtomicU32,
}

impl D1Service {
    /// A service for these databases.
    #[must_use]
    pub fn new(databases: SqlDatabases, clock: Arc<dyn Clock>) -> Self {
        Self { databases, clock, room: Arc::default(), bookmarks: AtomicU32::new(0) }
    }

    async fn answer(
        &self,
        from: &Arc<Workload>,
        database: &str,
        request: Request<HostedBody>,
    ) -> Result<Reply> {
        let ask = ask(&request)?;
        let (head, body) = request.into_parts();
        let mut share = Share::new(&self.room, from.version.tenant);
        let read = body::read((&head.headers, body), (MAX_REQUEST, "a request to a database"), &mut share);
        let body = tokio::select! {
            read = read => read?,
            () = self.clock.sleep(ARRIVAL) => {
                return Err(Error::TimedOut(Refusal::new("the request took too long to arrive")));
            }
        };
        let Some(held) = self.databases.hold(from.version.tenant, body.len()) else {
            return Ok(Reply::overloaded());
        };
        self.databases.ask(from, database, (ask, Bytes::from(body), held)).await
    }

    /// There is one copy of a database, which is always the latest: a bookmark only has to sort behind earlier ones.
    fn bookmark(&self) -> HeaderValue {
        let number = self.bookmarks.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:012x}-{number:08x}", self.clock.now().0);
        // Letters and digits are always a header.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0"))
    }
}

#[async_trait]
impl BindingService for D1Service {
    async fn serve(
        &self,
        from: &Arc<Workload>,
        database: &str,
        request: Request<HostedBody>,
    ) -> Response<HostedBody> {
        // Only a session sends one, and only a session reads one.
        let in_session = request.headers().get(&BOOKMARK).is_some_and(|value| !value.is_empty());
        let reply = match self.answer(from, database, request).await {
            Ok(reply) => reply,
            Err(Error::NotFound(_)) => return not_found(),
            Err(error) => {
                Reply::refused(&super::refusal::tell(&error, from.version.tenant, database).message)
            }
        };
        let mut response = json(reply);
        if in_session {
            response.headers_mut().insert(BOOKMARK, self.bookmark());
        }
        response
    }
}

/// What is asked for.
fn ask(request: &Request<HostedBody>) -> Result<Ask> {
    let uri = request.uri();
    if request.method() != Method::POST || !matches!(uri.path(), "/query" | "/execute") {
        return Err(Error::NotFound("operation"));
    }
    let parameters = super::uri::query(uri)?;
    let rows = parameters.iter().any(|(name, value)| name == "resultsFormat" && value == "ROWS_AND_COLUMNS");
    Ok(if rows { Ask::Rows } else { Ask::Objects })
}

/// The binding reads the body alone, whatever the status.
fn json(reply: Reply) -> Response<HostedBody> {
    let Reply { body, held, .. } = reply;
    let once = stream::once(std::future::ready(Ok(body))).map(move |piece| {
        // The memory is the tenant's until the answer has gone.
        let _held = &held;
        piece
    });
    let mut response: Response<HostedBody> = Response::new(Box::pin(once));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn not_found() -> Response<HostedBody> {
    let mut response = json(Reply::refused("Not found"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
