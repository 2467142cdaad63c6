//! One HTTP exchange with the platform: key, time-outs, and what counts as an answer.

use std::time::Duration;

use serde::de::DeserializeOwned;
use smcp_api::{Method, PROBLEM_JSON, Problem};
use smcp_types::Secret;
use ureq::{
    Agent, Body, Proxy, RequestBuilder,
    http::{Response, header},
};

use crate::{ClientError, Endpoint};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer that is read: the versions of a server with all their definitions.
const MAX_ANSWER_BYTES: u64 = 256 << 20;
/// Largest refusal that is read.
const MAX_REFUSAL_BYTES: u64 = 4 << 20;

/// A request to be made.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Path and query, beginning with a slash.
    pub(crate) path: &'a str,
    /// Headers beside the credential.
    pub(crate) headers: Vec<(&'a str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// For the answer's head, after the request is sent.
    pub(crate) head_within: Duration,
    /// For everything together; `None` for a stream that has no end.
    pub(crate) all_within: Option<Duration>,
}

/// The way to one platform with one key.
pub(crate) struct Transport {
    agent: Agent,
    endpoint: Endpoint,
    key: Option<Secret<String>>,
}

impl Transport {
    pub(crate) fn new(endpoint: Endpoint, key: Option<Secret<String>>, user_agent: &str) -> Self {
        // A proxy has no business between this machine and itself.
        let proxy = if endpoint.is_loopback() { None } else { Proxy::try_from_env() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The key goes to the endpoint it was given for and to no other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .user_agent(user_agent)
            .proxy(proxy)
            .build();
        Self { agent: config.new_agent(), endpoint, key }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }

    /// Sends a request and gives its answer, whatever its status.
    pub(crate) fn send(&self, ask: Ask<'_>) -> Result<Response<Body>, ClientError> {
        let url = self.url(ask.path);
        let sent = match (ask.method, &ask.body) {
            (Method::Get, _) => self.dress(self.agent.get(&url), &ask).call(),
            (Method::Delete, _) => self.dress(self.agent.delete(&url), &ask).call(),
            (Method::Post, Some(body)) => self.dress(self.agent.post(&url), &ask).send(&body[..]),
            (Method::Post, None) => self.dress(self.agent.post(&url), &ask).send_empty(),
        };
        sent.map_err(|error| failed(&url, &error))
    }

    fn dress<B>(&self, request: RequestBuilder<B>, ask: &Ask<'_>) -> RequestBuilder<B> {
        let mut request = request
            .config()
            .timeout_recv_response(Some(ask.head_within))
            .timeout_global(ask.all_within)
            .build();
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose()));
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        request
    }
}

/// What went wrong on the way, in words that end the sentence "cannot reach …:".
fn failed(url: &str, error: &ureq::Error) -> ClientError {
    match error {
        ureq::Error::Io(io) => ClientError::unreachable(url, plain(io)),
        ureq::Error::HostNotFound => ClientError::unreachable(url, "no such host"),
        ureq::Error::Timeout(which) => ClientError::unreachable(url, format!("no answer in time ({which})")),
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            ClientError::not_ours(url, "it does not speak HTTP/1.1")
        }
        other => ClientError::unreachable(url, other.to_string()),
    }
}

/// A system error without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The body of a good answer, as JSON.
pub(crate) fn read_json<T: DeserializeOwned>(url: &str, response: Response<Body>) -> Result<T, ClientError> {
    let bytes = read_bytes(url, check(url, response)?, MAX_ANSWER_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        ClientError::not_ours(url, format!("its answer is not what this version of smcp expects: {error}"))
    })
}

/// The answer if it is a good one, else why it is not.
pub(crate) fn check(url: &str, response: Response<Body>) -> Result<Response<Body>, ClientError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    if !is_kind(&response, PROBLEM_JSON) {
        return Err(ClientError::not_ours(url, format!("{status}, without a problem document")));
    }
    let bytes = read_bytes(url, response, MAX_REFUSAL_BYTES)?;
    let mut problem: Problem = serde_json::from_slice(&bytes).map_err(|error| {
        ClientError::not_ours(url, format!("{status}, its problem document is wrong: {error}"))
    })?;
    // What a proxy in between says about the exchange is what the exchange was.
    problem.status = status.as_u16();
    if let Some(what) = problem.detail.strip_prefix("no such ")
        && let Some(name) = asked_for(url, what)
    {
        problem.detail = format!("{}: {name}", problem.detail);
    }
    Err(ClientError::Problem(Box::new(problem)))
}

/// The name of what a URL asks for, which the platform does not repeat: its path says it, behind the word for its kind.
fn asked_for<'u>(url: &'u str, what: &str) -> Option<&'u str> {
    let kind = match what {
        "tenant" => "tenants",
        "server" => "servers",
        "version" => "versions",
        "secret" => "secrets",
        "database" => "d1",
        "key" => "keys",
        _ => return None,
    };
    let mut parts = url.split(['?', '#']).next()?.split('/');
    parts.find(|part| *part == kind)?;
    parts.next().filter(|name| !name.is_empty() && !name.contains('%'))
}

pub(crate) fn read_bytes(url: &str, response: Response<Body>, limit: u64) -> Result<Vec<u8>, ClientError> {
    let body = response.into_body().into_with_config().limit(limit);
    body.read_to_vec().map_err(|error| failed(url, &error))
}

/// Whether the answer has this media type, parameters apart.
pub(crate) fn is_kind(response: &Response<Body>, kind: &str) -> bool {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let url = "http://localhost:8787/api/v1/tenants/acme/servers/notes/versions/abc?limit=1";
        let asked = ["tenant", "server", "version", "secret", "limit"].map(|what| asked_for(url, what));
        assert_eq!(asked, [Some("acme"), Some("notes"), Some("abc"), None, None]);
        assert_eq!(asked_for("http://localhost/api/v1/tenants/a%2Fb", "tenant"), None);
    }
}
