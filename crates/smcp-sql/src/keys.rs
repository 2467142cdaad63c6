//! The API key store.

use async_trait::async_trait;
use smcp_core::ports::{KeyRecord, KeyStatus, KeyStore, StoreError, StoreResult};
use smcp_types::{KeyId, RingKeyId, TenantId, UnixMillis};

use crate::{
    ControlStore,
    port::{Sql, Statement, Value},
    row::{Columns, all, one},
};

fn read(columns: &mut Columns) -> Result<KeyRecord, StoreError> {
    Ok(KeyRecord {
        tenant: columns.take()?,
        id: columns.take()?,
        label: columns.take()?,
        role: columns.take()?,
        servers: columns.parse(|text| serde_json::from_str(text).ok())?,
        pepper: columns.take()?,
        mac: columns.take()?,
        previous: columns.take::<Option<RingKeyId>>()?.zip(columns.take()?),
        previous_until: columns.take()?,
        status: columns.parse(status)?,
        expires_at: columns.take()?,
        created_at: columns.take()?,
        last_used_at: columns.take()?,
    })
}

fn status(text: &str) -> Option<KeyStatus> {
    [KeyStatus::Active, KeyStatus::Revoked].into_iter().find(|status| status_text(*status) == text)
}

const fn status_text(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "active",
        KeyStatus::Revoked => "revoked",
    }
}

/// The columns in the order of `read`, and the parameters in the same order from `?1` on.
fn parameters(key: &KeyRecord) -> Result<[Value; 14], StoreError> {
    let servers = serde_json::to_string(&key.servers).map_err(|e| StoreError::Broken(e.to_string()))?;
    Ok([
        key.tenant.into(),
        key.id.into(),
        key.label.as_str().into(),
        key.role.as_str().into(),
        servers.as_str().into(),
        key.pepper.into(),
        key.mac.as_slice().into(),
        key.previous.map(|(pepper, _)| pepper).into(),
        key.previous.as_ref().map(|(_, mac)| mac.as_slice()).into(),
        key.previous_until.into(),
        status_text(key.status).into(),
        key.expires_at.into(),
        key.created_at.into(),
        key.last_used_at.into(),
    ])
}

#[async_trait]
impl<S: Sql> KeyStore for ControlStore<S> {
    async fn create(&self, key: &KeyRecord) -> StoreResult<()> {
        let insert =
            "INSERT INTO api_keys (tenant_id, id, label, role, servers, pepper_id, mac, previous_pepper_id,
                        previous_mac, previous_until, status, expires_at, created_at, last_used_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
        self.sql.run(Statement::new(insert, parameters(key)?)).await?;
        Ok(())
    }

    async fn by_mac(
        &self,
        tenant: TenantId,
        pepper: RingKeyId,
        mac: &[u8; 32],
    ) -> StoreResult<Option<KeyRecord>> {
        let query =
            "SELECT tenant_id, id, label, role, servers, pepper_id, mac, previous_pepper_id, previous_mac,
                       previous_until, status, expires_at, created_at, last_used_at
                     FROM api_keys
                     WHERE tenant_id = ?1 AND ((pepper_id = ?2 AND mac = ?3)
                                            OR (previous_pepper_id = ?2 AND previous_mac = ?3))";
        one(
            self.sql
                .run(Statement::new(query, [tenant.into(), pepper.into(), mac.as_slice().into()]))
                .await?,
            read,
        )
    }

    async fn get(&self, tenant: TenantId, id: KeyId) -> StoreResult<Option<KeyRecord>> {
        let query =
            "SELECT tenant_id, id, label, role, servers, pepper_id, mac, previous_pepper_id, previous_mac,
                       previous_until, status, expires_at, created_at, last_used_at
                     FROM api_keys WHERE tenant_id = ?1 AND id = ?2";
        one(self.sql.run(Statement::new(query, [tenant.into(), id.into()])).await?, read)
    }

    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<KeyRecord>> {
        let query =
            "SELECT tenant_id, id, label, role, servers, pepper_id, mac, previous_pepper_id, previous_mac,
                       previous_until, status, expires_at, created_at, last_used_at
                     FROM api_keys WHERE tenant_id = ?1 ORDER BY id";
        all(self.sql.run(Statement::new(query, [tenant.into()])).await?, read)
    }

    async fn replace(&self, key: &KeyRecord, seen_mac: &[u8; 32]) -> StoreResult<()> {
        // When the key was last used is `touch`'s to say: ?14 is bound and not read.
        let update = "UPDATE api_keys SET label = ?3, role = ?4, servers = ?5, pepper_id = ?6, mac = ?7,
                        previous_pepper_id = ?8, previous_mac = ?9, previous_until = ?10, status = ?11, expires_at = ?12,
                        created_at = ?13
                      WHERE tenant_id = ?1 AND id = ?2 AND mac = ?15 AND status = 'active'
                      RETURNING id";
        let mut statement = Statement::new(update, parameters(key)?);
        statement.parameters.push(seen_mac.as_slice().into());
        let changed = self.sql.run(statement).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn touch(&self, tenant: TenantId, id: KeyId, at: UnixMillis) -> StoreResult<()> {
        let update = "UPDATE api_keys SET last_used_at = ?3
                      WHERE tenant_id = ?1 AND id = ?2 AND coalesce(last_used_at, 0) < ?3";
        self.sql.run(Statement::new(update, [tenant.into(), id.into(), at.into()])).await?;
        Ok(())
    }
}
