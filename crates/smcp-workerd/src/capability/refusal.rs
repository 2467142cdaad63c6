//! From errors to what hosted code is told: one function that lists every variant (STYLE 14).

use bytes::Bytes;
use http::{Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use smcp_core::ports::HostedBody;
use smcp_types::{Error, TenantId};

use super::body;

/// What hosted code is told.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

/// Status and disclosure of every error, and the one place where an error of a binding is logged.
pub(super) fn tell(error: &Error, tenant: TenantId, store: &str) -> Told {
    let told = |status, message: &str| Told { status, message: message.to_owned() };
    match error {
        Error::Invalid(r) => told(StatusCode::BAD_REQUEST, &r.message),
        Error::Unauthenticated | Error::Forbidden(_) => told(StatusCode::FORBIDDEN, "not permitted"),
        Error::NotFound(what) => told(StatusCode::NOT_FOUND, &format!("no such {what}")),
        Error::Conflict(r) => told(StatusCode::CONFLICT, &r.message),
        Error::TooLarge(r) => told(StatusCode::PAYLOAD_TOO_LARGE, &r.message),
        Error::Limited { message, .. } => told(StatusCode::TOO_MANY_REQUESTS, message),
        Error::Unavailable(r) => {
            tracing::error!(tenant.id = %tenant, store, reason = %r, private = r.private, "storage is not available");
            told(StatusCode::INSUFFICIENT_STORAGE, &r.message)
        }
        Error::Damaged(r) => {
            tracing::error!(tenant.id = %tenant, store, reason = %r, private = r.private, "stored data is damaged");
            told(StatusCode::INTERNAL_SERVER_ERROR, &r.message)
        }
        Error::Hosted(r) | Error::TimedOut(r) => told(StatusCode::BAD_REQUEST, &r.message),
        Error::Internal(private) => {
            tracing::error!(tenant.id = %tenant, store, private, "a storage request failed");
            told(StatusCode::INTERNAL_SERVER_ERROR, "storage failed; the platform's log says why")
        }
    }
}

/// An answer without content.
pub(super) fn bare(status: StatusCode) -> Response<HostedBody> {
    let mut response = Response::new(body::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// The refusal as KV's client side shows it: it makes its error of the reason phrase.
pub(super) fn phrased(told: &Told) -> Response<HostedBody> {
    let mut response = bare(told.status);
    // Printable ASCII only; our messages are, but for what they quote.
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let phrase: String = told.message.chars().map(printable).collect();
    if let Ok(reason) = ReasonPhrase::try_from(phrase.into_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    *response.body_mut() = body::whole(told.message.clone());
    response
}
