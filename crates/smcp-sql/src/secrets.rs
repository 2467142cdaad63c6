//! The store of servers' secrets.

use async_trait::async_trait;
use smcp_core::ports::{SecretRecord, SecretStore, StoreError, StoreResult};
use smcp_types::{ServerId, TenantId};

use crate::{
    ControlStore,
    port::{Sql, Statement, Value},
    row::{Columns, all, one},
};

fn read(columns: &mut Columns) -> Result<SecretRecord, StoreError> {
    Ok(SecretRecord {
        tenant: columns.take()?,
        server: columns.take()?,
        name: columns.take()?,
        version: columns.take()?,
        sealed: columns.take()?,
        created_at: columns.take()?,
        created_by: columns.take()?,
        updated_at: columns.take()?,
    })
}

#[async_trait]
impl<S: Sql> SecretStore for ControlStore<S> {
    async fn put(&self, secret: &SecretRecord, seen: Option<i64>) -> StoreResult<()> {
        // The server has to be there still: a delete may have come between.
        let sql = match seen {
            None => {
                "INSERT INTO secrets (tenant_id, server_id, name, version, sealed, created_at, created_by, updated_at)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE ?9 IS NULL AND EXISTS (SELECT 1 FROM servers WHERE tenant_id = ?1 AND id = ?2)
                 RETURNING version"
            }
            Some(_) => {
                "UPDATE secrets SET version = ?4, sealed = ?5, created_at = ?6, created_by = ?7, updated_at = ?8
                 WHERE tenant_id = ?1 AND server_id = ?2 AND name = ?3 AND version = ?9 RETURNING version"
            }
        };
        let parameters = [
            secret.tenant.into(),
            secret.server.into(),
            secret.name.as_str().into(),
            secret.version.into(),
            secret.sealed.as_slice().into(),
            secret.created_at.into(),
            secret.created_by.as_str().into(),
            secret.updated_at.into(),
            seen.into(),
        ];
        let changed = self.sql.run(Statement::new(sql, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn get(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<Option<SecretRecord>> {
        let query = "SELECT tenant_id, server_id, name, version, sealed, created_at, created_by, updated_at
                     FROM secrets WHERE tenant_id = ?1 AND server_id = ?2 AND name = ?3";
        let parameters = [tenant.into(), server.into(), name.into()];
        one(self.sql.run(Statement::new(query, parameters)).await?, read)
    }

    async fn list(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<SecretRecord>> {
        let query = "SELECT tenant_id, server_id, name, version, sealed, created_at, created_by, updated_at
                     FROM secrets WHERE tenant_id = ?1 AND server_id = ?2 ORDER BY name";
        all(self.sql.run(Statement::new(query, [tenant.into(), server.into()])).await?, read)
    }

    async fn delete(&self, tenant: TenantId, server: ServerId, name: &str) -> StoreResult<()> {
        let sql = "DELETE FROM secrets WHERE tenant_id = ?1 AND server_id = ?2 AND name = ?3";
        self.sql.run(Statement::new(sql, [tenant.into(), server.into(), name.into()])).await?;
        Ok(())
    }

    async fn page(
        &self,
        tenant: TenantId,
        after: Option<(ServerId, String)>,
        limit: u32,
    ) -> StoreResult<Vec<SecretRecord>> {
        let query = "SELECT tenant_id, server_id, name, version, sealed, created_at, created_by, updated_at
                     FROM secrets WHERE tenant_id = ?1 AND (server_id, name) > (?2, ?3)
                     ORDER BY server_id, name LIMIT ?4";
        let (server, name) = match &after {
            Some((server, name)) => ((*server).into(), name.as_str()),
            None => (Value::Blob(Vec::new()), ""),
        };
        let parameters = [tenant.into(), server, name.into(), limit.into()];
        all(self.sql.run(Statement::new(query, parameters)).await?, read)
    }

    async fn reseal(&self, seen: &SecretRecord, sealed: &[u8]) -> StoreResult<()> {
        let sql = "UPDATE secrets SET sealed = ?5
                   WHERE tenant_id = ?1 AND server_id = ?2 AND name = ?3 AND sealed = ?4 RETURNING version";
        let parameters = [
            seen.tenant.into(),
            seen.server.into(),
            seen.name.as_str().into(),
            seen.sealed.as_slice().into(),
            sealed.into(),
        ];
        let changed = self.sql.run(Statement::new(sql, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }
}
