//! What is kept of every request: a line in the server's log, and sums for each server.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, Uri};
use smcp_core::ports::{Clock, LogLevel, LogLine, LogSink, OutboundTraffic, VersionRef};
use smcp_types::{RequestId, ServerId, TenantId, TraceId};

use crate::refused::Refused;

/// In which the wrapper module says for which call a request is sent. It does not go out.
const REQUEST: &str = "cf-ray";

/// Most characters of a method and of a URL that stand in a line.
const SHOWN: (usize, usize) = (20, 512);

/// Writes lines and adds up.
pub(crate) struct Ledger {
    logs: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    sums: Mutex<Sums>,
}

/// By server, and by tenant with its deleted servers.
#[derive(Default)]
struct Sums {
    servers: HashMap<(TenantId, ServerId), OutboundTraffic>,
    tenants: HashMap<TenantId, OutboundTraffic>,
}

impl Ledger {
    pub(crate) fn new(logs: Arc<dyn LogSink>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { logs, clock, sums: Mutex::default() })
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn traffic(&self, tenant: TenantId, server: Option<ServerId>) -> OutboundTraffic {
        let sums = self.sums();
        let found = match server {
            Some(server) => sums.servers.get(&(tenant, server)),
            None => sums.tenants.get(&tenant),
        };
        found.copied().unwrap_or_default()
    }

    pub(crate) fn forget(&self, tenant: TenantId, server: ServerId) {
        self.sums().servers.remove(&(tenant, server));
    }

    fn add(&self, version: &VersionRef, change: impl Fn(&mut OutboundTraffic)) {
        let mut sums = self.sums();
        change(sums.servers.entry((version.tenant, version.server)).or_default());
        change(sums.tenants.entry(version.tenant).or_default());
    }
}

/// The record of one request. Its line is written when it is dropped, since whoever waits for an answer may let go of it
/// at any moment, and that is worth a line too.
pub(crate) struct Entry {
    ledger: Arc<Ledger>,
    version: VersionRef,
    /// Method and URL as hosted code sent them, without the query: made before any secret is added.
    what: String,
    /// The call and the trace that it belongs to: labels, forgeable by hosted code.
    request: Option<RequestId>,
    trace: Option<TraceId>,
    began: Duration,
    outcome: Outcome,
    sent: Arc<AtomicU64>,
    received: u64,
}

enum Outcome {
    Abandoned,
    Refused(Refused),
    Answered(StatusCode),
    CutOff(StatusCode, String),
}

impl Entry {
    pub(crate) fn new(ledger: &Arc<Ledger>, version: VersionRef, head: &http::request::Parts) -> Self {
        ledger.add(&version, |traffic| traffic.requests += 1);
        Self {
            ledger: Arc::clone(ledger),
            version,
            what: what(&head.method, &head.uri),
            request: label(&head.headers, REQUEST).and_then(|id| id.parse().ok()),
            trace: trace_id(&head.headers),
            began: ledger.clock.monotonic(),
            outcome: Outcome::Abandoned,
            sent: Arc::default(),
            received: 0,
        }
    }

    /// Counts the bytes of the request's body.
    pub(crate) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.outcome = Outcome::Answered(status);
    }

    pub(crate) fn refused(&mut self, refused: &Refused) {
        self.outcome = Outcome::Refused(refused.clone());
    }

    /// The answer had begun and broke off.
    pub(crate) fn cut_off(&mut self, why: &str) {
        if let Outcome::Answered(status) = self.outcome {
            self.outcome = Outcome::CutOff(status, why.to_owned());
        }
    }

    fn line(&self, sent: u64) -> (LogLevel, String) {
        let took = self.ledger.clock.monotonic().saturating_sub(self.began).as_millis();
        let sizes = format!("{sent} bytes out, {} bytes in, {took} ms", self.received);
        let what = &self.what;
        let (level, line) = match &self.outcome {
            Outcome::Abandoned => (LogLevel::Debug, format!("{what}: given up, {sizes}")),
            Outcome::Refused(refused) => (LogLevel::Warn, format!("{what}: {}", refused.line())),
            Outcome::Answered(status) => (LogLevel::Debug, format!("{what}: {}, {sizes}", status.as_u16())),
            Outcome::CutOff(status, why) => {
                (LogLevel::Warn, format!("{what}: {}, then {why}, {sizes}", status.as_u16()))
            }
        };
        (level, format!("egress: {line}"))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let sent = self.sent.load(Ordering::Relaxed);
        let refused = matches!(&self.outcome, Outcome::Refused(refused) if refused.is_rule());
        self.ledger.add(&self.version, |traffic| {
            traffic.refused += u64::from(refused);
            traffic.bytes_out += sent;
            traffic.bytes_in += self.received;
        });
        let (level, message) = self.line(sent);
        let (request_id, trace_id) = (self.request, self.trace);
        let at = self.ledger.clock.now();
        let line = LogLine { request_id, trace_id, ..LogLine::platform(at, level, message) };
        self.ledger.logs.append(&self.version, line);
    }
}

/// Method and URL, without a user and without the query, where credentials may stand.
fn what(method: &Method, uri: &Uri) -> String {
    let method: String = method.as_str().chars().take(SHOWN.0).collect();
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let url = format!("{scheme}{host}{}", uri.path());
    let url: String = url.chars().take(SHOWN.1).flat_map(char::escape_debug).collect();
    format!("{method} {url}")
}

/// The trace id of a W3C `traceparent`, as hosted code passed it on.
fn trace_id(headers: &HeaderMap) -> Option<TraceId> {
    label(headers, "traceparent")?.split('-').nth(1)?.parse().ok()
}

fn label<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_users_nor_queries_are_shown() {
        let shown = |uri: &str| what(&Method::GET, &uri.parse().unwrap());
        assert_eq!(shown("https://u:p@a.example:8443/b?key=1"), "GET https://a.example:8443/b");
        assert_eq!(shown("https://a.example"), "GET https://a.example/");
        assert_eq!(shown("a.example:22"), "GET a.example:22");
        assert!(shown(&format!("https://a.example/{}", "b".repeat(5000))).len() < 600);
    }

    #[test]
    fn traces() {
        let trace = |value: &'static str| {
            trace_id(
                &[(http::HeaderName::from_static("traceparent"), http::HeaderValue::from_static(value))]
                    .into_iter()
                    .collect(),
            )
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
                .map(|id| id.to_string())
                .as_deref(),
            Some(id)
        );
        for none in ["", "00-4bf9-00f067aa0ba902b7-01", "00-zbf92f3577b34da6a3ce929d0e0e4736-a-01"] {
            assert_eq!(trace(none), None, "{none}");
        }
    }
}
