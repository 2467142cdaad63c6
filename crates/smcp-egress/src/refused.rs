//! Every refusal and failure, in words for whoever wrote the code or runs the platform.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use smcp_core::ports::{HostedBody, SUBREQUESTS_PER_CALL};
use smcp_manifest::{Decision, Outgoing, PathError};
use smcp_policy::Forbidden;

use crate::{places::Full, resolve::ResolveError, target::TargetError};

/// Says that an answer is the platform's own. Nobody else can: it is taken off of what comes from outside.
const MARK: HeaderName = HeaderName::from_static("x-smcp-egress");

/// Most characters of words that others had a part in.
const MAX_FOREIGN: usize = 300;

/// What becomes of a request that gets no answer from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    status: StatusCode,
    /// `refused` when a rule says no, `failed` when the other side does not do its part.
    kind: &'static str,
    words: String,
}

impl Refused {
    fn rule(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, kind: "refused", words: words.into() }
    }

    fn failure(status: StatusCode, words: impl Into<String>) -> Self {
        Self { status, kind: "failed", words: words.into() }
    }

    pub(crate) fn trial() -> Self {
        let words = "nothing leaves while a version is tried before its deploy: send requests when a call comes, not at start";
        Self::rule(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn budget() -> Self {
        let words =
            format!("no outbound requests are left: each call of the server adds {SUBREQUESTS_PER_CALL}");
        Self::rule(StatusCode::TOO_MANY_REQUESTS, words)
    }

    pub(crate) fn crowded(full: Full) -> Self {
        let words = match full {
            Full::Process => {
                "the server has too many requests under way: wait for some to end before sending more"
            }
            Full::Tenant => {
                "the tenant's servers have too many requests under way: try again when some have ended"
            }
            Full::Node => "the platform has too many requests under way: try again soon",
        };
        Self::rule(StatusCode::TOO_MANY_REQUESTS, words)
    }

    pub(crate) fn method(method: &Method) -> Self {
        let words = if method == Method::CONNECT {
            "no tunnel is opened: connect() and node:net have no way out, use fetch() with http or https"
                .to_owned()
        } else {
            format!("{method} requests are never let out")
        };
        Self::rule(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn upgrade() -> Self {
        Self::rule(StatusCode::FORBIDDEN, "WebSockets and other upgrades are not let out: use plain requests")
    }

    pub(crate) fn target(error: &TargetError) -> Self {
        Self::rule(StatusCode::FORBIDDEN, error.to_string())
    }

    pub(crate) fn undeclared(decision: Decision, request: &Outgoing<'_>) -> Self {
        let Outgoing { method, host, port, .. } = request;
        let what = match decision {
            Decision::Allowed | Decision::Host => format!("the manifest does not allow requests to {host}"),
            Decision::Port | Decision::Plain => {
                format!("the manifest does not allow requests to port {port} of {host}")
            }
            Decision::Method => format!("the manifest does not allow {method:?} requests to {host}"),
        };
        let advice = decision.advice(request).unwrap_or_default();
        Self::rule(StatusCode::FORBIDDEN, format!("{what}: {advice}"))
    }

    pub(crate) fn ourselves(host: &str) -> Self {
        Self::rule(StatusCode::FORBIDDEN, format!("{host} is this platform, which hosted code may not call"))
    }

    pub(crate) fn path(error: PathError) -> Self {
        Self::rule(StatusCode::FORBIDDEN, error.to_string())
    }

    pub(crate) fn framing() -> Self {
        let words = "the request says more than once how long its body is: send one Content-Length or one Transfer-Encoding";
        Self::rule(StatusCode::BAD_REQUEST, words)
    }

    pub(crate) fn large_head(most: usize) -> Self {
        let words = format!("the request's URL and headers must have at most {most} bytes");
        Self::rule(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, words)
    }

    pub(crate) fn large_body(most: u64) -> Self {
        Self::rule(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body must have at most {most} bytes"),
        )
    }

    pub(crate) fn address(host: &str, kind: Forbidden) -> Self {
        let advice =
            if kind.can_be_permitted() { "; an operator can permit its network to this server" } else { "" };
        let words = format!("{host} has {kind}, and hosted code reaches public ones alone{advice}");
        Self::rule(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn no_secret(name: &str, server: &str) -> Self {
        let words = format!(
            "the request needs the secret {name}, which is not set: smcp secrets set {name} --server {server}"
        );
        Self::rule(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn unfit_secret(name: &str, server: &str) -> Self {
        let words = format!(
            "the secret {name} has characters that no header can carry: smcp secrets set {name} --server {server}"
        );
        Self::rule(StatusCode::FORBIDDEN, words)
    }

    pub(crate) fn unreadable_secret(name: &str) -> Self {
        let words = format!("the secret {name} could not be read: the platform's log has the reason");
        Self::failure(StatusCode::BAD_GATEWAY, words)
    }

    pub(crate) fn unresolved(host: &str, error: &ResolveError) -> Self {
        Self::failure(StatusCode::BAD_GATEWAY, format!("{host} could not be resolved: {error}"))
    }

    pub(crate) fn unreachable(host: &str, error: &io::Error) -> Self {
        Self::failure(StatusCode::BAD_GATEWAY, format!("{host} could not be reached: {}", error.kind()))
    }

    pub(crate) fn untrusted(host: &str, error: &io::Error) -> Self {
        // A wrong certificate is told with the names in it, of which there may be many.
        let why: String = error.to_string().chars().take(MAX_FOREIGN).collect();
        Self::failure(StatusCode::BAD_GATEWAY, format!("no TLS with {host}: {why}"))
    }

    pub(crate) fn broken(host: &str) -> Self {
        Self::failure(StatusCode::BAD_GATEWAY, format!("{host} did not answer in HTTP/1.1, or broke off"))
    }

    pub(crate) fn encoded(host: &str) -> Self {
        let words = format!(
            "{host} encoded its answer to a request with a secret, although it was asked not to, so that it cannot be looked through"
        );
        Self::failure(StatusCode::BAD_GATEWAY, words)
    }

    pub(crate) fn late(host: &str, limit: Duration) -> Self {
        let words = format!("{host} did not answer within {} s", limit.as_secs());
        Self::failure(StatusCode::GATEWAY_TIMEOUT, words)
    }

    pub(crate) fn internal() -> Self {
        Self::failure(StatusCode::BAD_GATEWAY, "the platform could not send the request")
    }

    /// As the log tells it.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.kind, self.words)
    }

    /// Whether a rule said no.
    pub(crate) fn is_rule(&self) -> bool {
        self.kind == "refused"
    }

    /// As the code gets it.
    pub(crate) fn answer(&self) -> Response<HostedBody> {
        let body = Bytes::from(format!("{}\n", self.words));
        let mut response: Response<HostedBody> = Response::new(stream::iter([Ok(body)]).boxed());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(MARK, HeaderValue::from_static(self.kind));
        response
    }
}
