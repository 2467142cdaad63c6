//! Secrets move to a newer key of their tenant.

use async_trait::async_trait;
use smcp_types::{DataKeyId, Error, Result, ServerId, TenantId};

use super::{Secrets, place};
use crate::{
    ports::{Kind, Resealable, Resealed, SecretRecord, StoreError},
    vault::{count, has_to_move},
};

#[async_trait]
impl Resealable for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Secret]
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed> {
        let records = self.store.page(tenant, after.map(position).transpose()?, limit).await?;
        let mut done = Resealed::default();
        for record in &records {
            if has_to_move(&record.sealed, retiring) {
                count(&mut done, tenant, self.move_one(record).await)?;
            }
        }
        if records.len() >= limit as usize {
            done.next = records.last().map(|last| format!("{}/{}", last.server, last.name));
        }
        Ok(done)
    }
}

impl Secrets {
    async fn move_one(&self, record: &SecretRecord) -> Result<bool> {
        let server = record.server.to_string();
        let plain = self.sealer.open(&place(record, &server), &record.sealed).await?;
        let sealed = self.sealer.seal(&place(record, &server), &plain).await?;
        self.put_back(record, &sealed).await
    }

    /// Puts it back if it is unchanged: whoever was faster has used the active key already.
    async fn put_back(&self, record: &SecretRecord, sealed: &[u8]) -> Result<bool> {
        match self.store.reseal(record, sealed).await {
            Ok(()) => Ok(true),
            Err(StoreError::Stale | StoreError::Taken) => Ok(false),
            Err(error @ (StoreError::Broken(_) | StoreError::Full(_))) => Err(error.into()),
        }
    }
}

/// Where a step went on to.
fn position(text: &str) -> Result<(ServerId, String)> {
    let parsed =
        text.split_once('/').and_then(|(server, name)| Some((server.parse().ok()?, name.to_owned())));
    parsed.ok_or_else(|| Error::internal("not a position among secrets"))
}
