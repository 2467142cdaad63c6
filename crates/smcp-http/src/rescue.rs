//! From errors to answers: one function per kind of answer, each listing every variant (STYLE 14).

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use smcp_api::{LogLine, PROBLEM_JSON, Problem};
use smcp_core::call::{Cause, McpFailure};
use smcp_mcp::{MessageId, Revision, errors};
use smcp_types::{Error, RequestId};

/// JSON-RPC's range for errors of an implementation (section 5.1): the platform's own refusals.
const REFUSED: i32 = -32000;
/// The challenge of a missing or bad credential (RFC 6750, section 3). The same for every name (DESIGN 22).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"smcp\"");

/// What an error may say to whom it is told.
struct Told {
    status: StatusCode,
    message: String,
    hint: Option<String>,
}

/// Status and disclosure of every error, and the one place where an error is logged.
fn tell(error: &Error, id: RequestId) -> Told {
    let told = |status, message: &str, hint: Option<&String>| Told {
        status,
        message: message.to_owned(),
        hint: hint.cloned(),
    };
    match error {
        Error::Invalid(r) => told(StatusCode::BAD_REQUEST, &r.message, r.hint.as_ref()),
        Error::Unauthenticated => told(StatusCode::UNAUTHORIZED, "a valid credential is needed", None),
        Error::Forbidden(r) => told(StatusCode::FORBIDDEN, &r.message, r.hint.as_ref()),
        Error::NotFound(what) => told(StatusCode::NOT_FOUND, &format!("no such {what}"), None),
        Error::Conflict(r) => told(StatusCode::CONFLICT, &r.message, r.hint.as_ref()),
        Error::TooLarge(r) => told(StatusCode::PAYLOAD_TOO_LARGE, &r.message, r.hint.as_ref()),
        Error::Limited { message, .. } => told(StatusCode::TOO_MANY_REQUESTS, message, None),
        Error::Unavailable(r) => told(StatusCode::SERVICE_UNAVAILABLE, &r.message, r.hint.as_ref()),
        Error::Hosted(r) => {
            tracing::warn!(request.id = %id, reason = %r, private = r.private, "a hosted server failed");
            told(StatusCode::BAD_GATEWAY, &format!("the hosted server failed: {r}"), r.hint.as_ref())
        }
        Error::TimedOut(r) => {
            tracing::warn!(request.id = %id, reason = %r, "a hosted server took too long");
            told(StatusCode::GATEWAY_TIMEOUT, &r.message, r.hint.as_ref())
        }
        Error::Damaged(r) => {
            tracing::error!(request.id = %id, reason = %r, private = r.private, "something stored cannot be read");
            told(StatusCode::INTERNAL_SERVER_ERROR, &r.message, r.hint.as_ref())
        }
        Error::Internal(private) => {
            tracing::error!(request.id = %id, private, "internal error");
            told(
                StatusCode::INTERNAL_SERVER_ERROR,
                "something failed here; the request id leads to why",
                None,
            )
        }
    }
}

/// An error as a problem document (RFC 9457).
pub(crate) fn problem(error: &Error, id: RequestId) -> Response {
    problem_with_logs(error, id, Vec::new())
}

/// A path that exists and has no such method.
pub(crate) fn method_not_allowed(id: RequestId) -> Response {
    let told = Told {
        status: StatusCode::METHOD_NOT_ALLOWED,
        message: "this path has no such method".to_owned(),
        hint: None,
    };
    document(told, id, Vec::new())
}

/// The same as `problem`, with what a refused version printed.
pub(crate) fn problem_with_logs(error: &Error, id: RequestId, logs: Vec<LogLine>) -> Response {
    dress(document(tell(error, id), id, logs), error)
}

fn document(Told { status, message, hint }: Told, id: RequestId, logs: Vec<LogLine>) -> Response {
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail: message,
        hint,
        request_id: id.to_string(),
        logs,
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response()
}

/// An error of an MCP endpoint: always a JSON-RPC body, else clients of two eras take it for an older server.
pub(crate) fn mcp(failure: &McpFailure, id: RequestId) -> Response {
    let message_id = failure.id.as_ref();
    match &failure.cause {
        Cause::Envelope { code, message } => {
            json_rpc(StatusCode::BAD_REQUEST, message_id, *code, message, None)
        }
        // An error of a method, as the server itself would answer it.
        Cause::Message { code, message } => json_rpc(StatusCode::OK, message_id, *code, message, None),
        Cause::Tool { message, revision } => {
            let body = errors::tool_error_body(message_id, *revision, message);
            (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Cause::UnknownMethod => {
            let code = errors::METHOD_NOT_FOUND;
            json_rpc(StatusCode::NOT_FOUND, message_id, code, "Method not found", None)
        }
        Cause::UnknownRevision { requested, supported } => {
            let supported: Vec<&str> = supported.iter().map(|r: &Revision| r.as_str()).collect();
            let data = json!({ "supported": supported, "requested": requested });
            let code = errors::UNSUPPORTED_PROTOCOL_VERSION;
            json_rpc(StatusCode::BAD_REQUEST, message_id, code, "Unsupported protocol version", Some(data))
        }
        Cause::Platform(error) => {
            let Told { status, message, hint } = tell(error, id);
            let mut data = json!({ "requestId": id.to_string() });
            if let Some(hint) = hint {
                data["hint"] = hint.into();
            }
            let response = json_rpc(status, message_id, json_rpc_code(error), &message, Some(data));
            dress(response, error)
        }
    }
}

/// The JSON-RPC code of each error.
fn json_rpc_code(error: &Error) -> i32 {
    match error {
        Error::Invalid(_) => errors::INVALID_REQUEST,
        Error::Hosted(_) | Error::TimedOut(_) | Error::Damaged(_) | Error::Internal(_) => {
            errors::INTERNAL_ERROR
        }
        Error::Unauthenticated
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::TooLarge(_)
        | Error::Limited { .. }
        | Error::Unavailable(_) => REFUSED,
    }
}

fn json_rpc(
    status: StatusCode,
    id: Option<&MessageId>,
    code: i32,
    message: &str,
    data: Option<Value>,
) -> Response {
    let body = errors::error_body(id, code, message, data);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Headers that belong to an error.
fn dress(mut response: Response, error: &Error) -> Response {
    match error {
        Error::Unauthenticated => {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        Error::Limited { retry_after, .. } => {
            let seconds = retry_after.as_secs().max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Error::Invalid(_)
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Conflict(_)
        | Error::TooLarge(_)
        | Error::Unavailable(_)
        | Error::Hosted(_)
        | Error::TimedOut(_)
        | Error::Damaged(_)
        | Error::Internal(_) => {}
    }
    response
}
