//! The port to the rows of KV namespaces. Values and metadata arrive sealed; keys lie in the clear.

use async_trait::async_trait;
use smcp_types::{TenantId, UnixMillis};

use super::StoreResult;

/// A stored value with its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvRow {
    /// Which key of the namespace.
    pub key: String,
    /// Different at every write; bound into what is sealed.
    pub version: u64,
    /// The sealed value.
    pub value: Vec<u8>,
    /// The sealed metadata.
    pub metadata: Option<Vec<u8>>,
    /// When it stops being there.
    pub expires_at: Option<UnixMillis>,
}

/// A stored value as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvSummary {
    /// Which key of the namespace.
    pub key: String,
    /// Its version.
    pub version: u64,
    /// The sealed metadata.
    pub metadata: Option<Vec<u8>>,
    /// When it stops being there.
    pub expires_at: Option<UnixMillis>,
}

/// A part of a list of keys, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Keys that begin with this.
    pub prefix: String,
    /// Keys after this one.
    pub after: Option<String>,
    /// Most keys.
    pub limit: u32,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// It is durable.
    Done,
    /// The tenant would have more bytes than its quota; nothing has changed.
    OverQuota,
    /// The record is not as the writer expected it; nothing has changed.
    Changed,
}

/// Rows of KV namespaces. What has expired by `now` is not there.
#[async_trait]
pub trait KvRows: Send + Sync + 'static {
    /// One value.
    async fn get(
        &self,
        tenant: TenantId,
        namespace: &str,
        key: &str,
        now: UnixMillis,
    ) -> StoreResult<Option<KvRow>>;
    /// Stores a value in the place of the one before. `quota` bounds the bytes of the whole tenant: counted in the same
    /// transaction, so that writers who race cannot exceed it together.
    async fn put(&self, tenant: TenantId, namespace: &str, row: &KvRow, quota: u64) -> StoreResult<Wrote>;
    /// Removes a value, if it is there.
    async fn delete(&self, tenant: TenantId, namespace: &str, key: &str) -> StoreResult<()>;
    /// A part of the keys of a namespace.
    async fn list(
        &self,
        tenant: TenantId,
        namespace: &str,
        span: &Span,
        now: UnixMillis,
    ) -> StoreResult<Vec<KvSummary>>;
    /// The namespaces that have any row, with how many; at most `limit`, in the order of their names.
    async fn namespaces(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>>;
    /// Removes what has expired, at most `limit`; returns how many.
    async fn sweep(&self, tenant: TenantId, now: UnixMillis, limit: u32) -> StoreResult<u64>;
    /// The bytes of all KV values and objects of the tenant, as its quota counts them.
    async fn used(&self, tenant: TenantId) -> StoreResult<u64>;
}
