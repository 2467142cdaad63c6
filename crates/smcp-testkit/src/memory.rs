//! Every store in memory, with the rules a database would keep.

mod data_keys;
mod streams;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use smcp_core::{
    Stores,
    ports::{
        Blobs, DataKey, Introduction, KeyRecord, KeyStatus, KeyStore, LogLine, LogQuery, LogStore, NewServer,
        Rewrap, RingKey, RingState, RingStore, SecretRecord, ServerRecord, ServerStore, SessionRecord,
        SessionStore, StoreError, StoreResult, TenantRecord, TenantStore, VersionRecord, VersionRef,
        VersionStore, VersionSummary,
    },
};
use smcp_types::{
    DataKeyId, Digest, KeyId, LimitSet, MasterKeyId, RingKeyId, ServerId, SessionId, Slug, TenantId,
    UnixMillis,
};

/// Every store, empty at first.
#[derive(Default)]
pub struct MemoryStores {
    tables: Mutex<Tables>,
    uses: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Tables {
    tenants: BTreeMap<TenantId, TenantRecord>,
    pub(crate) servers: BTreeMap<(TenantId, ServerId), ServerRecord>,
    /// Slugs of servers that are gone.
    tombstones: Vec<(TenantId, Slug)>,
    versions: Vec<VersionRecord>,
    blobs: BTreeMap<(TenantId, String), Bytes>,
    keys: BTreeMap<(TenantId, KeyId), KeyRecord>,
    sessions: BTreeMap<(TenantId, SessionId), (SessionRecord, Introduction)>,
    pub(crate) streams: streams::Streams,
    ring: BTreeMap<RingKeyId, RingKey>,
    master: Option<MasterKeyId>,
    data_keys: BTreeMap<(TenantId, DataKeyId), DataKey>,
    pub(crate) secrets: BTreeMap<(TenantId, ServerId, String), SecretRecord>,
    logs: Vec<(VersionRef, LogLine)>,
}

impl MemoryStores {
    /// All of them as the platform takes them.
    #[must_use]
    pub fn stores() -> Stores {
        Arc::new(Self::default()).as_stores()
    }

    /// All of them, with a way left to ask how often they were used.
    #[must_use]
    pub fn as_stores(self: Arc<Self>) -> Stores {
        let all = self;
        Stores {
            tenants: all.clone(),
            servers: all.clone(),
            versions: all.clone(),
            blobs: all.clone(),
            keys: all.clone(),
            sessions: all.clone(),
            ring: all.clone(),
            data_keys: all.clone(),
            secrets: all.clone(),
            logs: all.clone(),
            streams: all,
        }
    }

    /// How often any of them was read or written.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses.load(Ordering::SeqCst)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Tables> {
        self.uses.fetch_add(1, Ordering::SeqCst);
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first<T>(items: impl Iterator<Item = T>, limit: u32) -> Vec<T> {
    items.take(limit as usize).collect()
}

#[async_trait]
impl TenantStore for MemoryStores {
    async fn create(&self, tenant: &TenantRecord) -> StoreResult<()> {
        let mut tables = self.lock();
        if tables.tenants.values().any(|known| known.slug == tenant.slug || known.id == tenant.id) {
            return Err(StoreError::Taken);
        }
        tables.tenants.insert(tenant.id, tenant.clone());
        Ok(())
    }

    async fn by_slug(&self, slug: &Slug) -> StoreResult<Option<TenantRecord>> {
        Ok(self.lock().tenants.values().find(|tenant| tenant.slug == *slug).cloned())
    }

    async fn by_id(&self, id: TenantId) -> StoreResult<Option<TenantRecord>> {
        Ok(self.lock().tenants.get(&id).cloned())
    }

    async fn list(&self, after: Option<TenantId>, limit: u32) -> StoreResult<Vec<TenantRecord>> {
        let tables = self.lock();
        Ok(first(tables.tenants.values().filter(|t| Some(t.id) > after).cloned(), limit))
    }

    async fn set_ceilings(&self, id: TenantId, ceilings: &LimitSet) -> StoreResult<()> {
        let mut tables = self.lock();
        tables.tenants.get_mut(&id).ok_or(StoreError::Stale)?.ceilings = ceilings.clone();
        Ok(())
    }
}

#[async_trait]
impl ServerStore for MemoryStores {
    async fn create(&self, server: &NewServer) -> StoreResult<()> {
        let mut tables = self.lock();
        let living = tables.servers.values().map(|s| (s.tenant, &s.slug));
        let dead = tables.tombstones.iter().map(|(tenant, slug)| (*tenant, slug));
        if living.chain(dead).any(|taken| taken == (server.tenant, &server.slug)) {
            return Err(StoreError::Taken);
        }
        let NewServer { tenant, id, slug, created_at } = server.clone();
        tables
            .servers
            .insert((tenant, id), ServerRecord { tenant, id, slug, active: None, revision: 0, created_at });
        Ok(())
    }

    async fn by_slug(&self, tenant: TenantId, slug: &Slug) -> StoreResult<Option<ServerRecord>> {
        Ok(self.lock().servers.values().find(|s| s.tenant == tenant && s.slug == *slug).cloned())
    }

    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ServerId>,
        limit: u32,
    ) -> StoreResult<Vec<ServerRecord>> {
        let tables = self.lock();
        Ok(first(
            tables.servers.values().filter(|s| s.tenant == tenant && Some(s.id) > after).cloned(),
            limit,
        ))
    }

    async fn activate(
        &self,
        tenant: TenantId,
        server: ServerId,
        version: Digest,
        revision: i64,
    ) -> StoreResult<()> {
        let mut tables = self.lock();
        let stored = (tenant, server, version);
        if !tables.versions.iter().any(|v| (v.tenant, v.server, v.digest) == stored) {
            return Err(StoreError::Stale);
        }
        let found = tables.servers.get_mut(&(tenant, server)).filter(|s| s.revision == revision);
        let record = found.ok_or(StoreError::Stale)?;
        record.active = Some(version);
        record.revision += 1;
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<Digest>> {
        let mut tables = self.lock();
        let gone = tables.servers.remove(&(tenant, server)).ok_or(StoreError::Stale)?;
        tables.tombstones.push((tenant, gone.slug));
        tables.secrets.retain(|(t, s, _), _| (*t, *s) != (tenant, server));
        let versions = tables.versions.extract_if(.., |v| (v.tenant, v.server) == (tenant, server));
        let gone = versions.map(|v| v.digest).collect();
        tables.sessions.retain(|_, (s, _)| (s.tenant, s.server) != (tenant, server));
        Ok(gone)
    }
}

#[async_trait]
impl VersionStore for MemoryStores {
    async fn put(&self, version: &VersionRecord) -> StoreResult<()> {
        let mut tables = self.lock();
        if !tables.servers.contains_key(&(version.tenant, version.server)) {
            return Err(StoreError::Stale);
        }
        let same = |v: &VersionRecord| {
            (v.tenant, v.server, v.digest) == (version.tenant, version.server, version.digest)
        };
        if !tables.versions.iter().any(same) {
            tables.versions.push(version.clone());
        }
        Ok(())
    }

    async fn get(&self, version: &VersionRef) -> StoreResult<Option<VersionRecord>> {
        let same = |v: &&VersionRecord| {
            (v.tenant, v.server, v.digest) == (version.tenant, version.server, version.digest)
        };
        Ok(self.lock().versions.iter().find(same).cloned())
    }

    async fn list(&self, tenant: TenantId, server: ServerId, limit: u32) -> StoreResult<Vec<VersionSummary>> {
        let tables = self.lock();
        Ok(first(
            tables.versions.iter().rev().filter(|v| (v.tenant, v.server) == (tenant, server)).map(summary),
            limit,
        ))
    }
}

fn summary(version: &VersionRecord) -> VersionSummary {
    let definitions: serde_json::Value = serde_json::from_str(&version.definitions).unwrap_or_default();
    let tools =
        definitions["tools"].as_array().map_or(0, |tools| i64::try_from(tools.len()).unwrap_or(i64::MAX));
    VersionSummary {
        digest: version.digest,
        tools,
        created_by: version.created_by.clone(),
        created_at: version.created_at,
    }
}

#[async_trait]
impl Blobs for MemoryStores {
    async fn put(&self, tenant: TenantId, name: &str, bytes: Bytes) -> StoreResult<()> {
        self.lock().blobs.insert((tenant, name.to_owned()), bytes);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, name: &str) -> StoreResult<Option<Bytes>> {
        Ok(self.lock().blobs.get(&(tenant, name.to_owned())).cloned())
    }

    async fn delete(&self, tenant: TenantId, name: &str) -> StoreResult<()> {
        self.lock().blobs.remove(&(tenant, name.to_owned()));
        Ok(())
    }
}

#[async_trait]
impl KeyStore for MemoryStores {
    async fn create(&self, key: &KeyRecord) -> StoreResult<()> {
        self.lock().keys.insert((key.tenant, key.id), key.clone());
        Ok(())
    }

    async fn by_mac(
        &self,
        tenant: TenantId,
        pepper: RingKeyId,
        mac: &[u8; 32],
    ) -> StoreResult<Option<KeyRecord>> {
        let made = (pepper, *mac);
        let tables = self.lock();
        let mut own = tables.keys.values().filter(|key| key.tenant == tenant);
        Ok(own.find(|key| (key.pepper, key.mac) == made || key.previous == Some(made)).cloned())
    }

    async fn get(&self, tenant: TenantId, id: KeyId) -> StoreResult<Option<KeyRecord>> {
        Ok(self.lock().keys.get(&(tenant, id)).cloned())
    }

    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<KeyRecord>> {
        Ok(self.lock().keys.values().filter(|key| key.tenant == tenant).cloned().collect())
    }

    async fn replace(&self, key: &KeyRecord, seen_mac: &[u8; 32]) -> StoreResult<()> {
        let mut tables = self.lock();
        let in_force = |known: &&mut KeyRecord| known.mac == *seen_mac && known.status == KeyStatus::Active;
        let known = tables.keys.get_mut(&(key.tenant, key.id)).filter(in_force).ok_or(StoreError::Stale)?;
        *known = KeyRecord { last_used_at: known.last_used_at, ..key.clone() };
        Ok(())
    }

    async fn touch(&self, tenant: TenantId, id: KeyId, at: UnixMillis) -> StoreResult<()> {
        if let Some(key) = self.lock().keys.get_mut(&(tenant, id)) {
            key.last_used_at = Some(at);
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for MemoryStores {
    async fn create(&self, session: &SessionRecord, initialize: &str) -> StoreResult<()> {
        let introduction = Introduction { initialize: initialize.to_owned(), wishes: String::new() };
        let row = (session.clone(), introduction);
        self.lock().sessions.insert((session.tenant, session.id), row);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<SessionRecord>> {
        Ok(self.lock().sessions.get(&(tenant, id)).map(|(session, _)| session.clone()))
    }

    async fn introduction(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<Introduction>> {
        Ok(self.lock().sessions.get(&(tenant, id)).map(|(_, introduction)| introduction.clone()))
    }

    async fn wish(&self, tenant: TenantId, id: SessionId, seen: &str, now: &str) -> StoreResult<()> {
        let mut tables = self.lock();
        let found = tables.sessions.get_mut(&(tenant, id)).map(|(_, introduction)| introduction);
        let introduction = found.filter(|found| found.wishes == seen).ok_or(StoreError::Stale)?;
        now.clone_into(&mut introduction.wishes);
        Ok(())
    }

    async fn rebind(&self, seen: &SessionRecord, version: Digest, inner: &str) -> StoreResult<()> {
        let mut tables = self.lock();
        let found = tables.sessions.get_mut(&(seen.tenant, seen.id)).map(|(session, _)| session);
        let same = |s: &&mut SessionRecord| (s.version, &s.inner) == (seen.version, &seen.inner);
        let session = found.filter(same).ok_or(StoreError::Stale)?;
        (session.version, session.inner) = (version, inner.to_owned());
        Ok(())
    }

    async fn touch(&self, tenant: TenantId, id: SessionId, idle_expires_at: UnixMillis) -> StoreResult<()> {
        if let Some((session, _)) = self.lock().sessions.get_mut(&(tenant, id)) {
            session.idle_expires_at = idle_expires_at;
        }
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> StoreResult<()> {
        self.lock().sessions.remove(&(tenant, id));
        Ok(())
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let mut tables = self.lock();
        let expired =
            tables.sessions.iter().filter(|(_, (s, _))| s.idle_expires_at <= now).map(|(id, _)| *id);
        let expired = first(expired, limit);
        expired.iter().for_each(|id| drop(tables.sessions.remove(id)));
        Ok(expired.len() as u64)
    }
}

#[async_trait]
impl RingStore for MemoryStores {
    async fn list(&self) -> StoreResult<Vec<RingKey>> {
        Ok(self.lock().ring.values().filter(|key| key.state != RingState::Retired).cloned().collect())
    }

    async fn create(&self, key: &RingKey) -> StoreResult<()> {
        let mut tables = self.lock();
        if tables.ring.values().any(|known| known.purpose == key.purpose && known.state == RingState::Active)
        {
            return Err(StoreError::Taken);
        }
        tables.ring.insert(key.id, key.clone());
        Ok(())
    }

    async fn set_state(
        &self,
        id: RingKeyId,
        state: RingState,
        not_after: Option<UnixMillis>,
    ) -> StoreResult<()> {
        let mut tables = self.lock();
        let key = tables.ring.get_mut(&id).ok_or(StoreError::Stale)?;
        (key.state, key.not_after) = (state, not_after);
        Ok(())
    }

    async fn claim(&self, master: MasterKeyId) -> StoreResult<MasterKeyId> {
        Ok(*self.lock().master.get_or_insert(master))
    }

    async fn rewrap(&self, change: Rewrap) -> StoreResult<()> {
        data_keys::rewrap(&mut self.lock(), change)
    }
}

#[async_trait]
impl LogStore for MemoryStores {
    async fn append(&self, lines: &[(VersionRef, LogLine)]) -> StoreResult<()> {
        self.lock().logs.extend_from_slice(lines);
        Ok(())
    }

    async fn tail(
        &self,
        tenant: TenantId,
        server: ServerId,
        query: LogQuery,
        limit: u32,
    ) -> StoreResult<Vec<(Digest, LogLine)>> {
        let tables = self.lock();
        let own = tables
            .logs
            .iter()
            .rev()
            .filter(|(v, line)| (v.tenant, v.server) == (tenant, server) && query.wants(line));
        let mut lines = first(own.map(|(version, line)| (version.digest, line.clone())), limit);
        lines.reverse();
        Ok(lines)
    }

    async fn sweep(&self, (most, bytes): (u32, u32), before: UnixMillis) -> StoreResult<()> {
        let mut tables = self.lock();
        let mut kept: BTreeMap<ServerId, (u32, usize)> = BTreeMap::new();
        let mut lines = std::mem::take(&mut tables.logs);
        lines.reverse();
        lines.retain(|(version, line)| {
            let (count, size) = kept.entry(version.server).or_default();
            *count += 1;
            *size += line.message.len();
            *count <= most && *size <= bytes as usize && line.at >= before
        });
        lines.reverse();
        tables.logs = lines;
        Ok(())
    }
}
