//! Uploads in parts.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use smcp_types::{Error, Result};

use super::{
    Column, Hashes, Objects, Outcome, PART_TOO_SMALL, Segment, check_key, check_labels,
    head::{Checksums, Head, Labels},
    place,
};
use crate::{
    ports::{HostedBody, Kind, PartRow, Source, StoredId, UploadRow, Wrote},
    storage::{Store, over_quota},
};

/// Most parts of an upload.
const MAX_PARTS: u32 = 10_000;
/// Fewest bytes of a part that is not the last.
const MIN_PART_BYTES: u64 = 5 << 20;

/// A part that an upload shall be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedPart {
    /// Its number.
    pub number: u32,
    /// What its upload was answered with.
    pub etag: String,
}

/// What is sealed of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PartHead {
    size: u64,
    etag: String,
}

impl Objects {
    /// Begins an upload.
    ///
    /// # Errors
    /// As `put`.
    pub async fn create_upload(&self, store: Store<'_>, key: &str, labels: &Labels) -> Result<String> {
        check_key(key)?;
        check_labels(labels)?;
        let id = self.new_id();
        let at = place(store, Kind::ObjectMetadata, Column::Upload, key, &id);
        let head = serde_json::to_vec(labels).map_err(Error::internal)?;
        let head = self.common.sealer.seal(&at.of(), &head).await?;
        let (bucket, key) = (store.name.to_owned(), key.to_owned());
        let row = UploadRow { id, bucket, key, head, created_at: self.common.clock.now() };
        let wrote = self.uploads.create(store.tenant, &row, self.common.quota).await?;
        self.common.written(wrote)?;
        Ok(HEXLOWER.encode(&id))
    }

    /// Stores a part; the answer is its etag.
    ///
    /// # Errors
    /// `NotFound` for an upload that is none of this key or over; as `put`.
    pub async fn put_part(
        &self,
        store: Store<'_>,
        key: &str,
        (upload, number): (&str, u32),
        (size, mut body): (u64, HostedBody),
    ) -> Result<String> {
        if number == 0 || number > MAX_PARTS {
            return Err(Error::invalid(format!("a part has a number of 1 to {MAX_PARTS}")));
        }
        let upload = self.upload(store, key, upload).await?;
        let mut hashes = Hashes::wanted(&Checksums::default());
        let segment = match self.write(store, size, &mut body, &mut hashes).await? {
            Some(segment) => segment,
            None => {
                // A part is a segment, also without content.
                let segment = Segment { id: self.new_id(), size: 0 };
                self.reserve(store, &segment).await?;
                segment
            }
        };
        let etag = hashes.finish().md5.unwrap_or_default();
        let done = async {
            let head = serde_json::to_vec(&PartHead { size, etag: etag.clone() }).map_err(Error::internal)?;
            let at = place(store, Kind::ObjectMetadata, Column::Segment, key, &segment.id);
            let head = self.common.sealer.seal(&at.of(), &head).await?;
            let part = PartRow { number, segment: segment.id, head };
            match self.uploads.put_part(store.tenant, upload.id, &part).await? {
                Wrote::Done => Ok(etag),
                Wrote::Changed => Err(Error::NotFound("upload")),
                Wrote::OverQuota => Err(over_quota(self.common.quota)),
            }
        }
        .await;
        if done.is_err() {
            self.discard(store, &segment).await;
        }
        self.collect_quietly(store.tenant).await;
        done
    }

    /// Makes an object of parts.
    ///
    /// # Errors
    /// `NotFound` for an upload that is none of this key or over, and for parts that are not there or not in order;
    /// `Invalid` for parts that are too small or not of one size.
    pub async fn complete_upload(
        &self,
        store: Store<'_>,
        key: &str,
        upload: &str,
        parts: &[UploadedPart],
    ) -> Result<Outcome<super::Object>> {
        let upload = self.upload(store, key, upload).await?;
        if parts.is_empty() || parts.len() > MAX_PARTS as usize {
            return Err(Error::invalid(format!("an upload has 1 to {MAX_PARTS} parts")));
        }
        let at = place(store, Kind::ObjectMetadata, Column::Upload, key, &upload.id);
        let labels = self.common.sealer.open(&at.of(), &upload.head).await?;
        let labels: Labels = serde_json::from_slice(&labels).map_err(Error::internal)?;
        let stored = self.uploads.parts(store.tenant, upload.id).await?;
        let (mut layout, mut hash) = (Vec::with_capacity(parts.len()), Md5::new());
        let mut before = 0;
        for part in parts {
            let missing = || Error::NotFound("part");
            if part.number <= before {
                return Err(missing());
            }
            before = part.number;
            let found = stored.binary_search_by_key(&part.number, |row| row.number).map_err(|_| missing())?;
            let row = &stored[found];
            let at = place(store, Kind::ObjectMetadata, Column::Segment, key, &row.segment);
            let head = self.common.sealer.open(&at.of(), &row.head).await?;
            let head: PartHead = serde_json::from_slice(&head).map_err(Error::internal)?;
            if head.etag != part.etag {
                return Err(missing());
            }
            hash.update(HEXLOWER.decode(head.etag.as_bytes()).map_err(Error::internal)?);
            layout.push(Segment { id: row.segment, size: head.size });
        }
        check_sizes(&layout)?;
        let head = Head {
            size: layout.iter().map(|segment| segment.size).sum(),
            etag: format!("{}-{}", HEXLOWER.encode(&hash.finalize()), parts.len()),
            uploaded: self.common.clock.now().0,
            labels,
            checksums: Checksums::default(),
        };
        let source = Source::Upload(upload.id, layout.iter().map(|segment| segment.id).collect());
        let done = self.store(store, key, (head, &layout, &source), None).await;
        self.collect_quietly(store.tenant).await;
        done
    }

    /// Ends an upload and removes its parts. One that is over stays so.
    ///
    /// # Errors
    /// `NotFound` for what cannot be an upload of this key; store errors.
    pub async fn abort_upload(&self, store: Store<'_>, key: &str, upload: &str) -> Result<()> {
        match self.upload(store, key, upload).await {
            Ok(upload) => {
                self.uploads.abort(store.tenant, upload.id).await?;
                self.collect_quietly(store.tenant).await;
                Ok(())
            }
            Err(Error::NotFound(_)) if upload_id(upload).is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn upload(&self, store: Store<'_>, key: &str, upload: &str) -> Result<UploadRow> {
        check_key(key)?;
        let id = upload_id(upload).ok_or(Error::NotFound("upload"))?;
        let found = self.uploads.get(store.tenant, id).await?;
        found.filter(|row| row.bucket == store.name && row.key == key).ok_or(Error::NotFound("upload"))
    }
}

fn upload_id(text: &str) -> Option<StoredId> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn check_sizes(layout: &[Segment]) -> Result<()> {
    let Some((last, others)) = layout.split_last() else { return Ok(()) };
    let Some(first) = others.first() else { return Ok(()) };
    if first.size < MIN_PART_BYTES {
        return Err(Error::invalid(PART_TOO_SMALL));
    }
    if others.iter().any(|segment| segment.size != first.size) || last.size > first.size {
        return Err(Error::invalid("all parts but the last have one size, and the last no greater one"));
    }
    Ok(())
}
