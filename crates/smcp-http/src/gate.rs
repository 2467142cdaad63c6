//! Before every handler: the request id, the `Host` we answer to, the `Origin` that may call; after it: what every
//! answer carries.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use smcp_core::settings::Settings;
use smcp_types::{Error, Refusal, RequestId};

use crate::{App, rescue};

/// The header every answer names its request in.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a page of an allowed origin may send (Fetch, CORS protocol).
const CORS_HEADERS: &str = "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, \
                            mcp-method, mcp-name, traceparent, tracestate";
/// What such a page may read.
const CORS_EXPOSED: &str =
    "mcp-session-id, mcp-protocol-version, www-authenticate, x-request-id, retry-after";

/// Checks `Host` and `Origin` (DNS rebinding: 2025-11-25, Transports, Security Warning) and labels the request.
pub(crate) async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::new(app.platform.now(), app.platform.random());
    request.extensions_mut().insert(id);
    let settings = &app.platform.settings;
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match admit(settings, request.uri(), request.headers()) {
        Err(error) if request.uri().path().starts_with("/t/") => rescue::mcp(&error.into(), id),
        Err(error) => rescue::problem(&error, id),
        Ok(()) if is_preflight(&request) => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    label(response.headers_mut(), id);
    if let Some(origin) = origin.filter(|origin| is_allowed(settings, origin)) {
        allow_origin(response.headers_mut(), origin);
    }
    response
}

fn admit(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    // HTTP/2 and absolute-form requests carry the host in the URI; all that are there must name us.
    let mut hosts = headers.get_all(header::HOST).iter();
    let named = [uri.authority().map(|a| a.as_str().as_bytes()), hosts.next().map(HeaderValue::as_bytes)];
    let ours =
        |host: &[u8]| std::str::from_utf8(host).is_ok_and(|host| settings.external_url.answers_to(host));
    let mut named = named.into_iter().flatten().peekable();
    if named.peek().is_none() || !named.all(ours) || hosts.next().is_some() {
        let message = "this host is not served here";
        return Err(Error::Forbidden(Refusal::new(message).hint("the operator sets it with `external_url`")));
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), second) if second.is_some() || !is_allowed(settings, origin) => {
            let message = "this origin may not call here";
            Err(Error::Forbidden(Refusal::new(message).hint("the operator adds it to `allowed_origins`")))
        }
        _ => Ok(()),
    }
}

fn is_allowed(settings: &Settings, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    settings.external_url.is_own_origin(origin)
        || settings.allowed_origins.iter().any(|allowed| allowed == origin)
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(CORS_HEADERS));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_EXPOSED));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

/// Nothing here is a document: a browser that is shown an answer must do nothing with it.
fn label(headers: &mut HeaderMap, id: RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
