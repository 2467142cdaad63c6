//! Objects: content under keys, with headers, metadata and conditions, within R2's limits.

mod content;
pub mod head;
mod list;
mod multipart;
mod resealing;

use std::sync::Arc;

use data_encoding::HEXLOWER;
use smcp_types::{Error, Refusal, Result, TenantId};

use super::{Common, Store, kv::too_large};
use crate::ports::{
    Blobs, Expected, HostedBody, Kind, ObjectRow, ObjectRows, Place, SegmentRow, Source, StoredId,
    UploadRows, Wrote,
};
pub(super) use content::Content;
use content::{Hashes, Segment};
use head::{Checksums, Conditions, Head, Labels, Range};

pub use list::{ListObjects, ObjectPage};
pub use multipart::UploadedPart;
pub(super) use resealing::{ObjectContent, ObjectHeads};

/// Most bytes of a key.
pub const MAX_KEY_BYTES: usize = 1024;
/// Most bytes of custom metadata, names and values together; of headers as many again.
pub const MAX_METADATA_BYTES: usize = 8 << 10;
/// Most keys of one delete, and most objects of a page.
pub const MAX_KEYS: usize = 1000;
/// What an upload is told whose parts are too small; R2 has a code for it.
pub const PART_TOO_SMALL: &str = "Your proposed upload is smaller than the minimum allowed object size.";
/// How often a conditional write looks again at an object that others change.
const ATTEMPTS: usize = 8;
/// A segment that nobody has claimed after so long never will be.
const CLAIM_WITHIN_MILLIS: i64 = 3_600_000;
/// An upload that is not complete after so long never will be.
const COMPLETE_WITHIN_MILLIS: i64 = 7 * 24 * 3_600_000;
/// Segments removed in one go.
const COLLECT_AT_ONCE: u32 = 200;

/// An object, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which key of the bucket.
    pub key: String,
    /// Different at every write.
    pub version: String,
    /// What is known of it.
    pub head: Head,
}

/// What became of a request with conditions.
#[derive(Debug)]
pub enum Outcome<T> {
    /// They hold.
    Done(T),
    /// They do not; the object as it is, if there is one.
    Failed(Option<Box<Object>>),
}

/// An object that is being read.
pub struct Reading {
    /// The object.
    pub object: Object,
    /// Offset and length of what is read.
    pub range: (u64, u64),
    /// The bytes.
    pub body: HostedBody,
}

/// An object to be stored.
pub struct NewObject {
    /// What its writer says of it.
    pub labels: Labels,
    /// Hashes that the content must have.
    pub checksums: Checksums,
    /// What must hold of the object before.
    pub conditions: Option<Conditions>,
    /// Bytes of content.
    pub size: u64,
    /// The content.
    pub body: HostedBody,
}

/// The service for objects.
pub struct Objects {
    rows: Arc<dyn ObjectRows>,
    uploads: Arc<dyn UploadRows>,
    content: Content,
    common: Common,
}

impl Objects {
    pub(crate) fn new(
        (rows, uploads, blobs): (Arc<dyn ObjectRows>, Arc<dyn UploadRows>, Arc<dyn Blobs>),
        common: Common,
    ) -> Self {
        let content = Content { blobs, sealer: Arc::clone(&common.sealer) };
        Self { rows, uploads, content, common }
    }

    /// An object without its content.
    ///
    /// # Errors
    /// `Invalid` for a key that cannot be one; `Damaged`; store errors.
    pub async fn head(&self, store: Store<'_>, key: &str) -> Result<Option<Object>> {
        Ok(self.find(store, key).await?.map(|(_, object)| object))
    }

    /// An object, or a range of it, if the conditions hold. `None` when there is none.
    ///
    /// # Errors
    /// As `head`; `Invalid` for a range that does not lie in it.
    pub async fn get(
        &self,
        store: Store<'_>,
        key: &str,
        range: Option<&Range>,
        conditions: Option<&Conditions>,
    ) -> Result<Option<Outcome<Reading>>> {
        let Some((row, object)) = self.find(store, key).await? else { return Ok(None) };
        if conditions.is_some_and(|wanted| !wanted.hold(Some(&object.head))) {
            return Ok(Some(Outcome::Failed(Some(Box::new(object)))));
        }
        let size = object.head.size;
        let range = range.map_or(Some((0, size)), |range| range.within(size));
        let range = range.ok_or_else(|| Error::invalid("The requested range is not satisfiable"))?;
        let place = place(store, Kind::ObjectMetadata, Column::Layout, key, &row.id);
        let layout = self.common.sealer.open(&place.of(), &row.layout).await?;
        let layout: Vec<Segment> = serde_json::from_slice(&layout).map_err(Error::internal)?;
        let body = self.content.read(store, &layout, range);
        Ok(Some(Outcome::Done(Reading { object, range, body })))
    }

    /// Stores an object in the place of the one before, if the conditions hold.
    ///
    /// # Errors
    /// `Invalid` for a key, a length or a hash that is wrong; `TooLarge` by a limit or the tenant's quota; store errors.
    pub async fn put(&self, store: Store<'_>, key: &str, mut new: NewObject) -> Result<Outcome<Object>> {
        check_key(key)?;
        check_labels(&new.labels)?;
        if let Some(failed) = self.refused(store, key, new.conditions.as_ref()).await? {
            return Ok(failed);
        }
        let mut hashes = Hashes::wanted(&new.checksums);
        let segment = self.write(store, new.size, &mut new.body, &mut hashes).await?;
        let checksums = hashes.finish();
        let done = async {
            check_hashes(&new.checksums, &checksums)?;
            let etag = checksums.md5.clone().unwrap_or_default();
            let uploaded = self.common.clock.now().0;
            let head = Head { size: new.size, etag, uploaded, labels: new.labels, checksums };
            let source = Source::Segment(segment.as_ref().map(|segment| segment.id));
            let layout: Vec<Segment> = segment.iter().cloned().collect();
            self.store(store, key, (head, &layout, &source), new.conditions.as_ref()).await
        }
        .await;
        if !matches!(done, Ok(Outcome::Done(_)))
            && let Some(segment) = &segment
        {
            self.discard(store, segment).await;
        }
        self.collect_quietly(store.tenant).await;
        done
    }

    /// Removes objects, those that are there.
    ///
    /// # Errors
    /// `Invalid` for too many or for keys that cannot be some; store errors.
    pub async fn delete(&self, store: Store<'_>, keys: &[String]) -> Result<()> {
        if keys.len() > MAX_KEYS {
            return Err(Error::invalid(format!("a delete has at most {MAX_KEYS} keys")));
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        self.rows.delete(store.tenant, store.name, keys).await?;
        self.collect_quietly(store.tenant).await;
        Ok(())
    }

    /// The buckets of a tenant that hold anything, with how many objects.
    ///
    /// # Errors
    /// Store errors.
    pub async fn buckets(&self, tenant: TenantId) -> Result<Vec<(String, u64)>> {
        Ok(self.rows.buckets(tenant, 1000).await?)
    }

    /// Removes what a killed process or a forgotten upload left of a tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn sweep(&self, tenant: TenantId) -> Result<()> {
        let now = self.common.clock.now();
        let stale = smcp_types::UnixMillis(now.0 - COMPLETE_WITHIN_MILLIS);
        for upload in self.uploads.stale(tenant, stale, COLLECT_AT_ONCE).await? {
            self.uploads.abort(tenant, upload).await?;
        }
        self.collect(tenant, smcp_types::UnixMillis(now.0 - CLAIM_WITHIN_MILLIS)).await
    }

    async fn find(&self, store: Store<'_>, key: &str) -> Result<Option<(ObjectRow, Object)>> {
        check_key(key)?;
        let Some(row) = self.rows.get(store.tenant, store.name, key).await? else { return Ok(None) };
        let object = self.open(store, &row).await?;
        Ok(Some((row, object)))
    }

    async fn open(&self, store: Store<'_>, row: &ObjectRow) -> Result<Object> {
        let place = place(store, Kind::ObjectMetadata, Column::Head, &row.key, &row.id);
        let head = self.common.sealer.open(&place.of(), &row.head).await?;
        let head = serde_json::from_slice(&head).map_err(Error::internal)?;
        Ok(Object { key: row.key.clone(), version: HEXLOWER.encode(&row.id), head })
    }

    /// The outcome for conditions that do not hold, if they do not.
    async fn refused(
        &self,
        store: Store<'_>,
        key: &str,
        conditions: Option<&Conditions>,
    ) -> Result<Option<Outcome<Object>>> {
        let Some(conditions) = conditions else { return Ok(None) };
        let object = self.head(store, key).await?;
        let holds = conditions.hold(object.as_ref().map(|object| &object.head));
        Ok((!holds).then_some(Outcome::Failed(object.map(Box::new))))
    }

    /// Writes the row; with conditions, only over the very object that they held for.
    async fn store(
        &self,
        store: Store<'_>,
        key: &str,
        (head, layout, source): (Head, &[Segment], &Source),
        conditions: Option<&Conditions>,
    ) -> Result<Outcome<Object>> {
        let id = self.new_id();
        let json = |value: std::result::Result<Vec<u8>, serde_json::Error>| value.map_err(Error::internal);
        let sealer = &self.common.sealer;
        let at = place(store, Kind::ObjectMetadata, Column::Head, key, &id);
        let sealed_head = sealer.seal(&at.of(), &json(serde_json::to_vec(&head))?).await?;
        let at = place(store, Kind::ObjectMetadata, Column::Layout, key, &id);
        let layout = sealer.seal(&at.of(), &json(serde_json::to_vec(layout))?).await?;
        let row = ObjectRow { key: key.to_owned(), id, head: sealed_head, layout };
        for _ in 0..ATTEMPTS {
            let expected = match conditions {
                None => Expected::Any,
                Some(conditions) => {
                    let found = self.find(store, key).await?;
                    let object = found.as_ref().map(|(_, object)| object);
                    if !conditions.hold(object.map(|object| &object.head)) {
                        return Ok(Outcome::Failed(found.map(|(_, object)| Box::new(object))));
                    }
                    Expected::Same(found.map(|(row, _)| row.id))
                }
            };
            let how = (expected, source);
            match self.rows.put(store.tenant, store.name, &row, how, self.common.quota).await? {
                Wrote::Changed if conditions.is_some() => {}
                wrote => {
                    self.common.written(wrote)?;
                    let version = HEXLOWER.encode(&id);
                    return Ok(Outcome::Done(Object { key: key.to_owned(), version, head }));
                }
            }
        }
        self.common.written(Wrote::Changed)?;
        Err(Error::internal("a write was neither done nor refused"))
    }

    /// Writes content as a segment that is nobody's yet; `None` for no content.
    async fn write(
        &self,
        store: Store<'_>,
        size: u64,
        body: &mut HostedBody,
        hashes: &mut Hashes,
    ) -> Result<Option<Segment>> {
        let segment = Segment { id: self.new_id(), size };
        if size > 0 {
            self.reserve(store, &segment).await?;
        }
        if let Err(error) = self.content.write(store, &segment, body, hashes).await {
            self.discard(store, &segment).await;
            return Err(error);
        }
        Ok((size > 0).then_some(segment))
    }

    /// Notes a segment that is nobody's yet, and what it takes of the quota.
    async fn reserve(&self, store: Store<'_>, segment: &Segment) -> Result<()> {
        let row = SegmentRow { id: segment.id, bucket: store.name.to_owned(), bytes: segment.size };
        let now = self.common.clock.now();
        let wrote = self.rows.reserve(store.tenant, &row, now, self.common.quota).await?;
        self.common.written(wrote)
    }

    /// Removes a segment that nobody got. What fails here is left for the sweep.
    async fn discard(&self, store: Store<'_>, segment: &Segment) {
        let removed = self.content.remove(store, segment.id, segment.size).await;
        let forgotten = match removed {
            Ok(()) => self.rows.forget(store.tenant, segment.id).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            tracing::warn!(tenant.id = %store.tenant, %error, "content that nobody has is left for the sweep");
        }
    }

    /// Removes segments that were given up.
    async fn collect_quietly(&self, tenant: TenantId) {
        // Nothing was noted before 1970: only what was given up.
        if let Err(error) = self.collect(tenant, smcp_types::UnixMillis(0)).await {
            tracing::warn!(tenant.id = %tenant, %error, "replaced content is left for the sweep");
        }
    }

    async fn collect(&self, tenant: TenantId, noted: smcp_types::UnixMillis) -> Result<()> {
        loop {
            let orphans = self.rows.orphans(tenant, noted, COLLECT_AT_ONCE).await?;
            let last = orphans.len() < COLLECT_AT_ONCE as usize;
            for SegmentRow { id, bucket, bytes } in orphans {
                self.content.remove(Store { tenant, name: &bucket }, id, bytes).await?;
                self.rows.forget(tenant, id).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    fn new_id(&self) -> StoredId {
        let mut id = [0; 16];
        self.common.entropy.fill(&mut id);
        id
    }
}

/// Which of an object's sealed columns.
#[derive(Clone, Copy)]
enum Column {
    Head,
    Layout,
    Upload,
    Segment,
}

/// A `Place` with what it borrows.
struct Sealed<'a> {
    store: Store<'a>,
    kind: Kind,
    namespace: String,
    key: &'a str,
    version: u64,
}

impl Sealed<'_> {
    fn of(&self) -> Place<'_> {
        let Self { store, kind, namespace, key, version } = self;
        Place { tenant: store.tenant, kind: *kind, namespace, key, version: *version }
    }
}

fn place<'a>(store: Store<'a>, kind: Kind, part: Column, key: &'a str, id: &StoredId) -> Sealed<'a> {
    let part = match part {
        Column::Head => "head",
        Column::Layout => "layout",
        Column::Upload => "upload",
        Column::Segment => "part",
    };
    // A bucket's name has no `/`. Half of a random id is as good as all of it to tell versions apart.
    let half = u64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]]);
    Sealed { store, kind, namespace: format!("{}/{part}", store.name), key, version: half }
}

fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(Error::invalid(format!("an object's key has 1 to {MAX_KEY_BYTES} bytes")));
    }
    Ok(())
}

/// Whether what a writer says of an object is within the limits.
///
/// # Errors
/// `TooLarge`.
pub fn check_labels(labels: &Labels) -> Result<()> {
    let custom: usize = labels.custom.iter().map(|field| field.k.len() + field.v.len()).sum();
    let http = &labels.http;
    let fields = [
        &http.content_type,
        &http.content_language,
        &http.content_disposition,
        &http.content_encoding,
        &http.cache_control,
        &http.cache_expiry,
    ];
    let http: usize = fields.iter().map(|field| field.as_ref().map_or(0, String::len)).sum();
    if custom > MAX_METADATA_BYTES || http > MAX_METADATA_BYTES {
        return Err(too_large("an object's metadata", MAX_METADATA_BYTES));
    }
    Ok(())
}

fn check_hashes(given: &Checksums, made: &Checksums) -> Result<()> {
    let pairs = [
        ("MD5", &given.md5, &made.md5),
        ("SHA-1", &given.sha1, &made.sha1),
        ("SHA-256", &given.sha256, &made.sha256),
        ("SHA-384", &given.sha384, &made.sha384),
        ("SHA-512", &given.sha512, &made.sha512),
    ];
    for (name, given, made) in pairs {
        let Some(given) = given else { continue };
        let made = made.as_deref().unwrap_or_default();
        if !made.eq_ignore_ascii_case(given) {
            return Err(Error::Conflict(Refusal::new(format!(
                "The {name} checksum you specified did not match what we received.\nYou provided a {name} checksum \
                 with value: {given}\nActual {name} was: {made}"
            ))));
        }
    }
    Ok(())
}
