//! Data keys in memory, and the change of the master key.

use async_trait::async_trait;
use smcp_core::ports::{DataKey, DataKeyState, DataKeyStore, Rewrap, RingState, StoreError, StoreResult};
use smcp_types::{DataKeyId, MasterKeyId, TenantId, UnixMillis};

use super::{MemoryStores, Tables};

/// All or nothing: checked first, then done.
pub(super) fn rewrap(tables: &mut Tables, change: Rewrap) -> StoreResult<()> {
    let ring = tables.ring.values().filter(|key| key.state != RingState::Retired);
    let data = tables.data_keys.values().filter(|key| key.state != DataKeyState::Destroyed);
    let complete = ring.map(|key| key.id).all(|id| change.ring.iter().any(|(known, _)| *known == id))
        && data
            .map(|key| (key.tenant, key.id))
            .all(|id| change.data.iter().any(|(tenant, known, _)| (*tenant, *known) == id));
    if tables.master != Some(change.from) || !complete {
        return Err(StoreError::Stale);
    }
    tables.master = Some(change.to);
    for (id, wrapped) in change.ring {
        if let Some(key) = tables.ring.get_mut(&id) {
            key.wrapped = wrapped;
        }
    }
    for (tenant, id, wrapped) in change.data {
        let living = |key: &&mut DataKey| key.state != DataKeyState::Destroyed;
        if let Some(key) = tables.data_keys.get_mut(&(tenant, id)).filter(living) {
            key.wrapped = wrapped;
        }
    }
    Ok(())
}

fn add(tables: &mut Tables, key: &DataKey, master: MasterKeyId) -> StoreResult<()> {
    if tables.master != Some(master) || !tables.tenants.contains_key(&key.tenant) {
        return Err(StoreError::Stale);
    }
    let active = |known: &DataKey| known.tenant == key.tenant && known.state == DataKeyState::Active;
    if tables.data_keys.values().any(active) {
        return Err(StoreError::Taken);
    }
    tables.data_keys.insert((key.tenant, key.id), key.clone());
    Ok(())
}

#[async_trait]
impl DataKeyStore for MemoryStores {
    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DataKey>> {
        Ok(self.lock().data_keys.values().filter(|key| key.tenant == tenant).cloned().collect())
    }

    async fn all(&self) -> StoreResult<Vec<DataKey>> {
        let tables = self.lock();
        Ok(tables.data_keys.values().filter(|key| key.state != DataKeyState::Destroyed).cloned().collect())
    }

    async fn create(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()> {
        add(&mut self.lock(), key, master)
    }

    async fn rotate(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()> {
        let mut tables = self.lock();
        if tables.master != Some(master) {
            return Err(StoreError::Stale);
        }
        for old in tables.data_keys.values_mut().filter(|old| old.tenant == key.tenant) {
            if old.state == DataKeyState::Active {
                (old.state, old.since) = (DataKeyState::Retiring, key.since);
            }
        }
        add(&mut tables, key, master)
    }

    async fn rotating(&self) -> StoreResult<Vec<TenantId>> {
        let tables = self.lock();
        let on_their_way = tables
            .data_keys
            .values()
            .filter(|key| matches!(key.state, DataKeyState::Retiring | DataKeyState::Retired));
        let mut tenants: Vec<_> = on_their_way.map(|key| key.tenant).collect();
        tenants.dedup();
        Ok(tenants)
    }

    async fn retire(&self, tenant: TenantId, id: DataKeyId, since: UnixMillis) -> StoreResult<()> {
        let mut tables = self.lock();
        let retiring = |key: &&mut DataKey| key.state == DataKeyState::Retiring;
        let key = tables.data_keys.get_mut(&(tenant, id)).filter(retiring).ok_or(StoreError::Stale)?;
        (key.state, key.since) = (DataKeyState::Retired, since);
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, id: DataKeyId) -> StoreResult<()> {
        let mut tables = self.lock();
        match tables.data_keys.get(&(tenant, id)) {
            Some(key) if key.state == DataKeyState::Retired => {
                tables.data_keys.remove(&(tenant, id));
                Ok(())
            }
            Some(_) | None => Err(StoreError::Stale),
        }
    }

    async fn destroy(&self, tenant: TenantId, at: UnixMillis) -> StoreResult<u64> {
        let mut tables = self.lock();
        let mut count = 0;
        for key in tables.data_keys.values_mut().filter(|key| key.tenant == tenant) {
            if key.state != DataKeyState::Destroyed {
                (key.state, key.since) = (DataKeyState::Destroyed, at);
                key.wrapped.clear();
                count += 1;
            }
        }
        Ok(count)
    }
}
