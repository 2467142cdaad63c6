//! The port to the log of event streams: what a client whose connection broke may still ask for.

use async_trait::async_trait;
use smcp_types::{StreamId, TenantId, UnixMillis};

use super::StoreResult;

/// Who may read a stream: a session, or where there is none a caller at a server. Bytes of a stream count for its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub [u8; 16]);

/// An event stream that answers a legacy request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// The owner of the server.
    pub tenant: TenantId,
    /// Random; stands in the ids of its events.
    pub id: StreamId,
    /// Who may read it.
    pub scope: Scope,
    /// The requests it answers: ids of JSON-RPC, as JSON.
    pub requests: String,
    /// The last event it has had.
    pub last: i64,
    /// Whether nothing more will come.
    pub ended: bool,
    /// When it is forgotten.
    pub expires_at: UnixMillis,
}

/// An event of a stream, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Counts from 1 within its stream.
    pub number: i64,
    /// What it says, sealed.
    pub sealed: Vec<u8>,
}

/// Keeps events of streams for some minutes. What it has acknowledged survives `kill -9`.
#[async_trait]
pub trait StreamLog: Send + Sync + 'static {
    /// Stores events of a stream and what is now known of the stream itself, in one transaction. `Taken` when an event of
    /// this number is there already.
    async fn append(&self, stream: &StreamRecord, events: &[StreamEvent]) -> StoreResult<()>;
    /// A stream, whether it has expired or not.
    async fn stream(&self, tenant: TenantId, id: StreamId) -> StoreResult<Option<StreamRecord>>;
    /// Events of a stream after this one, in their order, at most `limit`.
    async fn after(
        &self,
        tenant: TenantId,
        id: StreamId,
        number: i64,
        limit: u32,
    ) -> StoreResult<Vec<StreamEvent>>;
    /// Of a scope, keeps the newest events, as far as they have no more than `bytes` bytes together, and the newest `streams`
    /// streams.
    async fn trim(&self, tenant: TenantId, scope: Scope, bytes: u64, streams: u32) -> StoreResult<()>;
    /// Forgets a scope: its session has ended.
    async fn forget(&self, tenant: TenantId, scope: Scope) -> StoreResult<()>;
    /// Deletes streams that have expired, at most `limit`; returns how many.
    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64>;
}
