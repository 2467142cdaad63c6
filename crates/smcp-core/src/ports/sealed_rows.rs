//! The port to the sealed columns of a tenant's rows, as resealing sees them: a page of them, and one put back.

use async_trait::async_trait;
use smcp_types::TenantId;

use super::{KvRow, ObjectRow, PartRow, SegmentRow, StoreResult, StoredId, UploadRow};

/// A value of a KV namespace by the beginning of its sealed columns, which tells their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvSeal {
    /// Its namespace.
    pub namespace: String,
    /// Which key of it.
    pub key: String,
    /// The beginning of the sealed value.
    pub value: Vec<u8>,
    /// The beginning of the sealed metadata.
    pub metadata: Option<Vec<u8>>,
}

/// A part of an upload, with what its sealed column is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSeal {
    /// Its upload.
    pub upload: StoredId,
    /// The upload's bucket.
    pub bucket: String,
    /// The key its object will have.
    pub key: String,
    /// The part.
    pub part: PartRow,
}

/// A row of a bucket with its sealed columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectSeal {
    /// An object, after its bucket's name.
    Object(String, ObjectRow),
    /// An upload.
    Upload(UploadRow),
    /// A part of an upload.
    Part(PartSeal),
}

/// Sealed columns of all of a tenant's rows, whoever may read them, expired or not. A page is in the order of what it goes on
/// after and is read at once: whoever asks keeps `limit` small.
#[async_trait]
pub trait SealedRows: Send + Sync + 'static {
    /// KV values, after this namespace and key.
    async fn kv(&self, tenant: TenantId, after: Option<(&str, &str)>, limit: u32)
    -> StoreResult<Vec<KvSeal>>;
    /// Objects with their buckets, after this bucket and key.
    async fn objects(
        &self,
        tenant: TenantId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<(String, ObjectRow)>>;
    /// Uploads, after this one.
    async fn uploads(
        &self,
        tenant: TenantId,
        after: Option<StoredId>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>>;
    /// Parts of uploads, after this upload's part of this number.
    async fn parts(
        &self,
        tenant: TenantId,
        after: Option<(StoredId, u32)>,
        limit: u32,
    ) -> StoreResult<Vec<PartSeal>>;
    /// Segments, from this one on, and whether each belongs to an object or an upload.
    async fn segments(
        &self,
        tenant: TenantId,
        from: StoredId,
        limit: u32,
    ) -> StoreResult<Vec<(SegmentRow, bool)>>;
    /// Whether a segment belongs to an object or an upload. One that was given up never does again.
    async fn has_owner(&self, tenant: TenantId, segment: StoredId) -> StoreResult<bool>;
    /// Puts a value in the place of the one that it was made from, which has as many bytes and the same version. `false`, with
    /// nothing changed, when the row is not what it was any more: whoever was faster has used the active key.
    async fn replace_kv(
        &self,
        tenant: TenantId,
        namespace: &str,
        before: &KvRow,
        after: &KvRow,
    ) -> StoreResult<bool>;
    /// The same for a row of a bucket.
    async fn replace(&self, tenant: TenantId, before: &ObjectSeal, after: &ObjectSeal) -> StoreResult<bool>;
}
