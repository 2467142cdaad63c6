//! Content of objects: sealed chunks of 1 MiB among the blobs. Never more than one chunk of a request is in memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use futures_util::{StreamExt as _, stream};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use smcp_types::{Error, Result, TenantId};

use super::head::Checksums;
use crate::{
    ports::{Blobs, HostedBody, Kind, Place, Sealer, StoredId},
    storage::Store,
    vault::SEAL_BYTES,
};

/// Bytes of a chunk in the clear.
pub(super) const CHUNK: u64 = 1 << 20;

/// A run of chunks that belongs to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) id: StoredId,
    pub(super) size: u64,
}

/// Where chunks lie and how they are sealed.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) sealer: Arc<dyn Sealer>,
}

/// The hashes of content that goes by.
pub(super) struct Hashes {
    md5: Md5,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
    sha384: Option<sha2::Sha384>,
    sha512: Option<sha2::Sha512>,
}

impl Hashes {
    /// MD5, and those that were given to be checked.
    pub(super) fn wanted(given: &Checksums) -> Self {
        Self {
            md5: Md5::new(),
            sha1: given.sha1.as_ref().map(|_| sha1::Sha1::new()),
            sha256: given.sha256.as_ref().map(|_| sha2::Sha256::new()),
            sha384: given.sha384.as_ref().map(|_| sha2::Sha384::new()),
            sha512: given.sha512.as_ref().map(|_| sha2::Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.iter_mut().for_each(|hash| hash.update(bytes));
        self.sha256.iter_mut().for_each(|hash| hash.update(bytes));
        self.sha384.iter_mut().for_each(|hash| hash.update(bytes));
        self.sha512.iter_mut().for_each(|hash| hash.update(bytes));
    }

    pub(super) fn finish(self) -> Checksums {
        Checksums {
            md5: Some(HEXLOWER.encode(&self.md5.finalize())),
            sha1: self.sha1.map(|hash| HEXLOWER.encode(&hash.finalize())),
            sha256: self.sha256.map(|hash| HEXLOWER.encode(&hash.finalize())),
            sha384: self.sha384.map(|hash| HEXLOWER.encode(&hash.finalize())),
            sha512: self.sha512.map(|hash| HEXLOWER.encode(&hash.finalize())),
        }
    }
}

/// How many chunks content of this size has.
pub(super) const fn chunks(size: u64) -> u64 {
    size.div_ceil(CHUNK)
}

fn name(bucket: &str, segment: &str, number: u64) -> String {
    format!("objects/{bucket}/{segment}-{number}")
}

impl Content {
    /// Writes a segment from a body that must have exactly its size.
    pub(super) async fn write(
        &self,
        store: Store<'_>,
        segment: &Segment,
        body: &mut HostedBody,
        hashes: &mut Hashes,
    ) -> Result<()> {
        let id = HEXLOWER.encode(&segment.id);
        let wrong = || Error::invalid("the content is not as long as announced");
        let (mut left, mut number, mut pending) = (segment.size, 0, BytesMut::new());
        while left > 0 {
            let want = usize::try_from(left.min(CHUNK)).map_err(Error::internal)?;
            while pending.len() < want {
                pending.extend_from_slice(&body.next().await.ok_or_else(wrong)??);
                if pending.len() as u64 > left {
                    return Err(wrong());
                }
            }
            let chunk = pending.split_to(want);
            hashes.update(&chunk);
            let sealed = self.sealer.seal(&place(store, &id, number), &chunk).await?;
            self.blobs.put(store.tenant, &name(store.name, &id, number), sealed.into()).await?;
            (left, number) = (left - want as u64, number + 1);
        }
        while let Some(more) = body.next().await {
            if !more?.is_empty() {
                return Err(wrong());
            }
        }
        Ok(())
    }

    /// Removes the chunks of a segment, those that are there.
    pub(super) async fn remove(&self, store: Store<'_>, id: StoredId, size: u64) -> Result<()> {
        for number in 0..chunks(size) {
            self.remove_chunk(store, id, number).await?;
        }
        Ok(())
    }

    /// Removes one chunk, if it is there.
    pub(super) async fn remove_chunk(&self, store: Store<'_>, id: StoredId, number: u64) -> Result<()> {
        Ok(self.blobs.delete(store.tenant, &name(store.name, &HEXLOWER.encode(&id), number)).await?)
    }

    /// The beginning of a chunk, which tells its key; `None` when the chunk is not there.
    pub(super) async fn seal_of(&self, store: Store<'_>, id: StoredId, number: u64) -> Result<Option<Bytes>> {
        let blob = name(store.name, &HEXLOWER.encode(&id), number);
        Ok(self.blobs.beginning(store.tenant, &blob, SEAL_BYTES).await?)
    }

    /// Seals a chunk anew under the active key; `false` when it is not there. What is in a chunk never changes.
    pub(super) async fn reseal(&self, store: Store<'_>, id: StoredId, number: u64) -> Result<bool> {
        let id = HEXLOWER.encode(&id);
        let (blob, place) = (name(store.name, &id, number), place(store, &id, number));
        let Some(sealed) = self.blobs.get(store.tenant, &blob).await? else { return Ok(false) };
        let plain = self.sealer.open(&place, &sealed).await?;
        let sealed = self.sealer.seal(&place, &plain).await?;
        self.blobs.put(store.tenant, &blob, sealed.into()).await?;
        Ok(true)
    }

    /// A range of the content that lies in these segments.
    pub(super) fn read(
        &self,
        store: Store<'_>,
        layout: &[Segment],
        (offset, length): (u64, u64),
    ) -> HostedBody {
        let reading = Reading {
            content: self.clone(),
            tenant: store.tenant,
            bucket: store.name.to_owned(),
            layout: layout.to_vec(),
            at: offset,
            end: offset.saturating_add(length),
        };
        Box::pin(stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(reading))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// How far a read is.
struct Reading {
    content: Content,
    tenant: TenantId,
    bucket: String,
    layout: Vec<Segment>,
    at: u64,
    end: u64,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let mut start = 0;
        let found = self.layout.iter().find(|segment| {
            let here = self.at < start + segment.size;
            if !here {
                start += segment.size;
            }
            here
        });
        let segment = found.ok_or_else(|| Error::internal("an object is shorter than it says"))?;
        let inside = self.at - start;
        let number = inside / CHUNK;
        let id = HEXLOWER.encode(&segment.id);
        let store = Store { tenant: self.tenant, name: &self.bucket };
        let blob = name(&self.bucket, &id, number);
        let sealed = self.content.blobs.get(self.tenant, &blob).await?;
        let sealed = sealed.ok_or_else(|| {
            let refusal =
                smcp_types::Refusal::new("a piece of the object is missing: it was replaced or is damaged");
            Error::Damaged(refusal.private(format_args!("blob {blob} of tenant {}", self.tenant)))
        })?;
        let plain = self.content.sealer.open(&place(store, &id, number), &sealed).await?;
        let expected = (segment.size - number * CHUNK).min(CHUNK);
        if plain.len() as u64 != expected {
            return Err(Error::internal(format_args!("blob {blob} has another size than its object says")));
        }
        let from = inside % CHUNK;
        let length = (expected - from).min(self.end - self.at);
        let range = usize::try_from(from).ok().zip(usize::try_from(from + length).ok());
        let (from, to) = range.ok_or_else(|| Error::internal("a chunk beyond memory"))?;
        self.at += length;
        Ok(Some(Bytes::copy_from_slice(&plain[from..to])))
    }
}

fn place<'a>(store: Store<'a>, segment: &'a str, number: u64) -> Place<'a> {
    Place {
        tenant: store.tenant,
        kind: Kind::ObjectChunk,
        namespace: store.name,
        key: segment,
        version: number,
    }
}
