//! The key ring's store.

use async_trait::async_trait;
use smcp_core::ports::{Rewrap, RingKey, RingPurpose, RingState, RingStore, StoreError, StoreResult};
use smcp_types::{MasterKeyId, RingKeyId, UnixMillis};

use crate::{
    ControlStore, data_keys,
    port::{Sql, SqlError, Statement},
    row::{Columns, all, one},
};

const fn purpose_text(purpose: RingPurpose) -> &'static str {
    match purpose {
        RingPurpose::SessionSeal => "session_seal",
        RingPurpose::ApiKeyPepper => "api_key_pepper",
        RingPurpose::CallerSigning => "caller_signing",
        RingPurpose::EventIds => "event_ids",
    }
}

fn purpose(text: &str) -> Option<RingPurpose> {
    RingPurpose::ALL.into_iter().find(|p| purpose_text(*p) == text)
}

const fn state_text(state: RingState) -> &'static str {
    match state {
        RingState::Active => "active",
        RingState::Retiring => "retiring",
        RingState::Retired => "retired",
    }
}

fn state(text: &str) -> Option<RingState> {
    [RingState::Active, RingState::Retiring, RingState::Retired].into_iter().find(|s| state_text(*s) == text)
}

fn read(columns: &mut Columns) -> Result<RingKey, StoreError> {
    Ok(RingKey {
        id: columns.take()?,
        purpose: columns.parse(purpose)?,
        state: columns.parse(state)?,
        not_before: columns.take()?,
        not_after: columns.take()?,
        wrapped: columns.take()?,
    })
}

#[async_trait]
impl<S: Sql> RingStore for ControlStore<S> {
    async fn list(&self) -> StoreResult<Vec<RingKey>> {
        let query = "SELECT id, purpose, state, not_before, not_after, wrapped FROM ring_keys
                     WHERE state != 'retired' ORDER BY id";
        all(self.sql.run(Statement::new(query, [])).await?, read)
    }

    async fn create(&self, key: &RingKey) -> StoreResult<()> {
        let insert = "INSERT INTO ring_keys (id, purpose, state, not_before, not_after, wrapped)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let parameters = [
            key.id.into(),
            purpose_text(key.purpose).into(),
            state_text(key.state).into(),
            key.not_before.into(),
            key.not_after.into(),
            key.wrapped.as_slice().into(),
        ];
        self.sql.run(Statement::new(insert, parameters)).await?;
        Ok(())
    }

    async fn set_state(
        &self,
        id: RingKeyId,
        state: RingState,
        not_after: Option<UnixMillis>,
    ) -> StoreResult<()> {
        let update = "UPDATE ring_keys SET state = ?2, not_after = ?3 WHERE id = ?1 RETURNING id";
        let parameters = [id.into(), state_text(state).into(), not_after.into()];
        let changed = self.sql.run(Statement::new(update, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }

    async fn claim(&self, master: MasterKeyId) -> StoreResult<MasterKeyId> {
        let claim = Statement::new(
            "INSERT INTO master_key (slot, id) VALUES (1, ?1) ON CONFLICT DO NOTHING",
            [master.into()],
        );
        let query = Statement::new("SELECT id FROM master_key", []);
        let mut answers = self.sql.batch(vec![claim, query]).await?;
        let found = one(answers.pop().unwrap_or_default(), Columns::take)?;
        found.ok_or_else(|| StoreError::Broken("no master key is in force".to_owned()))
    }

    async fn rewrap(&self, change: Rewrap) -> StoreResult<()> {
        match self.sql.batch(data_keys::rewrap(change)).await {
            Ok(_) => Ok(()),
            Err(SqlError::Unique(_)) => Err(StoreError::Stale),
            Err(error) => Err(error.into()),
        }
    }
}
