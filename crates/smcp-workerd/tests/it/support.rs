//! A supervisor in a temporary folder, with real permits, real time and a shelf of bundles.

use std::{
    collections::HashMap,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use smcp_core::{
    Platform, Ports,
    authority::{Authority, Deploy, On, Permit, UseServer},
    context::Ctx,
    fleet,
    identity::VerifiedCaller,
    keys::NewKey,
    logbook::Logbook,
    ports::{
        Clock, HostedRequest, HostedResponse, HostedState, Isolates, LogLine, LogSink, ServerRecord, Target,
        Trial, TrialRefused, Usage, UsageMeter as _, VersionRef,
    },
    secrets::Secrets,
    settings::{ExternalUrl, Settings},
    vault::Vault,
};
use smcp_manifest::{Bundle, LockedManifest, Manifest, Module, ModuleKind, SandboxClass};
use smcp_policy::{Action, Role};
use smcp_testkit::{CountingEntropy, MemoryMasterKeys, MemoryStores, NoIsolates, NoTasks};
use smcp_types::{Digest, Error, Limits, RequestId, Result, ServerId, TenantId, UnixMillis};
use smcp_workerd::{
    Bundles, Options, Parts, Supervisor, Trash, Workerd,
    capability::Services,
    in_runtime, locate,
    sandbox::{Layers, Sandbox, SandboxOptions},
    state::StateFolders,
};
use tokio::sync::Notify;

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct RealClock(Instant);

impl RealClock {
    #[allow(clippy::disallowed_methods, reason = "the real clock of these tests")]
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }
}

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_700_000_000_000).after(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        // A deadline that nothing meets: time passes for the supervisor, no test waits on it.
        let _ = tokio::time::timeout(duration, std::future::pending::<()>()).await;
    }
}

/// What hosted code printed, and a way to wait for it.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Mutex<Vec<LogLine>>,
    news: Notify,
}

impl LogSink for Lines {
    fn append(&self, _: &VersionRef, line: LogLine) {
        self.lines.lock().unwrap().push(line);
        self.news.notify_waiters();
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<LogLine> {
        self.lines.lock().unwrap().clone()
    }

    /// The `count`th line that has this text in it, as soon as it is there.
    pub(crate) async fn wait(&self, text: &str, count: usize) -> LogLine {
        let found = async {
            loop {
                let news = self.news.notified();
                let mut news = std::pin::pin!(news);
                news.as_mut().enable();
                if let Some(line) =
                    self.all().into_iter().filter(|line| line.message.contains(text)).nth(count - 1)
                {
                    return line;
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("no line {count} with {text:?} in {:#?}", self.all()))
    }
}

/// The stored bundles.
#[derive(Default)]
struct Shelf(Mutex<HashMap<VersionRef, Arc<Bundle>>>);

#[async_trait]
impl Bundles for Shelf {
    async fn load(&self, version: &VersionRef) -> Result<Arc<Bundle>> {
        self.0.lock().unwrap().get(version).cloned().ok_or(Error::NotFound("version"))
    }
}

/// A supervisor and all it needs.
pub(crate) struct Stage {
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) folder: Arc<tempfile::TempDir>,
    shelf: Arc<Shelf>,
    limits: Mutex<HashMap<VersionRef, Limits>>,
    authority: Authority,
    caller: Arc<VerifiedCaller>,
    /// Of another tenant.
    other: Arc<VerifiedCaller>,
    tenant: TenantId,
}

/// Settings that end idle processes late and failures soon.
pub(crate) fn settings() -> fleet::Settings {
    fleet::Settings { stop_grace: Duration::from_secs(2), ..fleet::Settings::default() }
}

pub(crate) fn workerd() -> Workerd {
    #[allow(clippy::disallowed_methods, reason = "a test may be pointed at another binary")]
    let explicit = std::env::var_os("SMCP_WORKERD").map(PathBuf::from);
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime");
    locate(explicit, &[in_runtime(&runtime)]).unwrap_or_else(|error| panic!("{error:?}"))
}

/// A sandbox with every layer. Strict, so that a newer workerd's new system calls show here.
pub(crate) fn sandbox(folder: &Path) -> Sandbox {
    let options = SandboxOptions {
        stub: env!("CARGO_BIN_EXE_smcp-sandbox-stub").into(),
        layers: Layers::all(),
        strict: true,
        run_dir: folder.join("run"),
        uid_base: None,
    };
    Sandbox::new(options).unwrap()
}

impl Stage {
    pub(crate) async fn new(fleet: fleet::Settings) -> Self {
        Self::in_folder(fleet, Arc::new(tempfile::tempdir().unwrap())).await
    }

    pub(crate) async fn in_folder(fleet: fleet::Settings, folder: Arc<tempfile::TempDir>) -> Self {
        Self::with(fleet, folder, true, Services::closed()).await
    }

    pub(crate) async fn without_watchdog(fleet: fleet::Settings) -> Self {
        Self::with(fleet, Arc::new(tempfile::tempdir().unwrap()), false, Services::closed()).await
    }

    pub(crate) async fn offering(fleet: fleet::Settings, services: Services) -> Self {
        Self::with(fleet, Arc::new(tempfile::tempdir().unwrap()), true, services).await
    }

    async fn with(
        fleet: fleet::Settings,
        folder: Arc<tempfile::TempDir>,
        watchdog: bool,
        services: Services,
    ) -> Self {
        let clock: Arc<dyn Clock> = RealClock::new();
        let (lines, shelf) = (Arc::new(Lines::default()), Arc::new(Shelf::default()));
        let options = Options {
            workerd: workerd(),
            cache_dir: folder.path().join("cache"),
            run_dir: folder.path().join("run"),
            heap_flags: true,
            fleet,
            watchdog,
        };
        let launcher = Arc::new(sandbox(folder.path()));
        let entropy = Arc::new(CountingEntropy::default());
        let state = StateFolders::new(
            (folder.path().join("tenants"), Trash::open(folder.path().join("trash")).unwrap()),
            smcp_workerd::state::DEFAULT_QUOTA,
            Arc::clone(&launcher),
            Arc::clone(&clock),
            entropy,
        );
        let (authority, [caller, other], (sealer, secrets)) = admins(Arc::clone(&clock)).await;
        let parts = Parts {
            clock,
            logs: lines.clone(),
            bundles: shelf.clone(),
            sealer,
            launcher,
            services,
            state: Arc::new(state.unwrap()),
            secrets,
        };
        let supervisor = Arc::new(Supervisor::start(options, parts).unwrap());
        let tenant = caller.tenant();
        let limits = Mutex::default();
        Self { supervisor, lines, folder, shelf, limits, authority, caller, other, tenant }
    }

    /// Puts a bundle of one module on the shelf.
    pub(crate) fn add(&self, name: u8, code: &str) -> VersionRef {
        self.add_bundle(name, bundle(code))
    }

    pub(crate) fn add_bundle(&self, name: u8, bundle: Bundle) -> VersionRef {
        let server = ServerId::from_bytes([name; 16]);
        let version = VersionRef { tenant: self.tenant, server, digest: Digest::from_bytes([name; 32]) };
        self.shelf.0.lock().unwrap().insert(version, Arc::new(bundle));
        version
    }

    /// The same version as another tenant's.
    pub(crate) fn of_another(&self, version: VersionRef) -> VersionRef {
        let other = VersionRef { tenant: self.other.tenant(), ..version };
        let mut shelf = self.shelf.0.lock().unwrap();
        let bundle = Arc::clone(&shelf[&version]);
        shelf.insert(other, bundle);
        other
    }

    /// Sets limits of a version, from its next start on.
    pub(crate) fn limit(&self, version: &VersionRef, change: impl FnOnce(&mut Limits)) {
        change(self.limits.lock().unwrap().entry(*version).or_default());
    }

    pub(crate) fn target(&self, version: &VersionRef) -> Target {
        let limits = self.limits.lock().unwrap().get(version).copied().unwrap_or_default();
        Target { limits, ..target(*version) }
    }

    fn record(&self, version: &VersionRef) -> ServerRecord {
        ServerRecord {
            tenant: version.tenant,
            id: version.server,
            slug: "hosted".parse().unwrap(),
            active: Some(version.digest),
            revision: 1,
            created_at: UnixMillis(0),
        }
    }

    pub(crate) fn permit(&self, version: &VersionRef) -> Permit<UseServer> {
        let record = self.record(version);
        let caller = if record.tenant == self.tenant { &self.caller } else { &self.other };
        self.authority.authorize_use(caller, &record, Action::CallTool, Some("any")).unwrap()
    }

    pub(crate) async fn send(&self, version: &VersionRef, request: HostedRequest) -> Result<HostedResponse> {
        self.supervisor.call(&self.permit(version), &self.target(version), request).await
    }

    /// A GET whose answer is read to its end.
    pub(crate) async fn get(&self, version: &VersionRef, path: &str) -> Result<(u16, String)> {
        let answer = self.send(version, request(path)).await?;
        let status = answer.status.as_u16();
        Ok((status, read(answer).await?))
    }

    /// As `get`, for answers that are 200.
    pub(crate) async fn text(&self, version: &VersionRef, path: &str) -> String {
        let (status, text) = self.get(version, path).await.unwrap();
        assert_eq!(status, 200, "{text}: {:#?}", self.lines.all());
        text
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What trials are made of.
    pub(crate) fn trial_version(tenant: TenantId) -> VersionRef {
        let (server, digest) = (ServerId::from_bytes([99; 16]), Digest::from_bytes([99; 32]));
        VersionRef { tenant, server, digest }
    }

    /// What trials have used.
    pub(crate) fn tried(&self) -> Usage {
        let VersionRef { tenant, server, .. } = Self::trial_version(self.tenant);
        self.supervisor.server(tenant, server)
    }

    pub(crate) async fn trial(&self, code: &str) -> std::result::Result<Box<dyn Trial>, TrialRefused> {
        let version = Self::trial_version(self.tenant);
        let permit =
            self.authority.authorize::<Deploy>(&self.caller, On::Server(&self.record(&version))).unwrap();
        let mut target = target(version);
        target.limits.start_ms = 1_500;
        target.limits.cpu_ms = 300;
        self.supervisor.trial(&permit, &target, Arc::new(bundle(code))).await
    }

    pub(crate) fn state(&self, version: &VersionRef) -> HostedState {
        self.supervisor.state(version)
    }

    /// Files in the run folder that are not the platform's own two.
    pub(crate) fn sockets(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path().join("run")).unwrap();
        let sockets = entries.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_socket());
        sockets.filter(|socket| socket.file_name() != "egress").count()
    }
}

/// A version under the limits of who asked for none.
pub(crate) fn target(version: VersionRef) -> Target {
    let lock = br#"{"compatibility_date":"2026-11-01","compatibility_flags":[],"definitions":"pinned","endpoint":"/mcp",
        "format":1,"limits":{},"main":"main.js","name":"one","requires":[],"vars":{}}"#;
    let manifest = Arc::new(LockedManifest::from_json(lock).unwrap());
    Target {
        version,
        limits: Limits::default(),
        class: SandboxClass::Standard,
        manifest,
        networks: Arc::default(),
    }
}

pub(crate) async fn read(answer: HostedResponse) -> Result<String> {
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

pub(crate) fn request(path: &str) -> HostedRequest {
    HostedRequest {
        method: http::Method::GET,
        url: format!("https://hosted.example:8443{path}").parse().unwrap(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
        request_id: RequestId::from_bytes([7; 16]),
        head_timeout: PATIENCE,
        calls: 1,
        scheduled: None,
    }
}

pub(crate) fn bundle(code: &str) -> Bundle {
    bundle_of("compatibility_date = \"2026-11-01\"", code)
}

/// A bundle with more lines in its manifest.
pub(crate) fn bundle_of(manifest: &str, code: &str) -> Bundle {
    let text = format!(
        "manifest = 1\nname = \"hosted\"\nmain = \"main.js\"\n{manifest}\n[vars]\nGREETING = \"grüß \\\" \\\\ dich\"\n"
    );
    let lock = Manifest::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}")).lock("main.js");
    let module =
        Module { name: "main.js".to_owned(), kind: ModuleKind::EsModule, bytes: code.as_bytes().to_vec() };
    Bundle::new(lock, vec![module]).unwrap()
}

/// The platform's administrator on an empty platform, one of another tenant, the policy that makes permits, and the vault.
async fn admins(clock: Arc<dyn Clock>) -> (Authority, [Arc<VerifiedCaller>; 2], (Arc<Vault>, Arc<Secrets>)) {
    let stores = MemoryStores::stores();
    let settings = Settings {
        external_url: ExternalUrl::parse("http://localhost:8787").unwrap(),
        allowed_origins: Vec::new(),
        networks: Vec::new(),
    };
    let (ring, vault) = smcp_testkit::open_keys(&stores, &clock).await.unwrap();
    let sealer = Arc::clone(&vault);
    let secrets = Arc::new(Secrets::new(Arc::clone(&stores.secrets), vault.clone()));
    let ports = Ports {
        clock: Arc::clone(&clock),
        entropy: Arc::new(CountingEntropy::default()),
        tasks: Arc::new(NoTasks),
        isolates: Arc::new(NoIsolates),
        usage: Arc::new(NoIsolates),
        logbook: Arc::new(Logbook::new(Arc::clone(&stores.logs), secrets.clone(), Arc::clone(&clock))),
        ring,
        storage: smcp_testkit::memory_storage(vault.clone(), clock, Arc::new(CountingEntropy::default())),
        vault,
        master_keys: Arc::new(MemoryMasterKeys::default()),
        sealed: Vec::new(),
        secrets: secrets.clone(),
        databases: Arc::new(smcp_testkit::MemoryDatabases::default()),
        stores,
    };
    let opened = Platform::open(settings, ports).await.unwrap();
    let (platform, key) = (opened.platform, opened.first_key.unwrap().key);
    let caller = platform.identity().identify(key.expose()).await.unwrap();
    let ctx = Ctx { request_id: RequestId::from_bytes([1; 16]), caller: Arc::clone(&caller) };
    let tenant = platform.create_tenant(&ctx, "other".parse().unwrap()).await.unwrap();
    let new = NewKey { label: "k".to_owned(), role: Role::Admin, servers: Vec::new(), expires_at: None };
    let key = platform.create_key(&ctx, &tenant, new).await.unwrap().key;
    let other = platform.identity().identify(key.expose()).await.unwrap();
    (Authority::new(caller.tenant()).unwrap(), [caller, other], (sealer, secrets))
}
