//! The head of an answer from outside: what of it hosted code sees, and how its body is to be looked through.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header, response};
use smcp_core::redact::{Redacting, Redactor};

use crate::{body::Look, headers, refused::Refused};

/// Decides on an answer. With a `redactor`, a secret was sent, and nothing that cannot be looked through comes back.
pub(crate) fn judge(
    head: response::Parts,
    redactor: Option<Arc<Redactor>>,
    to_head: bool,
    host: &str,
) -> Result<(response::Parts, Look), Refused> {
    let response::Parts { status, headers, .. } = head;
    // Nobody asked for another protocol, and a coding beside `chunked` would be taken for the body.
    if status.is_informational() || headers.get_all(header::TRANSFER_ENCODING).iter().any(is_not_chunked) {
        return Err(Refused::broken(host));
    }
    let mut through = headers::incoming(&headers);
    let look = match redactor {
        None => Look::Not,
        Some(redactor) => {
            let bodiless = to_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
            let packed = is_packed(&headers).or(bodiless.then_some(false));
            let packed = packed.ok_or_else(|| Refused::encoded(host))?;
            through = redacted(&through, &redactor);
            let redacting = Redacting::new(redactor);
            if packed { Look::Unpack(Box::default(), redacting) } else { Look::Redact(redacting) }
        }
    };
    let (mut fresh, ()) = Response::new(()).into_parts();
    fresh.status = status;
    fresh.version = Version::HTTP_11;
    fresh.headers = through;
    Ok((fresh, look))
}

fn is_not_chunked(value: &HeaderValue) -> bool {
    !value.as_bytes().eq_ignore_ascii_case(b"chunked")
}

/// Whether the body is gzip, or plain; `None` for any other encoding.
fn is_packed(headers: &HeaderMap) -> Option<bool> {
    let mut packed = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        match value.to_str().ok()?.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => {}
            "gzip" | "x-gzip" if !packed => packed = true,
            _ => return None,
        }
    }
    Some(packed)
}

/// Headers without secrets. Length and encoding are those of the body before it was looked through.
fn redacted(headers: &HeaderMap, redactor: &Redactor) -> HeaderMap {
    let mut clean = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let framing = *name == header::CONTENT_LENGTH || *name == header::CONTENT_ENCODING;
        let named = redactor.redact_bytes(name.as_str().as_bytes()) != name.as_str().as_bytes();
        if framing || named {
            continue;
        }
        // What the mark is made of fits into any value.
        if let Ok(value) = HeaderValue::from_bytes(&redactor.redact_bytes(value.as_bytes())) {
            clean.append(name.clone(), value);
        }
    }
    clean
}
