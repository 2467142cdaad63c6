//! What hosted code may answer (DESIGN 20): everything else is replaced before a client sees it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use smcp_types::{Error, Refusal};

use crate::ports::HostedResponse;

/// Response headers that pass. Never cookies, redirects, challenges, CORS, links or anything a browser would act on.
const PASSED_BACK: &[&str] = &["content-type", "retry-after"];

/// How an acceptable answer is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// No body that counts.
    Empty,
    /// JSON, to be read whole.
    Json,
    /// Events, to be passed on as they come.
    Events,
}

/// Judges status and content type.
pub(super) fn form(response: &HostedResponse) -> Result<Form, Error> {
    let status = response.status;
    let acceptable = status == StatusCode::OK
        || status == StatusCode::ACCEPTED
        || status.is_client_error()
        || status.is_server_error();
    let authenticates =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    if !acceptable || authenticates {
        let message = format!("it answered {}, which a hosted server may not", status.as_u16());
        let hint = "answer 200, 202, 4xx or 5xx; authentication is the platform's";
        return Err(Error::Hosted(Refusal::new(message).hint(hint)));
    }
    if response.headers.contains_key(header::CONTENT_ENCODING) {
        let hint = "leave out Content-Encoding: the platform reads what hosted servers answer";
        return Err(Error::Hosted(Refusal::new("it answered with an encoded body").hint(hint)));
    }
    let kind = response.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if is_type(kind, "text/event-stream") {
        return Ok(Form::Events);
    }
    if is_type(kind, "application/json") {
        return Ok(Form::Json);
    }
    if status != StatusCode::OK || kind.is_empty() {
        // Its words are in a form we do not pass on; its status stands.
        return Ok(Form::Empty);
    }
    let message = "it answered with a content type that is neither application/json nor text/event-stream";
    Err(Error::Hosted(Refusal::new(message).private(String::from_utf8_lossy(kind))))
}

/// `Retry-After` as seconds alone; the content type is replaced by one of our own spelling anyway.
fn is_sound(name: &HeaderName, value: &HeaderValue) -> bool {
    *name != header::RETRY_AFTER || value.as_bytes().iter().all(u8::is_ascii_digit) && value.len() < 10
}

fn is_type(value: &[u8], expected: &str) -> bool {
    let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
}

/// The headers that go back, the content type reduced to the form we judged.
pub(super) fn passed_back(hosted: &HeaderMap, form: Form) -> HeaderMap {
    let mut headers: HeaderMap = hosted
        .iter()
        .filter(|(name, value)| PASSED_BACK.contains(&name.as_str()) && is_sound(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    match form {
        Form::Empty => {
            headers.remove(header::CONTENT_TYPE);
        }
        Form::Json => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Form::Events => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            // 2026-07-28, Streamable HTTP, Receiving Messages: proxies in front must not gather events.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        }
    }
    headers
}
