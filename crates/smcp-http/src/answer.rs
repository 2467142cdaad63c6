//! Bodies in and out: reading a bounded body, writing JSON, the answers of paths that are not there.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    extract::Request,
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use smcp_types::{Error, Refusal, RequestId};

use crate::{App, rescue};

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        // Our own plain types; a map with keys that are no strings would be the only way to fail.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A client that has not sent its body by then is let go: slowly is how one client keeps many connections open.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// `TooLarge`, and `Invalid` when it breaks off or takes too long.
pub(crate) async fn read(app: &App, headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Error> {
    let too_large = || Error::TooLarge(Refusal::new(format!("a body here has at most {limit} bytes")));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let read = app.platform.within(BODY_WITHIN, to_bytes(body, limit)).await;
    let read = read.ok_or_else(|| Error::invalid("the body took longer than 30 s"))?;
    read.map_err(|error| {
        let over =
            std::error::Error::source(&error).is_some_and(|e| e.is::<http_body_util::LengthLimitError>());
        if over { too_large() } else { Error::invalid("the body broke off") }
    })
}

/// How much of a body there may be: what it says itself, or the most that is read of it.
pub(crate) fn size_of(body: &Body, limit: usize) -> usize {
    let exact = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    exact.map_or(limit, |bytes| bytes.min(limit))
}

/// The pieces of a body, each in its time.
pub(crate) fn pieces(app: &App, body: Body) -> impl Stream<Item = Result<Bytes, Error>> + Send + use<> {
    let platform = Arc::clone(&app.platform);
    stream::unfold(Some(body.into_data_stream()), move |chunks| {
        let platform = Arc::clone(&platform);
        async move {
            let mut chunks = chunks?;
            match platform.within(BODY_WITHIN, chunks.next()).await {
                Some(None) => None,
                Some(Some(Ok(piece))) => Some((Ok(piece), Some(chunks))),
                Some(Some(Err(_))) => Some((Err(Error::invalid("the body broke off")), None)),
                None => Some((Err(Error::invalid("the next piece of the body took longer than 30 s")), None)),
            }
        }
    })
}

/// Reads a body of at most `limit` bytes and keeps nothing of it.
pub(crate) async fn discard(app: &App, body: Body, limit: usize) {
    let mut left = limit;
    let mut chunks = body.into_data_stream();
    let reading = async {
        while let Some(Ok(chunk)) = chunks.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    app.platform.within(BODY_WITHIN, reading).await.unwrap_or_default();
}

/// Reads a JSON body of at most `limit` bytes.
///
/// # Errors
/// As `read`; `Invalid` when it is not `application/json` or not what is expected, saying where.
pub(crate) async fn read_json<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Error> {
    if !is_json(headers.get(header::CONTENT_TYPE)) {
        return Err(Error::Invalid(Refusal::new("the body has to be application/json")));
    }
    let bytes = read(app, headers, body, limit).await?;
    serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("the body: {error}")))
}

/// Whether a content type is `application/json`, whatever its parameters.
pub(crate) fn is_json(value: Option<&HeaderValue>) -> bool {
    let kind = value.and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

pub(crate) async fn no_such_path(request: Request) -> Response {
    rescue::problem(&Error::NotFound("path"), id_of(&request))
}

pub(crate) async fn no_such_method(request: Request) -> Response {
    rescue::method_not_allowed(id_of(&request))
}

fn id_of(request: &Request) -> RequestId {
    request.extensions().get().copied().unwrap_or(RequestId::from_bytes([0; 16]))
}
