//! The server store.

use async_trait::async_trait;
use smcp_core::ports::{NewServer, ServerRecord, ServerStore, StoreError, StoreResult};
use smcp_types::{Digest, ServerId, Slug, TenantId};

use crate::{
    ControlStore,
    port::{Sql, Statement, Value},
    row::{Columns, all, one},
    tenants::slug,
};

fn read(columns: &mut Columns) -> Result<ServerRecord, StoreError> {
    Ok(ServerRecord {
        tenant: columns.take()?,
        id: columns.take()?,
        slug: columns.parse(slug)?,
        active: columns.take()?,
        revision: columns.take()?,
        created_at: columns.take()?,
    })
}

#[async_trait]
impl<S: Sql> ServerStore for ControlStore<S> {
    async fn create(&self, server: &NewServer) -> StoreResult<()> {
        let slug = server.slug.as_str();
        let statements = vec![
            Statement::new(
                "INSERT INTO server_slugs (tenant_id, slug) VALUES (?1, ?2)",
                [server.tenant.into(), slug.into()],
            ),
            Statement::new(
                "INSERT INTO servers (tenant_id, id, slug, revision, created_at) VALUES (?1, ?2, ?3, 1, ?4)",
                [server.tenant.into(), server.id.into(), slug.into(), server.created_at.into()],
            ),
        ];
        self.sql.batch(statements).await?;
        Ok(())
    }

    async fn by_slug(&self, tenant: TenantId, slug: &Slug) -> StoreResult<Option<ServerRecord>> {
        let query = "SELECT tenant_id, id, slug, active, revision, created_at FROM servers
                     WHERE tenant_id = ?1 AND slug = ?2";
        one(self.sql.run(Statement::new(query, [tenant.into(), slug.as_str().into()])).await?, read)
    }

    async fn list(
        &self,
        tenant: TenantId,
        after: Option<ServerId>,
        limit: u32,
    ) -> StoreResult<Vec<ServerRecord>> {
        let query = "SELECT tenant_id, id, slug, active, revision, created_at FROM servers
                     WHERE tenant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        let after = after.map_or(Value::Blob(Vec::new()), Value::from);
        all(self.sql.run(Statement::new(query, [tenant.into(), after, limit.into()])).await?, read)
    }

    async fn activate(
        &self,
        tenant: TenantId,
        server: ServerId,
        version: Digest,
        revision: i64,
    ) -> StoreResult<()> {
        // The version has to be there still: a delete may have come between.
        let query = "UPDATE servers SET active = ?3, revision = revision + 1
                     WHERE tenant_id = ?1 AND id = ?2 AND revision = ?4
                       AND EXISTS (SELECT 1 FROM versions WHERE tenant_id = ?1 AND server_id = ?2 AND digest = ?3)
                     RETURNING revision";
        let parameters = [tenant.into(), server.into(), version.into(), revision.into()];
        let changed = self.sql.run(Statement::new(query, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn delete(&self, tenant: TenantId, server: ServerId) -> StoreResult<Vec<Digest>> {
        let of_server = [
            "DELETE FROM versions WHERE tenant_id = ?1 AND server_id = ?2 RETURNING digest",
            "DELETE FROM sessions WHERE tenant_id = ?1 AND server_id = ?2",
            "DELETE FROM secrets WHERE tenant_id = ?1 AND server_id = ?2",
            "DELETE FROM servers WHERE tenant_id = ?1 AND id = ?2",
        ];
        let statements = of_server.map(|sql| Statement::new(sql, [tenant.into(), server.into()]));
        let versions = self.sql.batch(statements.into()).await?.into_iter().next();
        all(versions.unwrap_or_default(), |columns| columns.take())
    }
}
