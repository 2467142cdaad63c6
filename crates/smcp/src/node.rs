//! The node: `smcp up`. Puts ports, stores, isolates and router together, listens, drains.

mod blobs;
mod data;
mod given;
mod listen;
mod master_keys;
mod outbound;
mod sqlite;
mod tenants;
mod world;

use std::{
    future::Future,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use smcp_core::{
    Opened, Platform, Ports, Stores,
    bundle_file::BundleStore,
    fleet,
    keyring::Keyring,
    keys::IssuedKey,
    logbook::Logbook,
    master::{Master, MasterKey},
    ports::{Clock, Entropy, VersionRef},
    secrets::Secrets,
    settings::{ExternalUrl, OpenedNetwork, Settings},
    storage::{DEFAULT_QUOTA, Storage},
    vault::Vault,
};
use smcp_manifest::Bundle;
use smcp_sql::{CONTROL, ControlStore, EVENTS, EventStore, STREAMS, StreamStore};
use smcp_types::{Error, Refusal, Result, Secret};
use smcp_workerd::{
    Bundles, Options, Parts, Supervisor, Trash, Workerd,
    capability::d1::D1Service,
    sandbox::{Layer, Layers, Sandbox, SandboxOptions, survey},
    sql::{SqlDatabases, SqlLimits},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use data::DataDir;
use given::{databases, services, state_folders};
use master_keys::KeptKeys;
use sqlite::Durability;
use tenants::TenantFiles;
use world::{SystemClock, SystemEntropy, TokioTasks};

/// How often expired sessions and old log lines are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What an operator decides about a node, read once and checked (`config`).
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where to listen; loopback unless TLS stands in front.
    pub(crate) listen: SocketAddr,
    /// Our origin; `None` for `http://localhost:<port>`.
    pub(crate) external_url: Option<String>,
    /// Other origins whose pages may call us.
    pub(crate) allowed_origins: Vec<String>,
    /// The master key's file; `None` for `<data>/master.key`, made at the first start.
    pub(crate) master_key_file: Option<PathBuf>,
    /// The master key itself, from `SMCP_MASTER_KEY`.
    pub(crate) master_key: Option<Secret<String>>,
    /// The file of the master key that is to be in force next; read when it is asked for.
    pub(crate) next_master_key_file: Option<PathBuf>,
    /// That key itself, from `SMCP_NEXT_MASTER_KEY`.
    pub(crate) next_master_key: Option<Secret<String>>,
    /// The workerd binary; `None` to look where `npm ci` puts it.
    pub(crate) workerd: Option<PathBuf>,
    /// When an idle server is put to sleep.
    pub(crate) idle_after: Duration,
    /// How many servers may be awake at once.
    pub(crate) max_awake: usize,
    /// How long in-flight calls may take when the node stops.
    pub(crate) drain: Duration,
    /// The way out of hosted code.
    pub(crate) egress: EgressConfig,
    /// How much hosted code may store.
    pub(crate) storage: StorageConfig,
    /// How hosted code is locked in.
    pub(crate) sandbox: SandboxConfig,
    /// One JSON line per event on standard output instead of words.
    pub(crate) json: bool,
}

/// What an operator decides about the way out.
#[derive(Clone, Debug, Default)]
pub(crate) struct EgressConfig {
    /// Networks that are not public and that single servers may reach.
    pub(crate) networks: Vec<OpenedNetwork>,
    /// Where names are looked up; `None` for the system's name servers.
    pub(crate) resolver: Option<SocketAddr>,
    /// A file of certificate authorities beside the system's.
    pub(crate) roots: Option<PathBuf>,
}

/// What an operator decides about storage: quotas in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageConfig {
    /// KV values and objects of one tenant together.
    pub(crate) tenant: u64,
    /// One D1 database.
    pub(crate) database: u64,
    /// What the Durable Objects of one server keep.
    pub(crate) durable_objects: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            tenant: DEFAULT_QUOTA,
            database: SqlLimits::default().quota,
            durable_objects: smcp_workerd::state::DEFAULT_QUOTA,
        }
    }
}

/// What an operator decides about the sandbox.
#[derive(Clone, Debug, Default)]
pub(crate) struct SandboxConfig {
    /// Layers to do without.
    pub(crate) without: Vec<Layer>,
    /// Whether a system call outside of the exact list ends the process.
    pub(crate) strict: bool,
    /// The first of the user ids for servers.
    pub(crate) uid_base: Option<u32>,
}

impl SandboxConfig {
    /// The sandbox of a node whose private folder this is.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) fn open(&self, run_dir: PathBuf) -> std::io::Result<Sandbox> {
        Sandbox::new(SandboxOptions {
            // The very binary that runs, also when another has been put in its place.
            stub: PathBuf::from("/proc/self/exe"),
            layers: Layers::all().without(&self.without),
            strict: self.strict,
            run_dir,
            uid_base: self.uid_base,
        })
    }
}

/// A node that is put together and not yet serving.
struct Node {
    platform: Arc<Platform>,
    logbook: Arc<Logbook>,
    supervisor: Arc<Supervisor>,
    tasks: Arc<TokioTasks>,
    clock: Arc<dyn Clock>,
    first_key: Option<IssuedKey>,
    files: Arc<TenantFiles>,
    storage: Arc<Storage>,
    databases: SqlDatabases,
    _data: DataDir,
}

/// Runs a node until SIGTERM or SIGINT, then drains it.
///
/// # Errors
/// Whatever keeps it from starting.
pub(crate) async fn up(config: NodeConfig) -> Result<()> {
    let workerd = smcp_workerd::locate(config.workerd.clone(), &runtime_places(&config.data))?;
    let data = DataDir::open(&config.data)?;
    raise_descriptor_limit();
    let listener = bind(config.listen).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let settings = settings(&config, address)?;
    let origin = settings.external_url.origin();
    let sandbox = sandbox(&config, &data, &workerd).await?;
    let node = assemble(&config, data, (workerd, sandbox), (settings, address)).await?;
    announce(&config, node.first_key.as_ref(), &origin, address)?;
    let router = smcp_http::router(Arc::clone(&node.platform));
    let clock = Arc::clone(&node.clock);
    let stopped = async {
        stop_signal().await;
        tracing::info!("stopping: requests under way may finish");
        node.platform.begin_stop();
    };
    // On its own, not between the turns of the listener; ends with the node, at any step.
    let mut resealing = JoinSet::new();
    let platform = Arc::clone(&node.platform);
    resealing.spawn(async move { platform.rotation().run().await });
    tokio::select! {
        () = listen::serve(listener, router, clock, stopped, config.drain) => {}
        () = node.logbook.run() => {}
        () = sweep(&node) => {}
        () = node.databases.run() => {}
        () = node.platform.run_timers() => {}
        _ = resealing.join_next() => {}
    }
    drop(resealing);
    node.stop(config.drain).await
}

impl Node {
    /// Ends what still runs, then stores the last lines.
    async fn stop(&self, within: Duration) -> Result<()> {
        tokio::join!(self.supervisor.shutdown(within), async {
            tokio::select! {
                () = self.tasks.finish() => {}
                () = self.clock.sleep(within) => {}
            }
        });
        // Only now does nobody ask them any more.
        self.databases.shutdown().await;
        self.logbook.flush().await
    }
}

/// The sandbox for hosted code. A layer that is missing keeps the node from starting, unless its operator does without.
async fn sandbox(config: &NodeConfig, data: &DataDir, workerd: &Workerd) -> Result<Sandbox> {
    let sandbox = config.sandbox.open(data.join("run")).map_err(Error::internal)?;
    let survey = survey(&sandbox, workerd.path()).await?;
    survey.verdict()?;
    if !config.sandbox.without.is_empty() {
        let without: Vec<_> = config.sandbox.without.iter().map(|layer| layer.name()).collect();
        tracing::warn!(without = without.join(","), "hosted code runs without some layers of its sandbox");
    }
    Ok(sandbox)
}

async fn assemble(
    config: &NodeConfig,
    data: DataDir,
    (workerd, sandbox): (Workerd, Sandbox),
    (settings, address): (Settings, SocketAddr),
) -> Result<Node> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    // Before there is a database: without a key, a new one is made only where nothing needs the old one.
    let kept = KeptKeys::open(config, &data, Arc::clone(&entropy))?;
    let stores = stores(&data, clock.as_ref()).await?;
    let Keys { ring, vault, kept } = keys(kept, &stores, (&clock, &entropy)).await?;
    let secrets = Arc::new(Secrets::new(Arc::clone(&stores.secrets), vault.clone()));
    let logbook = Arc::new(Logbook::new(Arc::clone(&stores.logs), secrets.clone(), Arc::clone(&clock)));
    let files = Arc::new(TenantFiles::new(data.join("tenants"), Arc::clone(&clock)));
    let storage = given::storage(
        &files,
        &stores.blobs,
        (vault.clone(), Arc::clone(&clock), Arc::clone(&entropy)),
        config.storage.tenant,
    );
    let sandbox = Arc::new(sandbox);
    let trash = Trash::open(data.join("trash")).map_err(Error::internal)?;
    let databases = databases(&data, (&sandbox, &trash), &clock, config.storage.database)?;
    let quota = config.storage.durable_objects;
    let state = state_folders(&data, (&sandbox, &trash), (&clock, &entropy), quota)?;
    let outbound = outbound::open(outbound::Needs {
        clock: Arc::clone(&clock),
        entropy: Arc::clone(&entropy),
        logs: logbook.clone(),
        ring: Arc::clone(&ring),
        secrets: secrets.clone(),
        settings: &settings,
        config: &config.egress,
        address,
    })?;
    let parts = Parts {
        clock: Arc::clone(&clock),
        logs: logbook.clone(),
        bundles: Arc::new(StoredBundles(BundleStore::new(&stores, vault.clone()))),
        sealer: vault.clone(),
        launcher: sandbox.clone(),
        state,
        secrets: secrets.clone(),
        services: services(&storage, D1Service::new(databases.clone(), Arc::clone(&clock)), outbound),
    };
    let supervisor = Arc::new(Supervisor::start(options(config, &data, workerd), parts)?);
    let tasks = Arc::new(TokioTasks::new());
    let ports = Ports {
        clock: Arc::clone(&clock),
        entropy,
        tasks: tasks.clone(),
        isolates: supervisor.clone(),
        usage: supervisor.clone(),
        logbook: Arc::clone(&logbook),
        ring,
        vault,
        master_keys: kept,
        sealed: storage.resealable(),
        secrets,
        storage: Arc::clone(&storage),
        databases: Arc::new(databases.clone()),
        stores,
    };
    let Opened { platform, first_key } = Platform::open(settings, ports).await?;
    Ok(Node {
        platform: Arc::new(platform),
        logbook,
        supervisor,
        tasks,
        clock,
        first_key,
        files,
        storage,
        databases,
        _data: data,
    })
}

/// How hosted code is run.
fn options(config: &NodeConfig, data: &DataDir, workerd: Workerd) -> Options {
    Options {
        workerd,
        cache_dir: data.join("cache"),
        run_dir: data.join("run"),
        fleet: fleet::Settings {
            idle_after: config.idle_after,
            max_awake: config.max_awake,
            ..fleet::Settings::default()
        },
        heap_flags: !config.sandbox.without.contains(&Layer::HeapFlags),
        watchdog: !config.sandbox.without.contains(&Layer::Watchdog),
    }
}

/// The keys of a node, unlocked.
struct Keys {
    ring: Arc<Keyring>,
    vault: Arc<Vault>,
    kept: Arc<KeptKeys>,
}

/// Unlocks the keys before anything else stands on them.
async fn keys(
    (kept, given): (KeptKeys, Vec<MasterKey>),
    stores: &Stores,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
) -> Result<Keys> {
    let (ring, wrapped) = (Arc::clone(&stores.ring), Arc::clone(&stores.data_keys));
    let master = Arc::new(Master::unlock(&given, ring, wrapped, Arc::clone(entropy)).await?);
    kept.finish(master.id())?;
    let ring = Arc::new(Keyring::open(&master, clock.as_ref()).await?);
    Ok(Keys { ring, vault: Arc::new(Vault::new(master, Arc::clone(clock))), kept: Arc::new(kept) })
}

async fn stores(data: &DataDir, clock: &dyn Clock) -> Result<Stores> {
    let control = Arc::new(data.database(CONTROL, Durability::Full, clock.now()).await?);
    let events = Arc::new(data.database(EVENTS, Durability::Normal, clock.now()).await?);
    let streams = Arc::new(data.database(STREAMS, Durability::Normal, clock.now()).await?);
    let control = Arc::new(ControlStore::new(control));
    Ok(Stores {
        tenants: control.clone(),
        servers: control.clone(),
        versions: control.clone(),
        blobs: Arc::new(blobs::Folder::open(data.join("objects")).map_err(Error::internal)?),
        keys: control.clone(),
        sessions: control.clone(),
        ring: control.clone(),
        data_keys: control.clone(),
        secrets: control,
        logs: Arc::new(EventStore::new(events)),
        streams: Arc::new(StreamStore::new(streams)),
    })
}

/// Bundles for the supervisor, read back from the object folder and checked.
struct StoredBundles(BundleStore);

#[async_trait]
impl Bundles for StoredBundles {
    async fn load(&self, version: &VersionRef) -> Result<Arc<Bundle>> {
        self.0.load(version).await.map(Arc::new)
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("cannot listen on {address}: {error}");
        Error::Invalid(Refusal::new(message).hint("choose another address with --listen 127.0.0.1:PORT"))
    })
}

fn settings(config: &NodeConfig, address: SocketAddr) -> Result<Settings> {
    let default = format!("http://localhost:{}", address.port());
    Ok(Settings {
        external_url: ExternalUrl::parse(config.external_url.as_deref().unwrap_or(&default))?,
        allowed_origins: config.allowed_origins.clone(),
        networks: config.egress.networks.clone(),
    })
}

/// Where `npm ci` may have put workerd: beside the sources, beside the binary, in the data directory.
pub(crate) fn runtime_places(data: &Path) -> Vec<PathBuf> {
    let binary = std::env::current_exe().ok();
    let beside =
        binary.iter().flat_map(|path| path.ancestors().skip(1).take(4)).map(|folder| folder.join("runtime"));
    let places = [PathBuf::from("runtime")].into_iter().chain(beside).chain([data.join("runtime")]);
    places.map(|folder| smcp_workerd::in_runtime(&folder)).collect()
}

/// Each stream and each hosted process takes descriptors; the usual soft limit of 1024 is soon reached.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard));
    match raised {
        Ok(hard) if hard < 16_384 => {
            tracing::warn!(limit = hard, "few descriptors: raise the hard limit (ulimit -Hn)")
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the descriptor limit was not raised"),
    }
}

async fn sweep(node: &Node) {
    loop {
        node.clock.sleep(SWEEP_EVERY).await;
        if let Err(error) = node.platform.sweep().await {
            tracing::error!(%error, "sweeping failed");
        }
        for tenant in node.files.in_use() {
            if let Err(error) = node.storage.sweep(tenant).await {
                tracing::error!(tenant.id = %tenant, %error, "sweeping a tenant's storage failed");
            }
        }
    }
}

fn stop_signal() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    async {
        let [Ok(mut terminate), Ok(mut interrupt)] = signals else {
            tracing::error!("signals cannot be caught: only SIGKILL stops this node");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Says on standard output that the node serves, and shows the administrator's key the one time it can be shown.
fn announce(
    config: &NodeConfig,
    first_key: Option<&IssuedKey>,
    origin: &str,
    address: SocketAddr,
) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut line = |text: String| writeln!(out, "{text}").map_err(Error::internal);
    if let Some(issued) = first_key {
        let key = issued.key.expose();
        if config.json {
            line(serde_json::json!({ "event": "first_key", "key": key }).to_string())?;
        } else {
            line(format!(
                "The platform administrator's key, shown this once:\n\n    {key}\n\nKeep it: smcp login --endpoint {origin}\n"
            ))?;
        }
    }
    if config.json {
        let ready = serde_json::json!({ "event": "ready", "url": origin, "listen": address.to_string() });
        line(ready.to_string())?;
    } else {
        line(format!("Serving {origin} from {}", config.data.display()))?;
    }
    out.flush().map_err(Error::internal)
}
