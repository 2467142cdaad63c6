//! Ports to storage. Tenant id first everywhere; every multi-row change is one call, so that it is one transaction.

use async_trait::async_trait;
use bytes::Bytes;
use smcp_types::{
    DataKeyId, Digest, Error, KeyId, LimitSet, MasterKeyId, RingKeyId, ServerId, SessionId, Slug, TenantId,
    UnixMillis,
};

use super::{
    DataKey, KeyRecord, LogLine, LogQuery, NewServer, RingKey, RingState, SecretRecord, ServerRecord,
    SessionRecord, TenantRecord, VersionRecord, VersionRef, VersionSummary,
};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A unique name or id is taken, now or by a tombstone.
    #[error("taken")]
    Taken,
    /// The record has changed since it was read, or is not there.
    #[error("changed meanwhile")]
    Stale,
    /// There is no room left on the disk below; for the log.
    #[error("full: {0}")]
    Full(String),
    /// The store itself failed; for the log.
    #[error("store: {0}")]
    Broken(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken => Self::Conflict(smcp_types::Refusal::new("this name is taken")),
            StoreError::Stale => Self::Conflict(
                smcp_types::Refusal::new("it has changed meanwhile").hint("read it again and retry"),
            ),
            StoreError::Full(why) => Self::Unavailable(
                smcp_types::Refusal::new("the platform's disk is full")
                    .hint("the platform's operator makes room; nothing was stored")
                    .private(why),
            ),
            StoreError::Broken(why) => Self::Internal(why),
        }
    }
}

/// What a store returns.
pub type StoreResult<T> = Result<T, StoreError>;

/// Tenants.
#[async_trait]
pub trait TenantStore: Send + Sync + 'static {
    /// Adds a tenant; its slug must never have been used.
    async fn create(&self, tenant: &TenantRecord) -> StoreResult<()>;
    /// The tenant with this slug.
    async fn by_slug(&self, slug: &Slug) -> StoreResult<Option<TenantRecord>>;
    /// The tenant with this id.
    async fn by_id(&self, id: TenantId) -> StoreResult<Option<TenantRecord>>;
    /// All tenants, oldest first, after the given one, at most `limit`.
    async fn list(&self, after: Option<TenantId>, limit: u32) -> StoreResult<Vec<TenantRecord>>;
    /// Replaces the tenant's ceilings; `Stale` when there is no such tenant.
    async fn set_ceilings(&self, id: TenantId, ceilings: &LimitSet) -> StoreResult<()>;
}

/// Servers.
#[async_trait]
pub trait ServerStore: Send + Sync + 'static {
    /// Adds a server; its slug must never have been used in this tenant.
    async fn create(&self, server: &NewServer) -> StoreResult<()>;
    /// The server with this slug.
    async fn by_slug(&self, tenant: TenantId, slug: &Slug) -> StoreResult<Option<ServerRecord>>;
    /// All servers of the tenant, oldest first, after the given one, at most `limit`.
    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ServerId>,
        limit: u32,
    ) -> StoreResult<Vec<ServerRecord>>;
    /// Switches calls to a stored version; `revision` is the one the caller read.
    async fn activate(
        &self,
        tenant: TenantId,
        server: ServerId,
        version: Digest,
        revision: i64,
    ) -> StoreResult<()>;
    /// Deletes the server with its versions, sessions and secrets; the slug stays taken. Says which versions those were.
    async fn delete(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<Digest>>;
}

/// Immutable versions.
#[async_trait]
pub trait VersionStore: Send + Sync + 'static {
    /// Stores a version. Storing the same content again changes nothing.
    async fn put(&self, version: &VersionRecord) -> StoreResult<()>;
    /// One version.
    async fn get(&self, version: &VersionRef) -> StoreResult<Option<VersionRecord>>;
    /// The versions of a server, newest first, at most `limit`.
    async fn list(&self, tenant: TenantId, server: ServerId, limit: u32) -> StoreResult<Vec<VersionSummary>>;
}

/// Bytes of bundles and of objects' content, per tenant: no cross-tenant deduplication to probe (DESIGN 16).
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores bytes under a name; durable when this returns. Storing again replaces.
    async fn put(&self, tenant: TenantId, name: &str, bytes: Bytes) -> StoreResult<()>;
    /// The bytes, if they are there.
    async fn get(&self, tenant: TenantId, name: &str) -> StoreResult<Option<Bytes>>;
    /// The first of the bytes, at most `length`, if they are there.
    async fn beginning(&self, tenant: TenantId, name: &str, length: usize) -> StoreResult<Option<Bytes>> {
        let whole = self.get(tenant, name).await?;
        Ok(whole.map(|bytes| bytes.slice(..length.min(bytes.len()))))
    }
    /// Removes them, if they are there.
    async fn delete(&self, tenant: TenantId, name: &str) -> StoreResult<()>;
}

/// API keys.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Adds a key.
    async fn create(&self, key: &KeyRecord) -> StoreResult<()>;
    /// The key whose current or previous MAC this is.
    async fn by_mac(
        &self,
        tenant: TenantId,
        pepper: RingKeyId,
        mac: &[u8; 32],
    ) -> StoreResult<Option<KeyRecord>>;
    /// The key with this id.
    async fn get(&self, tenant: TenantId, id: KeyId) -> StoreResult<Option<KeyRecord>>;
    /// The tenant's keys, oldest first.
    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<KeyRecord>>;
    /// Replaces a key's record, all but its last use, if it is active and its MAC is still `seen_mac`.
    async fn replace(&self, key: &KeyRecord, seen_mac: &[u8; 32]) -> StoreResult<()>;
    /// Notes that keys have been used.
    async fn touch(&self, tenant: TenantId, id: KeyId, at: UnixMillis) -> StoreResult<()>;
}

/// Legacy sessions.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Adds a session, with the client's `initialize` as it came: what a restarted hosted server is told again.
    async fn create(&self, session: &SessionRecord, initialize: &str) -> StoreResult<()>;
    /// One session, whether it has expired or not.
    async fn get(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<SessionRecord>>;
    /// What a hosted server is told that begins it again.
    async fn introduction(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<Introduction>>;
    /// Replaces its wishes; `Stale` when they are not what was `seen` any more.
    async fn wish(&self, tenant: TenantId, id: SessionId, seen: &str, now: &str) -> StoreResult<()>;
    /// From now on it is held by another version, or under another id of the hosted server's; `Stale` when it is not what
    /// was `seen` any more.
    async fn rebind(&self, seen: &SessionRecord, version: Digest, inner: &str) -> StoreResult<()>;
    /// Moves its idle expiry.
    async fn touch(&self, tenant: TenantId, id: SessionId, idle_expires_at: UnixMillis) -> StoreResult<()>;
    /// Ends it.
    async fn delete(&self, tenant: TenantId, id: SessionId) -> StoreResult<()>;
    /// Deletes sessions that have been idle too long, at most `limit`; returns how many.
    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64>;
}

/// What a hosted server is told that begins a session again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// The client's `initialize`, as it came.
    pub initialize: String,
    /// What the client has asked for since, in a form that the store does not read; empty at first.
    pub wishes: String,
}

/// The key ring.
#[async_trait]
pub trait RingStore: Send + Sync + 'static {
    /// All keys that are not retired.
    async fn list(&self) -> StoreResult<Vec<RingKey>>;
    /// Adds a key; if its purpose already has an active key, `Taken`.
    async fn create(&self, key: &RingKey) -> StoreResult<()>;
    /// Moves a key along its life.
    async fn set_state(
        &self,
        id: RingKeyId,
        state: RingState,
        not_after: Option<UnixMillis>,
    ) -> StoreResult<()>;
    /// Makes this the master key that wraps the ring and all data keys, if there is none yet. Returns which one it is.
    async fn claim(&self, master: MasterKeyId) -> StoreResult<MasterKeyId>;
    /// Replaces the master key and everything it wraps, in one transaction. `Stale` when another master key is in force
    /// than the change says, or a key is missing in it.
    async fn rewrap(&self, change: Rewrap) -> StoreResult<()>;
}

/// A change of master key.
#[derive(Clone, Debug)]
pub struct Rewrap {
    /// The master key it was made for.
    pub from: MasterKeyId,
    /// The one to be in force.
    pub to: MasterKeyId,
    /// Every key of the ring that is not retired, wrapped anew.
    pub ring: Vec<(RingKeyId, Vec<u8>)>,
    /// Every data key that is not destroyed, wrapped anew.
    pub data: Vec<(TenantId, DataKeyId, Vec<u8>)>,
}

/// Keys of tenants' data.
#[async_trait]
pub trait DataKeyStore: Send + Sync + 'static {
    /// The tenant's keys, oldest first, the destroyed ones too.
    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DataKey>>;
    /// All keys of all tenants that are not destroyed.
    async fn all(&self) -> StoreResult<Vec<DataKey>>;
    /// Adds a tenant's active key, which this master key wraps. `Taken` when it has one; `Stale` when another master key
    /// is in force or there is no such tenant.
    async fn create(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()>;
    /// The same, and in the same transaction the active key, if there is one, is retiring from the new one's `since` on.
    async fn rotate(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()>;
    /// Tenants that have a key on its way out, retiring or retired.
    async fn rotating(&self) -> StoreResult<Vec<TenantId>>;
    /// A retiring key is retired from `since` on; `Stale` when it is not retiring.
    async fn retire(&self, tenant: TenantId, id: DataKeyId, since: UnixMillis) -> StoreResult<()>;
    /// Deletes a retired key; `Stale` when it is not retired.
    async fn delete(&self, tenant: TenantId, id: DataKeyId) -> StoreResult<()>;
    /// Destroys all keys of the tenant: their bytes are gone, their names stay. Returns how many they were.
    async fn destroy(&self, tenant: TenantId, at: UnixMillis) -> StoreResult<u64>;
}

/// Secrets of servers, sealed.
#[async_trait]
pub trait SecretStore: Send + Sync + 'static {
    /// Adds a secret, or replaces the one whose version is `seen`; `Taken` or `Stale` when that is not how it is, `Stale`
    /// when there is no such server.
    async fn put(&self, secret: &SecretRecord, seen: Option<i64>) -> StoreResult<()>;
    /// One secret.
    async fn get(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<Option<SecretRecord>>;
    /// The secrets of a server, by name.
    async fn list(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<SecretRecord>>;
    /// Removes one, if it is there. Deleting a server removes all of its.
    async fn delete(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<()>;
    /// Secrets of a tenant by server and name, after the given one, at most `limit`.
    async fn page(
        &self,
        tenant: TenantId,
        after: Option<(ServerId, String)>,
        limit: u32,
    ) -> StoreResult<Vec<SecretRecord>>;
    /// Replaces the ciphertext of a secret that is unchanged since `seen` was read, else `Stale`.
    async fn reseal(&self, seen: &SecretRecord, sealed: &[u8]) -> StoreResult<()>;
}

/// Lines that hosted code printed.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Appends lines, oldest first.
    async fn append(&self, lines: &[(VersionRef, LogLine)]) -> StoreResult<()>;
    /// The last `limit` of the lines of a server that are wanted, oldest first, each with the version that printed it.
    async fn tail(
        &self,
        tenant: TenantId,
        server: ServerId,
        query: LogQuery,
        limit: u32,
    ) -> StoreResult<Vec<(Digest, LogLine)>>;
    /// Of each server, keeps the newest `lines` lines, as far as their texts have no more than `bytes` bytes together, and
    /// nothing older than `before`.
    async fn sweep(&self, (lines, bytes): (u32, u32), before: UnixMillis) -> StoreResult<()>;
}
