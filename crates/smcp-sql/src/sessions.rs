//! The session store.

use async_trait::async_trait;
use smcp_core::ports::{Introduction, SessionRecord, SessionStore, StoreError, StoreResult};
use smcp_types::{Digest, SessionId, TenantId, UnixMillis};

use crate::{
    ControlStore,
    port::{Sql, Statement},
    row::{Columns, one},
};

fn read(columns: &mut Columns) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        tenant: columns.take()?,
        id: columns.take()?,
        server: columns.take()?,
        version: columns.take()?,
        inner: columns.take()?,
        created_at: columns.take()?,
        idle_expires_at: columns.take()?,
    })
}

#[async_trait]
impl<S: Sql> SessionStore for ControlStore<S> {
    async fn create(&self, session: &SessionRecord, initialize: &str) -> StoreResult<()> {
        let insert = "INSERT INTO sessions
                        (tenant_id, id, server_id, version, inner_id, initialize, created_at, idle_expires_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let parameters = [
            session.tenant.into(),
            session.id.into(),
            session.server.into(),
            session.version.into(),
            session.inner.as_str().into(),
            initialize.into(),
            session.created_at.into(),
            session.idle_expires_at.into(),
        ];
        self.sql.run(Statement::new(insert, parameters)).await?;
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<SessionRecord>> {
        let query = "SELECT tenant_id, id, server_id, version, inner_id, created_at, idle_expires_at
                     FROM sessions WHERE tenant_id = ?1 AND id = ?2";
        one(self.sql.run(Statement::new(query, [tenant.into(), id.into()])).await?, read)
    }

    async fn introduction(&self, tenant: TenantId, id: SessionId) -> StoreResult<Option<Introduction>> {
        let query = "SELECT initialize, wishes FROM sessions WHERE tenant_id = ?1 AND id = ?2";
        one(self.sql.run(Statement::new(query, [tenant.into(), id.into()])).await?, |columns| {
            Ok(Introduction { initialize: columns.take()?, wishes: columns.take()? })
        })
    }

    async fn wish(&self, tenant: TenantId, id: SessionId, seen: &str, now: &str) -> StoreResult<()> {
        let update = "UPDATE sessions SET wishes = ?4
                      WHERE tenant_id = ?1 AND id = ?2 AND wishes = ?3 RETURNING id";
        let parameters = [tenant.into(), id.into(), seen.into(), now.into()];
        let changed = self.sql.run(Statement::new(update, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn rebind(&self, seen: &SessionRecord, version: Digest, inner: &str) -> StoreResult<()> {
        let update = "UPDATE sessions SET version = ?3, inner_id = ?4
                      WHERE tenant_id = ?1 AND id = ?2 AND version = ?5 AND inner_id = ?6 RETURNING id";
        let parameters = [
            seen.tenant.into(),
            seen.id.into(),
            version.into(),
            inner.into(),
            seen.version.into(),
            seen.inner.as_str().into(),
        ];
        let changed = self.sql.run(Statement::new(update, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn touch(&self, tenant: TenantId, id: SessionId, idle_expires_at: UnixMillis) -> StoreResult<()> {
        let update = "UPDATE sessions SET idle_expires_at = ?3 WHERE tenant_id = ?1 AND id = ?2";
        self.sql.run(Statement::new(update, [tenant.into(), id.into(), idle_expires_at.into()])).await?;
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, id: SessionId) -> StoreResult<()> {
        let delete = "DELETE FROM sessions WHERE tenant_id = ?1 AND id = ?2";
        self.sql.run(Statement::new(delete, [tenant.into(), id.into()])).await?;
        Ok(())
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let delete = "DELETE FROM sessions WHERE (tenant_id, id) IN
                        (SELECT tenant_id, id FROM sessions WHERE idle_expires_at <= ?1 LIMIT ?2)
                      RETURNING id";
        let gone = self.sql.run(Statement::new(delete, [now.into(), limit.into()])).await?;
        Ok(gone.len() as u64)
    }
}
