//! The ports to the rows of buckets. Heads and layouts arrive sealed; content lies among the blobs, in segments.

use async_trait::async_trait;
use smcp_types::{TenantId, UnixMillis};

use super::{Span, StoreResult, Wrote};

/// The id of an object, an upload or a segment: random, never used twice.
pub type StoredId = [u8; 16];

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// Which key of the bucket.
    pub key: String,
    /// Different at every write; bound into what is sealed.
    pub id: StoredId,
    /// Sealed: size, etag, headers, custom metadata.
    pub head: Vec<u8>,
    /// Sealed: the segments that its content lies in. Empty in lists.
    pub layout: Vec<u8>,
}

/// What must hold of the object before a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// It is this one; `None` for no object.
    Same(Option<StoredId>),
}

/// Whose content becomes an object's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// That of a segment; `None` for an empty object.
    Segment(Option<StoredId>),
    /// That of parts of an upload, by their segments; the upload is over then.
    Upload(StoredId, Vec<StoredId>),
}

/// A run of chunks among the blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its id.
    pub id: StoredId,
    /// Its bucket.
    pub bucket: String,
    /// Bytes of content.
    pub bytes: u64,
}

/// A multipart upload that is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Its id.
    pub id: StoredId,
    /// Its bucket.
    pub bucket: String,
    /// The key its object will have.
    pub key: String,
    /// Sealed: headers and custom metadata.
    pub head: Vec<u8>,
    /// When it began.
    pub created_at: UnixMillis,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// 1 to 10,000.
    pub number: u32,
    /// Where its content lies.
    pub segment: StoredId,
    /// Sealed: size and etag.
    pub head: Vec<u8>,
}

/// Rows of objects and of the segments that their content lies in. A segment that an object gives up, by being replaced
/// or removed, is nobody's from that transaction on.
#[async_trait]
pub trait ObjectRows: Send + Sync + 'static {
    /// One object.
    async fn get(&self, tenant: TenantId, bucket: &str, key: &str) -> StoreResult<Option<ObjectRow>>;
    /// Stores an object if what is there is as expected, and gives it its content.
    async fn put(
        &self,
        tenant: TenantId,
        bucket: &str,
        row: &ObjectRow,
        how: (Expected, &Source),
        quota: u64,
    ) -> StoreResult<Wrote>;
    /// Removes objects, those that are there.
    async fn delete(&self, tenant: TenantId, bucket: &str, keys: &[String]) -> StoreResult<()>;
    /// A part of the objects of a bucket.
    async fn list(&self, tenant: TenantId, bucket: &str, span: &Span) -> StoreResult<Vec<ObjectRow>>;
    /// The buckets that have any object, with how many; at most `limit`, in the order of their names.
    async fn buckets(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>>;
    /// Notes a segment that is about to be written and counts its bytes; it is nobody's until an object or a part has it.
    async fn reserve(
        &self,
        tenant: TenantId,
        segment: &SegmentRow,
        now: UnixMillis,
        quota: u64,
    ) -> StoreResult<Wrote>;
    /// Segments that are nobody's: those given up, and those noted at or before `noted`; at most `limit`.
    async fn orphans(&self, tenant: TenantId, noted: UnixMillis, limit: u32) -> StoreResult<Vec<SegmentRow>>;
    /// Forgets a segment that is nobody's: its chunks are gone.
    async fn forget(&self, tenant: TenantId, segment: StoredId) -> StoreResult<()>;
}

/// Rows of multipart uploads.
#[async_trait]
pub trait UploadRows: Send + Sync + 'static {
    /// Adds an upload.
    async fn create(&self, tenant: TenantId, upload: &UploadRow, quota: u64) -> StoreResult<Wrote>;
    /// One upload.
    async fn get(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Option<UploadRow>>;
    /// Adds a part, or puts it in the place of the one with its number; `Changed` when the upload is over.
    async fn put_part(&self, tenant: TenantId, upload: StoredId, part: &PartRow) -> StoreResult<Wrote>;
    /// The parts of an upload, by their numbers.
    async fn parts(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Vec<PartRow>>;
    /// Ends an upload; its parts are nobody's. `false` when it was over.
    async fn abort(&self, tenant: TenantId, upload: StoredId) -> StoreResult<bool>;
    /// Uploads that began at or before this, at most `limit`.
    async fn stale(&self, tenant: TenantId, before: UnixMillis, limit: u32) -> StoreResult<Vec<StoredId>>;
}
