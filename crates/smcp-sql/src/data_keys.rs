//! The store of tenants' data keys, and the change of the master key that wraps them.

use async_trait::async_trait;
use smcp_core::ports::{DataKey, DataKeyState, DataKeyStore, Rewrap, StoreError, StoreResult};
use smcp_types::{DataKeyId, MasterKeyId, TenantId, UnixMillis};

use crate::{
    ControlStore,
    port::{Sql, Statement, Value},
    row::{Columns, all},
};

const STATES: [DataKeyState; 4] =
    [DataKeyState::Active, DataKeyState::Retiring, DataKeyState::Retired, DataKeyState::Destroyed];

const fn state_text(state: DataKeyState) -> &'static str {
    match state {
        DataKeyState::Active => "active",
        DataKeyState::Retiring => "retiring",
        DataKeyState::Retired => "retired",
        DataKeyState::Destroyed => "destroyed",
    }
}

fn state(text: &str) -> Option<DataKeyState> {
    STATES.into_iter().find(|state| state_text(*state) == text)
}

fn read(columns: &mut Columns) -> Result<DataKey, StoreError> {
    Ok(DataKey {
        tenant: columns.take()?,
        id: columns.take()?,
        state: columns.parse(state)?,
        created_at: columns.take()?,
        since: columns.take()?,
        wrapped: columns.take()?,
    })
}

/// Adds a key only while the master key that wraps it is in force.
fn insert(key: &DataKey, master: MasterKeyId) -> Statement {
    let insert = "INSERT INTO data_keys (tenant_id, id, state, created_at, since, wrapped)
                  SELECT ?1, ?2, 'active', ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM master_key WHERE id = ?6)
                  RETURNING id";
    let parameters = [
        key.tenant.into(),
        key.id.into(),
        key.created_at.into(),
        key.since.into(),
        key.wrapped.as_slice().into(),
        master.into(),
    ];
    Statement::new(insert, parameters)
}

#[async_trait]
impl<S: Sql> DataKeyStore for ControlStore<S> {
    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DataKey>> {
        let query = "SELECT tenant_id, id, state, created_at, since, wrapped FROM data_keys
                     WHERE tenant_id = ?1 ORDER BY id";
        all(self.sql.run(Statement::new(query, [tenant.into()])).await?, read)
    }

    async fn all(&self) -> StoreResult<Vec<DataKey>> {
        let query = "SELECT tenant_id, id, state, created_at, since, wrapped FROM data_keys
                     WHERE state != 'destroyed' ORDER BY tenant_id, id";
        all(self.sql.run(Statement::new(query, [])).await?, read)
    }

    async fn create(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()> {
        let added = self.sql.run(insert(key, master)).await?;
        if added.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn rotate(&self, key: &DataKey, master: MasterKeyId) -> StoreResult<()> {
        let retiring = "UPDATE data_keys SET state = 'retiring', since = ?2
                        WHERE tenant_id = ?1 AND state = 'active'
                          AND EXISTS (SELECT 1 FROM master_key WHERE id = ?3)";
        let retiring = Statement::new(retiring, [key.tenant.into(), key.since.into(), master.into()]);
        let done = self.sql.batch(vec![retiring, insert(key, master)]).await?;
        if done.last().is_none_or(Vec::is_empty) { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn rotating(&self) -> StoreResult<Vec<TenantId>> {
        let query = "SELECT DISTINCT tenant_id FROM data_keys WHERE state IN ('retiring', 'retired')
                     ORDER BY tenant_id";
        all(self.sql.run(Statement::new(query, [])).await?, Columns::take)
    }

    async fn retire(&self, tenant: TenantId, id: DataKeyId, since: UnixMillis) -> StoreResult<()> {
        let update = "UPDATE data_keys SET state = 'retired', since = ?3
                      WHERE tenant_id = ?1 AND id = ?2 AND state = 'retiring' RETURNING id";
        let changed = self.sql.run(Statement::new(update, [tenant.into(), id.into(), since.into()])).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn delete(&self, tenant: TenantId, id: DataKeyId) -> StoreResult<()> {
        let delete = "DELETE FROM data_keys
                      WHERE tenant_id = ?1 AND id = ?2 AND state = 'retired' RETURNING id";
        let gone = self.sql.run(Statement::new(delete, [tenant.into(), id.into()])).await?;
        if gone.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn destroy(&self, tenant: TenantId, at: UnixMillis) -> StoreResult<u64> {
        let update = "UPDATE data_keys SET state = 'destroyed', since = ?2, wrapped = x''
                      WHERE tenant_id = ?1 AND state != 'destroyed' RETURNING id";
        let gone = self.sql.run(Statement::new(update, [tenant.into(), at.into()])).await?;
        Ok(gone.len() as u64)
    }
}

/// Fails the transaction unless this master key is in force: there is a row in this slot already.
const IN_FORCE: &str = "INSERT INTO master_key (slot, id) SELECT 1, ?1
  WHERE NOT EXISTS (SELECT 1 FROM master_key WHERE id = ?1)";

/// Fails the transaction, in the same way, unless everything is wrapped under this master key. Every wrapped key names the
/// key that wraps it, after its format byte.
const ALL_REWRAPPED: &str = "INSERT INTO master_key (slot, id) SELECT 1, ?1
  WHERE EXISTS (SELECT 1 FROM ring_keys WHERE state != 'retired' AND substr(wrapped, 2, 16) != ?1)
     OR EXISTS (SELECT 1 FROM data_keys WHERE state != 'destroyed' AND substr(wrapped, 2, 16) != ?1)";

/// The transaction of a change of master key.
pub(crate) fn rewrap(change: Rewrap) -> Vec<Statement> {
    let Rewrap { from, to, ring, data } = change;
    let mut statements = vec![
        Statement::new(IN_FORCE, [from.into()]),
        Statement::new("UPDATE master_key SET id = ?1", [to.into()]),
    ];
    statements.extend(ring.into_iter().map(|(id, wrapped)| {
        Statement::new("UPDATE ring_keys SET wrapped = ?2 WHERE id = ?1", [id.into(), Value::Blob(wrapped)])
    }));
    statements.extend(data.into_iter().map(|(tenant, id, wrapped)| {
        // A key that was destroyed meanwhile stays that.
        let update = "UPDATE data_keys SET wrapped = ?3
                      WHERE tenant_id = ?1 AND id = ?2 AND state != 'destroyed'";
        Statement::new(update, [tenant.into(), id.into(), Value::Blob(wrapped)])
    }));
    statements.push(Statement::new(ALL_REWRAPPED, [to.into()]));
    statements
}
