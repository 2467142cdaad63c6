//! The platform itself: its ports, its memories, and how it comes up.

use std::{future::Future, sync::Arc, time::Duration};

use smcp_policy::Role;
use smcp_types::{Error, LimitSet, Result, ServerId, SessionId, Slug, TenantId, UnixMillis};

use crate::{
    authority::Authority,
    bundle_file::BundleStore,
    call::Standings,
    caller::CallerTokens,
    deploy::turns::Turns,
    identity::Identity,
    keyring::Keyring,
    keys::{IssuedKey, NewKey},
    logbook::Logbook,
    memory::Memory,
    ports::{
        Blobs, Clock, DataKeyStore, Databases, Entropy, Isolates, KeyStore, LogStore, MasterKeys, Resealable,
        RingStore, SecretStore, ServerRecord, ServerStore, SessionRecord, SessionStore, StoreError,
        StreamLog, Tasks, TenantRecord, TenantStore, UsageMeter, VersionStore,
    },
    room::Room,
    secrets::Secrets,
    servers::ActiveVersion,
    settings::Settings,
    stopping::Stopping,
    storage::Storage,
    streams::Streams,
    timeout::within,
    timers::Timers,
    vault::{Vault, rotation::Rotation},
};

/// Tenants, servers and versions remembered.
const RECORDS: usize = 20_000;
/// Sessions remembered.
const SESSIONS: usize = 50_000;

/// Every store.
#[derive(Clone)]
pub struct Stores {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Servers.
    pub servers: Arc<dyn ServerStore>,
    /// Versions.
    pub versions: Arc<dyn VersionStore>,
    /// Bytes of bundles.
    pub blobs: Arc<dyn Blobs>,
    /// API keys.
    pub keys: Arc<dyn KeyStore>,
    /// Legacy sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// The key ring.
    pub ring: Arc<dyn RingStore>,
    /// Keys of tenants' data.
    pub data_keys: Arc<dyn DataKeyStore>,
    /// Secrets of servers.
    pub secrets: Arc<dyn SecretStore>,
    /// Logs of hosted code.
    pub logs: Arc<dyn LogStore>,
    /// Events that clients may come back for.
    pub streams: Arc<dyn StreamLog>,
}

/// What the platform stands on.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Background work.
    pub tasks: Arc<dyn Tasks>,
    /// Hosted code.
    pub isolates: Arc<dyn Isolates>,
    /// What hosted code uses; of the same processes.
    pub usage: Arc<dyn UsageMeter>,
    /// What hosted code printed; the same that `isolates` writes to.
    pub logbook: Arc<Logbook>,
    /// The keys that sign, hash and seal for the platform itself.
    pub ring: Arc<Keyring>,
    /// What seals tenants' data; the same that other parts of the node use.
    pub vault: Arc<Vault>,
    /// Where the master key is kept.
    pub master_keys: Arc<dyn MasterKeys>,
    /// Every store of sealed things there is beside bundles and secrets: what a rotation of a tenant's keys moves.
    pub sealed: Vec<Arc<dyn Resealable>>,
    /// Secrets of servers; the same that are added to requests and given to processes.
    pub secrets: Arc<Secrets>,
    /// KV namespaces and buckets; the same that hosted code uses.
    pub storage: Arc<Storage>,
    /// SQL databases of hosted code.
    pub databases: Arc<dyn Databases>,
    /// Storage.
    pub stores: Stores,
}

/// All use cases hang on this. Made once per process.
pub struct Platform {
    /// The settings it was opened with.
    pub settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: Arc<dyn Tasks>,
    pub(crate) isolates: Arc<dyn Isolates>,
    pub(crate) usage: Arc<dyn UsageMeter>,
    pub(crate) logbook: Arc<Logbook>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) databases: Arc<dyn Databases>,
    pub(crate) stores: Stores,
    pub(crate) ring: Arc<Keyring>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) master_keys: Arc<dyn MasterKeys>,
    pub(crate) rotation: Rotation,
    pub(crate) bundles: Arc<BundleStore>,
    pub(crate) authority: Authority,
    pub(crate) identity: Identity,
    pub(crate) callers: CallerTokens,
    pub(crate) platform_tenant: TenantRecord,
    pub(crate) known_tenants: Memory<String, TenantRecord>,
    pub(crate) known_servers: Memory<(TenantId, String), ServerRecord>,
    pub(crate) active: Memory<ServerId, Arc<ActiveVersion>>,
    pub(crate) sessions: Memory<SessionId, SessionRecord>,
    pub(crate) stopping: Stopping,
    /// Answers that clients may come back to.
    pub(crate) streams: Arc<Streams>,
    /// What servers say unasked, for those who listen.
    pub(crate) standings: Standings,
    /// Where answers are on their way through.
    pub(crate) answers: Arc<Room>,
    /// Where what servers have stored is on its way in and out.
    pub(crate) cargo: Arc<Room>,
    /// Whose deploy is checked when.
    pub(crate) trials: Turns,
    /// When active versions are called without anybody asking.
    pub(crate) timers: Timers,
}

/// A platform that is open, and the administrator's key if this was its first start.
pub struct Opened {
    /// The platform.
    pub platform: Platform,
    /// Shown once, then gone.
    pub first_key: Option<IssuedKey>,
}

impl Platform {
    /// Opens the platform on its stores: the platform's own tenant, policies. The first start makes the administrator.
    ///
    /// # Errors
    /// Policies that do not load, store errors. Nothing runs after any of them.
    pub async fn open(settings: Settings, ports: Ports) -> Result<Opened> {
        let Ports {
            clock,
            entropy,
            tasks,
            isolates,
            usage,
            logbook,
            ring,
            vault,
            master_keys,
            secrets,
            mut sealed,
            storage,
            databases,
            stores,
        } = ports;
        let bundles = Arc::new(BundleStore::new(&stores, vault.clone()));
        sealed.extend([bundles.clone() as Arc<dyn Resealable>, secrets.clone()]);
        let rotation = Rotation::new(Arc::clone(&vault), Arc::clone(&clock), sealed);
        let platform_tenant = own_tenant(&stores, &*clock, &*entropy).await?;
        let authority = Authority::new(platform_tenant.id).map_err(Error::internal)?;
        let identity = Identity::new(
            Arc::clone(&ring),
            Arc::clone(&stores.keys),
            Arc::clone(&clock),
            Arc::clone(&tasks),
        );
        let callers =
            CallerTokens::new(Arc::clone(&ring), Arc::clone(&clock), Arc::clone(&entropy), &settings);
        let streams = Streams::new(
            Arc::clone(&stores.streams),
            (Arc::clone(&vault), Arc::clone(&ring)),
            (Arc::clone(&clock), Arc::clone(&entropy)),
        );
        let platform = Self {
            settings,
            clock,
            entropy,
            tasks,
            isolates,
            usage,
            logbook,
            secrets,
            storage,
            databases,
            stores,
            ring,
            vault,
            master_keys,
            rotation,
            bundles,
            authority,
            identity,
            callers,
            platform_tenant,
            known_tenants: Memory::new(RECORDS),
            known_servers: Memory::new(RECORDS),
            active: Memory::new(RECORDS),
            sessions: Memory::new(SESSIONS),
            stopping: Stopping::new(),
            streams: Arc::new(streams),
            standings: Standings::default(),
            answers: Arc::default(),
            cargo: Arc::default(),
            trials: Turns::default(),
            timers: Timers::default(),
        };
        let first_key = platform.first_key().await?;
        Ok(Opened { platform, first_key })
    }

    /// A platform tenant without any key has never been administered.
    async fn first_key(&self) -> Result<Option<IssuedKey>> {
        if !self.stores.keys.list(self.platform_tenant.id).await?.is_empty() {
            return Ok(None);
        }
        let new = NewKey {
            label: "platform administrator".to_owned(),
            role: Role::Admin,
            servers: Vec::new(),
            expires_at: None,
        };
        self.store_new_key(self.platform_tenant.id, new).await.map(Some)
    }

    /// Waits for something a client does, no longer than `limit`, for transports that have no clock of their own.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        within(&*self.clock, limit, work).await
    }

    /// Verifies a caller's credential.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What hosted code is told about its callers, and the keys that verify it.
    #[must_use]
    pub fn callers(&self) -> &CallerTokens {
        &self.callers
    }

    /// Now, for transports that have no clock of their own.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Ten fresh random bytes, as ids take them.
    #[must_use]
    pub fn random(&self) -> [u8; 10] {
        let mut random = [0; 10];
        self.entropy.fill(&mut random);
        random
    }

    /// Whether the platform can serve: its store answers and hosted code can run.
    ///
    /// # Errors
    /// The first part that cannot.
    pub async fn ready(&self) -> Result<()> {
        self.stores.tenants.by_id(self.platform_tenant.id).await?.ok_or_else(|| {
            Error::Unavailable(smcp_types::Refusal::new("the store has lost the platform's own tenant"))
        })?;
        self.isolates.health()
    }

    /// Ends streams that have no end of their own, so that a stop waits only for calls.
    pub fn begin_stop(&self) {
        self.stopping.begin();
    }

    /// Moves what tenants have sealed to newer keys, for ever. The composition root runs this once.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Chores to be done every minute or so: expired sessions, old log lines.
    ///
    /// # Errors
    /// Store errors.
    pub async fn sweep(&self) -> Result<()> {
        while self.stores.sessions.sweep(self.clock.now(), SWEEP_AT_ONCE).await? == u64::from(SWEEP_AT_ONCE) {
        }
        self.sweep_standings().await?;
        self.streams.sweep(SWEEP_AT_ONCE).await?;
        self.logbook.sweep().await
    }
}

/// Rows a sweep deletes in one transaction, so that it never holds the writer for long.
const SWEEP_AT_ONCE: u32 = 1000;

/// The tenant that the platform itself is: parent of all others, home of its administrators.
async fn own_tenant(stores: &Stores, clock: &dyn Clock, entropy: &dyn Entropy) -> Result<TenantRecord> {
    let slug = Slug::platform();
    if let Some(known) = stores.tenants.by_slug(&slug).await? {
        return Ok(known);
    }
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let now = clock.now();
    let tenant =
        TenantRecord { id: TenantId::new(now, random), slug, created_at: now, ceilings: LimitSet::default() };
    match stores.tenants.create(&tenant).await {
        Ok(()) => Ok(tenant),
        // Somebody else was first: a second node on the same store.
        Err(StoreError::Taken) => stores
            .tenants
            .by_slug(&tenant.slug)
            .await?
            .ok_or_else(|| Error::internal("the platform's own tenant is taken and missing")),
        Err(error) => Err(error.into()),
    }
}
