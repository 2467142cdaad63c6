//! Values of KV namespaces move to a newer key of their tenant.

use std::sync::Arc;

use async_trait::async_trait;
use smcp_types::{DataKeyId, Result, TenantId, UnixMillis};

use super::place;
use crate::{
    ports::{Kind, KvRow, KvRows, KvSeal, Resealable, Resealed, SealedRows, Sealer},
    storage::{
        Store,
        position::{self, AT_ONCE},
    },
    vault::{count, has_to_move},
};

/// KV values and their metadata, as a rotation moves them.
pub(crate) struct KvValues {
    pub(crate) rows: Arc<dyn KvRows>,
    pub(crate) sealed: Arc<dyn SealedRows>,
    pub(crate) sealer: Arc<dyn Sealer>,
}

#[async_trait]
impl Resealable for KvValues {
    fn name(&self) -> &'static str {
        "KV values"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::KvValue, Kind::KvMetadata]
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed> {
        let limit = limit.min(AT_ONCE);
        let after: Option<(String, String)> = after.map(position::read).transpose()?;
        let after = after.as_ref().map(|(namespace, key)| (namespace.as_str(), key.as_str()));
        let seals = self.sealed.kv(tenant, after, limit).await?;
        let mut step = Resealed::default();
        for seal in &seals {
            let metadata = seal.metadata.as_deref();
            if has_to_move(&seal.value, retiring) || metadata.is_some_and(|it| has_to_move(it, retiring)) {
                count(&mut step, tenant, self.move_one(tenant, seal).await)?;
            }
        }
        if seals.len() >= limit as usize {
            step.next =
                seals.last().map(|last| position::write(&(&last.namespace, &last.key))).transpose()?;
        }
        Ok(step)
    }
}

impl KvValues {
    async fn move_one(&self, tenant: TenantId, seal: &KvSeal) -> Result<bool> {
        // Before everything expires: what has expired is moved like the rest until it is swept.
        let row = self.rows.get(tenant, &seal.namespace, &seal.key, UnixMillis(i64::MIN)).await?;
        let Some(before) = row else { return Ok(false) };
        let store = Store { tenant, name: &seal.namespace };
        let value = self.anew(store, Kind::KvValue, &before, &before.value).await?;
        let metadata = match &before.metadata {
            Some(metadata) => Some(self.anew(store, Kind::KvMetadata, &before, metadata).await?),
            None => None,
        };
        let after = KvRow { value, metadata, ..before.clone() };
        Ok(self.sealed.replace_kv(tenant, &seal.namespace, &before, &after).await?)
    }

    async fn anew(&self, store: Store<'_>, kind: Kind, row: &KvRow, sealed: &[u8]) -> Result<Vec<u8>> {
        let place = place(store, kind, &row.key, row.version);
        let plain = self.sealer.open(&place, sealed).await?;
        self.sealer.seal(&place, &plain).await
    }
}
