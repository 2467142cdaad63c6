//! A way out with everything around it under the test's control: clock, name server, dialer, log, secrets.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use smcp_core::ports::{
    Budgets, HostedBody, LogLevel, LogLine, LogSink, Outbound as _, Purpose, SecretSource, VersionRef,
    Workload,
};
use smcp_egress::{Dial, Egress, EgressLimits, EgressParts, Own, Resolve, ResolveError, Resolved, Roots};
use smcp_manifest::LockedManifest;
use smcp_testkit::FakeClock;
use smcp_types::{Digest, Result, Secret, ServerId, TenantId};

use crate::upstream::{Handler, World};

/// A name server that says what it is told to, and counts.
#[derive(Default)]
pub(crate) struct Dns {
    names: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    /// Every name that was asked for.
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Dns {
    /// The next answers for a name; the last one stays.
    pub(crate) fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        self.names.lock().unwrap().insert(name.to_owned(), answers.iter().map(parse).collect());
    }
}

struct Asked(Arc<Dns>);

#[async_trait]
impl Resolve for Asked {
    async fn resolve(&self, name: &str) -> std::result::Result<Resolved, ResolveError> {
        self.0.asked.lock().unwrap().push(name.to_owned());
        let mut names = self.0.names.lock().unwrap();
        let answers = names.get_mut(name).ok_or(ResolveError::NoSuchName)?;
        let addresses = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(Resolved { addresses: addresses.unwrap(), ttl: Duration::ZERO })
    }
}

/// The server's log.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<(LogLevel, String)>>);

impl LogSink for Log {
    fn append(&self, _: &VersionRef, line: LogLine) {
        let trace = line.trace_id.map(|id| format!(", trace {id}")).unwrap_or_default();
        self.0.lock().unwrap().push((line.level, line.message + &trace));
    }
}

/// Secrets by name.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl SecretSource for Secrets {
    async fn reveal(&self, _: TenantId, _: ServerId, name: &str) -> Result<Option<Secret<String>>> {
        Ok(self.0.lock().unwrap().get(name).cloned().map(Secret::new))
    }
}

/// Everything together.
pub(crate) struct Stage {
    pub(crate) egress: Arc<Egress>,
    pub(crate) world: World,
    pub(crate) dns: Arc<Dns>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) workload: Arc<Workload>,
    log: Arc<Log>,
    secrets: Arc<Secrets>,
}

/// What differs from the usual.
pub(crate) struct Setup {
    pub(crate) rules: Value,
    pub(crate) networks: Vec<&'static str>,
    pub(crate) purpose: Purpose,
    pub(crate) own: Own,
    pub(crate) limits: EgressLimits,
    pub(crate) root: Option<CertificateDer<'static>>,
    /// In the place of the recording one.
    pub(crate) dialer: Option<Box<dyn Dial>>,
    /// In the place of the scripted one.
    pub(crate) resolver: Option<Box<dyn Resolve>>,
}

/// Everything by default, and nothing allowed but what these rules say.
pub(crate) fn setup(rules: Value) -> Setup {
    Setup {
        rules,
        networks: Vec::new(),
        purpose: Purpose::Serving,
        own: Own::default(),
        limits: EgressLimits::default(),
        root: None,
        dialer: None,
        resolver: None,
    }
}

impl Setup {
    /// Builds it; `world` is what answers.
    pub(crate) fn build(self, world: World) -> Stage {
        let (clock, dns) = (Arc::new(FakeClock::default()), Arc::<Dns>::default());
        let (log, secrets) = (Arc::<Log>::default(), Arc::<Secrets>::default());
        let workload = workload(1, &self.rules, (self.purpose, &self.networks));
        let egress = Egress::new(EgressParts {
            clock: clock.clone(),
            logs: log.clone(),
            secrets: secrets.clone(),
            resolver: self.resolver.unwrap_or_else(|| Box::new(Asked(Arc::clone(&dns)))),
            dialer: self.dialer.unwrap_or_else(|| Box::new(world.clone())),
            own: self.own,
            roots: Roots::only(self.root).unwrap(),
            limits: self.limits,
        });
        Stage { egress: Arc::new(egress.unwrap()), world, dns, clock, workload, log, secrets }
    }
}

/// Plain http to `api.example`, which is at a public address and answers so.
pub(crate) fn plain(handler: Handler) -> Stage {
    let rules = json!({ "allow": [{ "host": "api.example", "ports": [80, 443] }] });
    let stage = setup(rules).build(World::new(handler, None));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage
}

/// A process with these rules, of the tenant with this number.
pub(crate) fn workload(tenant: u8, rules: &Value, (purpose, networks): (Purpose, &[&str])) -> Arc<Workload> {
    let lock = json!({
        "compatibility_date": "2026-11-01", "compatibility_flags": [], "definitions": "pinned", "egress": rules,
        "endpoint": "/mcp", "format": 1, "limits": {}, "main": "index.js", "name": "weather",
        "requires": ["egress"], "vars": {},
    });
    let manifest = LockedManifest::from_json(lock.to_string().as_bytes()).unwrap();
    let budgets = Budgets::default();
    budgets.subrequests.grant(1_000, 1_000);
    Arc::new(Workload {
        version: VersionRef {
            tenant: TenantId::from_bytes([tenant; 16]),
            server: ServerId::from_bytes([7; 16]),
            digest: Digest::from_bytes([9; 32]),
        },
        manifest: Arc::new(manifest),
        purpose,
        networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        budgets,
    })
}

/// A request without a body.
pub(crate) fn get(url: &str) -> Request<HostedBody> {
    request("GET", url, &[], &[])
}

/// Any request; the body in pieces.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[&[u8]],
) -> Request<HostedBody> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body: Vec<Result<Bytes>> = body.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    request.body(stream::iter(body).boxed()).unwrap()
}

/// An answer with its body as far as it came.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether it broke off.
    pub(crate) broken: bool,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the platform itself says, if this is its own answer.
    pub(crate) fn own(&self) -> Option<&str> {
        self.headers.get("x-smcp-egress").map(|value| value.to_str().unwrap())
    }

    async fn of(response: Response<HostedBody>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut got =
            Self { status: head.status.as_u16(), headers: head.headers, body: Vec::new(), broken: false };
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => got.body.extend_from_slice(&chunk),
                Err(_) => got.broken = true,
            }
        }
        got
    }
}

impl Stage {
    pub(crate) fn secret(&self, name: &str, value: &str) {
        self.secrets.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// The whole answer.
    pub(crate) async fn fetch(&self, request: Request<HostedBody>) -> Got {
        Got::of(self.egress.fetch(&self.workload, request).await).await
    }

    /// The answer as it begins.
    pub(crate) async fn begin(&self, request: Request<HostedBody>) -> Response<HostedBody> {
        self.egress.fetch(&self.workload, request).await
    }

    /// A refusal with its text, and certainly nothing dialled.
    pub(crate) async fn refused(&self, request: Request<HostedBody>) -> (u16, String) {
        let before = self.world.dialled().len();
        let got = self.fetch(request).await;
        assert_eq!(got.own(), Some("refused"), "{} {}", got.status, got.text());
        assert_eq!(self.world.dialled().len(), before, "{}", got.text());
        (got.status, got.text())
    }

    pub(crate) fn log(&self) -> Vec<(LogLevel, String)> {
        self.log.0.lock().unwrap().clone()
    }

    /// Lets these times pass, each once the work does nothing but wait.
    pub(crate) async fn while_waiting<T>(&self, work: impl Future<Output = T>, times: &[Duration]) -> T {
        let mut work = std::pin::pin!(work);
        for time in times {
            for _ in 0..64 {
                if let std::task::Poll::Ready(done) = futures_util::poll!(work.as_mut()) {
                    return done;
                }
                tokio::task::yield_now().await;
            }
            self.clock.advance(*time);
        }
        work.await
    }
}
