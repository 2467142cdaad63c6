//! KV rows in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use smcp_types::{TenantId, UnixMillis};

use super::Scratch;
use crate::ports::{KvRow, KvRows, KvSummary, Span, StoreResult, Wrote};

/// What a row takes of the quota: the same sum as in SQL.
pub(super) fn bytes(row: &KvRow) -> u64 {
    (row.key.len() + row.value.len() + row.metadata.as_ref().map_or(0, Vec::len)) as u64
}

fn lives(row: &KvRow, now: UnixMillis) -> bool {
    row.expires_at.is_none_or(|end| end > now)
}

#[async_trait]
impl KvRows for Scratch {
    async fn get(
        &self,
        tenant: TenantId,
        namespace: &str,
        key: &str,
        now: UnixMillis,
    ) -> StoreResult<Option<KvRow>> {
        let id = (tenant, namespace.to_owned(), key.to_owned());
        Ok(self.lock().kv.get(&id).filter(|row| lives(row, now)).cloned())
    }

    async fn put(&self, tenant: TenantId, namespace: &str, row: &KvRow, quota: u64) -> StoreResult<Wrote> {
        let mut tables = self.lock();
        let id = (tenant, namespace.to_owned(), row.key.clone());
        let before = tables.kv.get(&id).map_or(0, bytes);
        let used = tables.used(tenant);
        let after = used - before + bytes(row);
        if after > quota && after > used {
            return Ok(Wrote::OverQuota);
        }
        tables.kv.insert(id, row.clone());
        Ok(Wrote::Done)
    }

    async fn delete(&self, tenant: TenantId, namespace: &str, key: &str) -> StoreResult<()> {
        self.lock().kv.remove(&(tenant, namespace.to_owned(), key.to_owned()));
        Ok(())
    }

    async fn list(
        &self,
        tenant: TenantId,
        namespace: &str,
        span: &Span,
        now: UnixMillis,
    ) -> StoreResult<Vec<KvSummary>> {
        let tables = self.lock();
        let wanted = tables.kv.iter().filter(|((owner, name, key), row)| {
            (*owner, name.as_str()) == (tenant, namespace)
                && key.starts_with(&span.prefix)
                && span.after.as_ref().is_none_or(|after| key > after)
                && lives(row, now)
        });
        let shown = wanted.map(|(_, row)| KvSummary {
            key: row.key.clone(),
            version: row.version,
            metadata: row.metadata.clone(),
            expires_at: row.expires_at,
        });
        Ok(shown.take(span.limit as usize).collect())
    }

    async fn namespaces(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>> {
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let tables = self.lock();
        let own = tables.kv.keys().filter(|(owner, ..)| *owner == tenant);
        own.for_each(|(_, namespace, _)| *found.entry(namespace.clone()).or_default() += 1);
        Ok(found.into_iter().take(limit as usize).collect())
    }

    async fn sweep(&self, tenant: TenantId, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let mut tables = self.lock();
        let gone = tables.kv.iter().filter(|((owner, ..), row)| *owner == tenant && !lives(row, now));
        let gone: Vec<_> = gone.map(|(id, _)| id.clone()).take(limit as usize).collect();
        gone.iter().for_each(|id| drop(tables.kv.remove(id)));
        Ok(gone.len() as u64)
    }

    async fn used(&self, tenant: TenantId) -> StoreResult<u64> {
        Ok(self.lock().used(tenant))
    }
}
