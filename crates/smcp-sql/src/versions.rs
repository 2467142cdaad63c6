//! The version store.

use async_trait::async_trait;
use smcp_core::ports::{StoreError, StoreResult, VersionRecord, VersionRef, VersionStore, VersionSummary};
use smcp_types::{ServerId, TenantId};

use crate::{
    ControlStore,
    port::{Sql, Statement},
    row::{Columns, all, one},
};

fn read(columns: &mut Columns) -> Result<VersionRecord, StoreError> {
    Ok(VersionRecord {
        tenant: columns.take()?,
        server: columns.take()?,
        digest: columns.take()?,
        manifest: columns.take()?,
        definitions: columns.take()?,
        created_by: columns.take()?,
        created_at: columns.take()?,
    })
}

#[async_trait]
impl<S: Sql> VersionStore for ControlStore<S> {
    async fn put(&self, version: &VersionRecord) -> StoreResult<()> {
        let insert = "INSERT INTO versions
                        (tenant_id, server_id, digest, manifest, definitions, created_by, created_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                      ON CONFLICT (tenant_id, server_id, digest) DO NOTHING";
        let parameters = [
            version.tenant.into(),
            version.server.into(),
            version.digest.into(),
            version.manifest.as_str().into(),
            version.definitions.as_str().into(),
            version.created_by.as_str().into(),
            version.created_at.into(),
        ];
        self.sql.run(Statement::new(insert, parameters)).await?;
        Ok(())
    }

    async fn get(&self, version: &VersionRef) -> StoreResult<Option<VersionRecord>> {
        let query =
            "SELECT tenant_id, server_id, digest, manifest, definitions, created_by, created_at FROM versions
                     WHERE tenant_id = ?1 AND server_id = ?2 AND digest = ?3";
        let parameters = [version.tenant.into(), version.server.into(), version.digest.into()];
        one(self.sql.run(Statement::new(query, parameters)).await?, read)
    }

    async fn list(&self, tenant: TenantId, server: ServerId, limit: u32) -> StoreResult<Vec<VersionSummary>> {
        let query = "SELECT digest, coalesce(json_array_length(definitions, '$.tools'), 0), created_by, created_at
                     FROM versions WHERE tenant_id = ?1 AND server_id = ?2 ORDER BY created_at DESC, digest LIMIT ?3";
        let rows = self.sql.run(Statement::new(query, [tenant.into(), server.into(), limit.into()])).await?;
        all(rows, |columns| {
            Ok(VersionSummary {
                digest: columns.take()?,
                tools: columns.take()?,
                created_by: columns.take()?,
                created_at: columns.take()?,
            })
        })
    }
}
