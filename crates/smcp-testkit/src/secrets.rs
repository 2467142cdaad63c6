//! Secrets in memory.

use async_trait::async_trait;
use smcp_core::ports::{SecretRecord, SecretStore, StoreError, StoreResult};
use smcp_types::{ServerId, TenantId};

use crate::MemoryStores;

#[async_trait]
impl SecretStore for MemoryStores {
    async fn put(&self, secret: &SecretRecord, seen: Option<i64>) -> StoreResult<()> {
        let mut tables = self.lock();
        if !tables.servers.contains_key(&(secret.tenant, secret.server)) {
            return Err(StoreError::Stale);
        }
        let key = (secret.tenant, secret.server, secret.name.clone());
        match (tables.secrets.get(&key).map(|known| known.version), seen) {
            (None, None) => {}
            (Some(known), Some(seen)) if known == seen => {}
            (Some(_), None) => return Err(StoreError::Taken),
            (None | Some(_), Some(_)) => return Err(StoreError::Stale),
        }
        tables.secrets.insert(key, secret.clone());
        Ok(())
    }

    async fn get(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<Option<SecretRecord>> {
        Ok(self.lock().secrets.get(&(tenant, server, name.to_owned())).cloned())
    }

    async fn list(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<SecretRecord>> {
        let tables = self.lock();
        let of = |secret: &&SecretRecord| (secret.tenant, secret.server) == (tenant, server);
        Ok(tables.secrets.values().filter(of).cloned().collect())
    }

    async fn delete(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<()> {
        self.lock().secrets.remove(&(tenant, server, name.to_owned()));
        Ok(())
    }

    async fn page(
        &self,
        tenant: TenantId,
        after: Option<(ServerId, String)>,
        limit: u32,
    ) -> StoreResult<Vec<SecretRecord>> {
        let tables = self.lock();
        let later = |secret: &&SecretRecord| {
            secret.tenant == tenant
                && after.as_ref().is_none_or(|(server, name)| (secret.server, &secret.name) > (*server, name))
        };
        Ok(tables.secrets.values().filter(later).take(limit as usize).cloned().collect())
    }

    async fn reseal(&self, seen: &SecretRecord, sealed: &[u8]) -> StoreResult<()> {
        let mut tables = self.lock();
        let known = tables.secrets.get_mut(&(seen.tenant, seen.server, seen.name.clone()));
        let known = known.filter(|known| known.sealed == seen.sealed).ok_or(StoreError::Stale)?;
        known.sealed = sealed.to_vec();
        Ok(())
    }
}
