//! The log of event streams.

use std::sync::Arc;

use async_trait::async_trait;
use smcp_core::ports::{Scope, StoreError, StoreResult, StreamEvent, StreamLog, StreamRecord};
use smcp_types::{StreamId, TenantId, UnixMillis};

use crate::{
    port::{Sql, Statement, Value},
    row::{Columns, all, one},
};

/// The store of the streams database.
#[derive(Clone)]
pub struct StreamStore<S> {
    sql: Arc<S>,
}

impl<S: Sql> StreamStore<S> {
    /// A store over a migrated streams database.
    pub fn new(sql: Arc<S>) -> Self {
        Self { sql }
    }
}

fn scope(scope: Scope) -> Value {
    Value::Blob(scope.0.to_vec())
}

fn read(columns: &mut Columns) -> Result<StreamRecord, StoreError> {
    Ok(StreamRecord {
        tenant: columns.take()?,
        id: columns.take()?,
        scope: Scope(columns.take()?),
        requests: columns.take()?,
        last: columns.take()?,
        ended: columns.take::<i64>()? != 0,
        expires_at: columns.take()?,
    })
}

fn read_event(columns: &mut Columns) -> Result<StreamEvent, StoreError> {
    Ok(StreamEvent { number: columns.take()?, sealed: columns.take()? })
}

#[async_trait]
impl<S: Sql> StreamLog for StreamStore<S> {
    async fn append(&self, stream: &StreamRecord, events: &[StreamEvent]) -> StoreResult<()> {
        let insert = "INSERT INTO stream_events (tenant_id, stream_id, number, scope, sealed)
                      VALUES (?1, ?2, ?3, ?4, ?5)";
        let upsert = "INSERT INTO streams (tenant_id, id, scope, requests, last, ended, expires_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                      ON CONFLICT (tenant_id, id) DO UPDATE
                      SET last = max(last, excluded.last), ended = excluded.ended, expires_at = excluded.expires_at";
        let rows = events.iter().map(|event| {
            let StreamEvent { number, sealed } = event;
            let key = [stream.tenant.into(), stream.id.into(), (*number).into()];
            let [tenant, id, number] = key;
            Statement::new(insert, [tenant, id, number, scope(stream.scope), sealed.as_slice().into()])
        });
        let mut statements: Vec<Statement> = rows.collect();
        let ended = i64::from(stream.ended);
        statements.push(Statement::new(
            upsert,
            [
                stream.tenant.into(),
                stream.id.into(),
                scope(stream.scope),
                stream.requests.as_str().into(),
                stream.last.into(),
                ended.into(),
                stream.expires_at.into(),
            ],
        ));
        self.sql.batch(statements).await?;
        Ok(())
    }

    async fn stream(&self, tenant: TenantId, id: StreamId) -> StoreResult<Option<StreamRecord>> {
        let query = "SELECT tenant_id, id, scope, requests, last, ended, expires_at FROM streams
                     WHERE tenant_id = ?1 AND id = ?2";
        one(self.sql.run(Statement::new(query, [tenant.into(), id.into()])).await?, read)
    }

    async fn after(
        &self,
        tenant: TenantId,
        id: StreamId,
        number: i64,
        limit: u32,
    ) -> StoreResult<Vec<StreamEvent>> {
        let query = "SELECT number, sealed FROM stream_events
                     WHERE tenant_id = ?1 AND stream_id = ?2 AND number > ?3 ORDER BY number LIMIT ?4";
        let parameters = [tenant.into(), id.into(), number.into(), limit.into()];
        all(self.sql.run(Statement::new(query, parameters)).await?, read_event)
    }

    async fn trim(&self, tenant: TenantId, of: Scope, bytes: u64, streams: u32) -> StoreResult<()> {
        // Events with more bytes of newer ones of their scope than are kept.
        let events = "DELETE FROM stream_events WHERE place IN (
                        SELECT place FROM (
                          SELECT place, sum(length(sealed)) OVER (ORDER BY place DESC) AS size
                          FROM stream_events WHERE tenant_id = ?1 AND scope = ?2)
                        WHERE size > ?3)";
        let many = "DELETE FROM streams WHERE (tenant_id, id) IN (
                      SELECT tenant_id, id FROM streams WHERE tenant_id = ?1 AND scope = ?2
                      ORDER BY expires_at DESC, id DESC LIMIT -1 OFFSET ?3)";
        let orphans = "DELETE FROM stream_events WHERE tenant_id = ?1 AND scope = ?2 AND stream_id NOT IN
                         (SELECT id FROM streams WHERE tenant_id = ?1 AND scope = ?2)";
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.sql
            .batch(vec![
                Statement::new(events, [tenant.into(), scope(of), bytes.into()]),
                Statement::new(many, [tenant.into(), scope(of), streams.into()]),
                Statement::new(orphans, [tenant.into(), scope(of)]),
            ])
            .await?;
        Ok(())
    }

    async fn forget(&self, tenant: TenantId, of: Scope) -> StoreResult<()> {
        let events = "DELETE FROM stream_events WHERE tenant_id = ?1 AND scope = ?2";
        let streams = "DELETE FROM streams WHERE tenant_id = ?1 AND scope = ?2";
        let both = [events, streams].map(|delete| Statement::new(delete, [tenant.into(), scope(of)]));
        self.sql.batch(both.into()).await?;
        Ok(())
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let expired =
            "SELECT tenant_id, id FROM streams WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2";
        let gone = self.sql.run(Statement::new(expired, [now.into(), limit.into()])).await?;
        let ids = all(gone, |columns| Ok((columns.take::<TenantId>()?, columns.take::<StreamId>()?)))?;
        let mut statements = Vec::with_capacity(2 * ids.len());
        for (tenant, id) in &ids {
            let events = "DELETE FROM stream_events WHERE tenant_id = ?1 AND stream_id = ?2";
            let stream = "DELETE FROM streams WHERE tenant_id = ?1 AND id = ?2";
            statements.extend([events, stream].map(|s| Statement::new(s, [(*tenant).into(), (*id).into()])));
        }
        self.sql.batch(statements).await?;
        Ok(ids.len() as u64)
    }
}
