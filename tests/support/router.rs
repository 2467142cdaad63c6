//! The router in this process, over stores in memory, a clock that stands still and hosted code as a closure.

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use smcp_core::{
    Opened, Platform, Ports,
    logbook::Logbook,
    ports::{Clock, Databases, Tasks},
    secrets::Secrets,
    settings::{ExternalUrl, Settings},
};
use smcp_testkit::{
    CountingEntropy, FakeClock, MemoryDatabases, MemoryMasterKeys, MemoryStores, ScriptedIsolates,
};
use tower::ServiceExt as _;

/// Background work on the test's own runtime.
struct Spawned;

impl Tasks for Spawned {
    fn detach(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        #[allow(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(work);
    }
}

/// A platform with tenants `home` and `other`, each with an active server `srv`, and keys of every role.
pub struct World {
    /// The router.
    pub router: Router,
    /// The clock.
    pub clock: Arc<FakeClock>,
    /// What hosted code saw.
    pub isolates: Arc<ScriptedIsolates>,
    /// The stores, to ask how often they were used.
    pub stores: Arc<MemoryStores>,
    /// Where hosted code would print.
    pub logbook: Arc<Logbook>,
    /// What hosted code would be given.
    pub secrets: Arc<Secrets>,
    /// The platform behind the router.
    pub platform: Arc<Platform>,
    /// The SQL databases.
    pub databases: Arc<MemoryDatabases>,
    /// The platform's administrator.
    pub root: String,
    /// Keys of `home`: admin, `mcp_user`, `read_only`.
    pub admin: String,
    /// See `admin`.
    pub user: String,
    /// See `admin`.
    pub reader: String,
    /// An `mcp_user` of `other`.
    pub neighbour: String,
}

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or("?"))
    }

    /// The whole answer as text without what differs in every answer: the request id and the length.
    pub fn shape(&self) -> String {
        let id = self.header("x-request-id");
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id" && *name != "content-length")
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
            .collect();
        lines.sort();
        let body = String::from_utf8_lossy(&self.body).replace(id, "[request]");
        format!("{}\n{}\n\n{body}", self.status, lines.join("\n"))
    }
}

/// The headers of a well-behaved MCP client.
pub const MCP: [(&str, &str); 2] =
    [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];

impl World {
    /// The world over this hosted code.
    pub async fn new(isolates: Arc<ScriptedIsolates>) -> Self {
        let (mut world, root) = Self::over(isolates, Arc::default(), Arc::default()).await;
        world.root = root.unwrap();
        world.furnish().await;
        world
    }

    /// The same world after the platform was killed and started again: nothing is left but what was stored.
    pub async fn restarted(self) -> Self {
        let (world, _) = Self::over(self.isolates, self.stores, self.clock).await;
        let Self { root, admin, user, reader, neighbour, .. } = self;
        Self { root, admin, user, reader, neighbour, ..world }
    }

    async fn over(
        isolates: Arc<ScriptedIsolates>,
        memory: Arc<MemoryStores>,
        clock: Arc<FakeClock>,
    ) -> (Self, Option<String>) {
        let stores = memory.clone().as_stores();
        let entropy = Arc::new(CountingEntropy::default());
        let keys_clock: Arc<dyn Clock> = clock.clone();
        let (ring, vault) = smcp_testkit::open_keys(&stores, &keys_clock).await.unwrap();
        let secrets = Arc::new(Secrets::new(stores.secrets.clone(), vault.clone()));
        let databases = Arc::new(MemoryDatabases::default());
        let storage = smcp_testkit::memory_storage(vault.clone(), clock.clone(), entropy.clone());
        let logbook = Arc::new(Logbook::new(stores.logs.clone(), secrets.clone(), clock.clone()));
        let ports = Ports {
            clock: clock.clone(),
            entropy,
            tasks: Arc::new(Spawned),
            isolates: isolates.clone(),
            usage: isolates.clone(),
            logbook: Arc::clone(&logbook),
            ring,
            vault,
            master_keys: Arc::new(MemoryMasterKeys::default()),
            sealed: Vec::new(),
            secrets: Arc::clone(&secrets),
            storage,
            databases: Arc::clone(&databases) as Arc<dyn Databases>,
            stores,
        };
        let settings = Settings {
            external_url: ExternalUrl::parse("http://localhost:8787").unwrap(),
            allowed_origins: vec!["https://app.example".to_owned()],
            networks: Vec::new(),
        };
        let Opened { platform, first_key } = Platform::open(settings, ports).await.unwrap();
        let platform = Arc::new(platform);
        let router = smcp_http::router(Arc::clone(&platform));
        let root = first_key.map(|issued| issued.key.expose().clone());
        let world = Self {
            router,
            clock,
            isolates,
            stores: memory,
            logbook,
            secrets,
            platform,
            databases,
            root: String::new(),
            admin: String::new(),
            user: String::new(),
            reader: String::new(),
            neighbour: String::new(),
        };
        (world, root)
    }

    async fn furnish(&mut self) {
        for tenant in ["home", "other"] {
            let made = self.api(Method::POST, "/api/v1/tenants", &self.root, json!({ "slug": tenant })).await;
            assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        }
        self.admin = self.new_key("home", "admin").await;
        self.user = self.new_key("home", "mcp_user").await;
        self.reader = self.new_key("home", "read_only").await;
        self.neighbour = self.new_key("other", "mcp_user").await;
        for tenant in ["home", "other"] {
            let digest = self.deploy(tenant, "srv", &[]).await;
            let path = format!("/api/v1/tenants/{tenant}/servers/srv/versions/{digest}/activate");
            let done = self.api(Method::POST, &path, &self.root, json!({})).await;
            assert_eq!(done.status, StatusCode::OK, "{done:?}");
        }
    }

    /// Deploys a version, told apart by its vars; returns its digest.
    pub async fn deploy(&self, tenant: &str, server: &str, vars: &[(&str, &str)]) -> String {
        let path = format!("/api/v1/tenants/{tenant}/servers/{server}/versions");
        let deployed = self.api(Method::POST, &path, &self.root, bundle(server, vars)).await;
        assert_eq!(deployed.status, StatusCode::CREATED, "{deployed:?}");
        deployed.json()["version"]["digest"].as_str().unwrap().to_owned()
    }

    /// Makes a key.
    pub async fn new_key(&self, tenant: &str, role: &str) -> String {
        let path = format!("/api/v1/tenants/{tenant}/keys");
        let made = self.api(Method::POST, &path, &self.root, json!({ "name": role, "role": role })).await;
        made.json()["key"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
    }

    /// A management request.
    pub async fn api(&self, method: Method, path: &str, key: &str, body: Value) -> Answer {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.send(method, path, &headers, body.to_string()).await
    }

    /// An MCP message to `/t/home/srv/mcp`.
    pub async fn mcp(&self, key: &str, body: Value) -> Answer {
        self.mcp_with(key, &[], body).await
    }

    /// The same with more headers.
    pub async fn mcp_with(&self, key: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let authorization = format!("Bearer {key}");
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(MCP);
        all.extend(headers);
        self.send(Method::POST, "/t/home/srv/mcp", &all, body.to_string()).await
    }

    /// Any request, its answer read whole.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let (parts, body) = self.open(method, path, headers, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Any request, its body not yet read.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> http::Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:8787");
        }
        for (name, value) in headers.iter().filter(|(_, value)| *value != NO_HEADER) {
            request = request.header(*name, value.as_bytes());
        }
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }
}

/// The value of a header that shall not be sent, `host` above all.
pub const NO_HEADER: &str = "\u{0}";

/// An upload of one module.
pub fn bundle(name: &str, vars: &[(&str, &str)]) -> Value {
    let vars: serde_json::Map<_, _> = vars.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    json!({
        "manifest": {
            "format": 1, "requires": [], "name": name, "main": "main.js", "endpoint": "/mcp", "vars": vars,
            "compatibility_date": "2026-11-01", "compatibility_flags": [], "definitions": "pinned",
            "limits": { "call_timeout_ms": 60_000 },
        },
        "modules": [{ "name": "main.js", "kind": "es_module", "content": BASE64.encode(b"export default {}") }],
    })
}

/// A `tools/call` of `add`.
pub fn call_add() -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "add", "arguments": {} } })
}

/// A message with the metadata that 2026-07-28 demands.
pub fn modern(mut message: Value) -> Value {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message
}

/// The headers of a `tools/call` of `add` on a revision; only 2026-07-28 reads the last two.
pub fn calling_add(revision: &str) -> [(&str, &str); 3] {
    [("mcp-protocol-version", revision), ("mcp-method", "tools/call"), ("mcp-name", "add")]
}

/// The clock's smallest step that ends every time-out of a call.
pub const PAST_EVERY_TIMEOUT: Duration = Duration::from_secs(301);
