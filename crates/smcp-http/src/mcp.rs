//! The MCP endpoint `/t/{tenant}/{server}/mcp`: what HTTP itself has to be right about, in the order of DESIGN 22.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use smcp_core::call::{McpBody, McpFailure, McpRequest, McpResponse, Verb};
use smcp_types::{Error, RequestId, Slug, limits::MAX_MCP_BODY_BYTES};

use crate::{App, answer, caller, extract::Path, rescue};

/// Headers that are read here and in hosted code: two of one name could be read as either.
const SINGLE: [&str; 7] = [
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
];

/// What a hosted server is told we accept, whatever exactly the client wrote: we have checked that it takes both.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// An extension of answers whose body has no end of its own. A transport may let go of everything else that it keeps for them.
#[derive(Clone, Copy, Debug)]
pub struct Unending;

pub(crate) fn endpoint() -> MethodRouter<App> {
    get(serve).post(serve).delete(serve)
}

async fn serve(
    State(app): State<App>,
    Path((tenant, server)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let (id, listens) = (caller::request_id(&parts), parts.method == Method::GET);
    match call(&app, (tenant, server), parts, body).await {
        Ok(answered) => {
            let mut response = respond(answered);
            if listens && response.status() == StatusCode::OK {
                response.extensions_mut().insert(Unending);
            }
            response
        }
        Err(Refused::Mcp(failure)) => rescue::mcp(&failure, id),
        Err(Refused::Http(status, message)) => {
            let body = smcp_mcp::errors::error_body(None, smcp_mcp::errors::INVALID_REQUEST, message, None);
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

/// A refusal by HTTP's own rules, or one of the platform.
enum Refused {
    Http(StatusCode, &'static str),
    Mcp(McpFailure),
}

impl<E: Into<McpFailure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Mcp(error.into())
    }
}

async fn call(
    app: &App,
    (tenant, server): (String, String),
    mut parts: Parts,
    body: Body,
) -> Result<McpResponse, Refused> {
    // First the form of the name, then the credential, then whether the server exists.
    if Slug::check_form(&tenant).is_err() || Slug::check_form(&server).is_err() {
        return Err(Error::NotFound("server").into());
    }
    let request_id: RequestId = caller::request_id(&parts);
    let ctx = caller::identify(app, &parts.headers, request_id).await?;
    if SINGLE.into_iter().any(|name| parts.headers.get_all(name).iter().nth(1).is_some()) {
        return Err(Refused::Http(StatusCode::BAD_REQUEST, "a header that has to be single is there twice"));
    }
    let verb = match parts.method {
        Method::POST => {
            check_post(&parts.headers)?;
            parts.headers.insert(header::ACCEPT, BOTH);
            Verb::Send(answer::read(app, &parts.headers, body, MAX_MCP_BODY_BYTES).await?)
        }
        Method::DELETE => Verb::End,
        // It would take what is meant for a listener.
        Method::HEAD => return Err(Refused::Http(StatusCode::METHOD_NOT_ALLOWED, "a stream has no HEAD")),
        // Nothing but GET is left: the route takes no other method.
        _ => {
            if !accepts(&parts.headers, "text/event-stream") {
                return Err(Refused::Http(
                    StatusCode::NOT_ACCEPTABLE,
                    "Accept has to include text/event-stream",
                ));
            }
            Verb::Listen
        }
    };
    let request = McpRequest { tenant, server, verb, headers: parts.headers };
    Ok(app.platform.mcp(&ctx, request).await?)
}

fn check_post(headers: &HeaderMap) -> Result<(), Refused> {
    if !answer::is_json(headers.get(header::CONTENT_TYPE)) {
        let message = "Content-Type has to be application/json";
        return Err(Refused::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        let message = "Accept has to include both application/json and text/event-stream";
        return Err(Refused::Http(StatusCode::NOT_ACCEPTABLE, message));
    }
    Ok(())
}

/// Whether `Accept` takes a media type (RFC 9110, section 12.5.1). A missing one takes everything.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    if !headers.contains_key(header::ACCEPT) {
        return true;
    }
    let family = kind.split('/').next().unwrap_or_default();
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let fits =
            name == "*/*" || name.eq_ignore_ascii_case(kind) || name.strip_suffix("/*") == Some(family);
        fits && !refused
    })
}

fn respond(answered: McpResponse) -> Response {
    let body = match answered.body {
        McpBody::Whole(bytes) => Body::from(bytes),
        McpBody::Stream(stream) => Body::from_stream(stream),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answered.status;
    *response.headers_mut() = answered.headers;
    response
}
