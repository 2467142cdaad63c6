//! Objects, uploads and blobs in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use smcp_types::{TenantId, UnixMillis};

use super::{Held, Scratch, Tables};
use crate::ports::{
    Blobs, Expected, ObjectRow, ObjectRows, PartRow, SegmentRow, Source, Span, StoreResult, StoredId,
    UploadRow, UploadRows, Wrote,
};

/// What a row takes of the quota: the same sum as in SQL.
pub(super) fn bytes(row: &ObjectRow) -> u64 {
    (row.key.len() + row.head.len() + row.layout.len()) as u64
}

impl Tables {
    /// Gives up the segments of an object.
    fn release(&mut self, tenant: TenantId, object: StoredId) {
        let held = self.segments.iter_mut().filter(|((owner, _), _)| *owner == tenant).map(|(_, held)| held);
        held.filter(|held| held.owner == Some(object)).for_each(|held| {
            (held.owner, held.since) = (None, UnixMillis(0));
        });
    }

    /// Ends an upload and gives up the segments of its parts.
    fn end(&mut self, tenant: TenantId, upload: StoredId) -> bool {
        self.parts.retain(|(owner, of, _), _| (*owner, *of) != (tenant, upload));
        let held = self.segments.iter_mut().filter(|((owner, _), _)| *owner == tenant).map(|(_, held)| held);
        held.filter(|held| held.upload == Some(upload)).for_each(|held| {
            (held.upload, held.since) = (None, UnixMillis(0));
        });
        self.uploads.remove(&(tenant, upload)).is_some()
    }

    fn is_nobodys(&self, tenant: TenantId, segment: StoredId) -> bool {
        self.segments
            .get(&(tenant, segment))
            .is_some_and(|held| held.owner.is_none() && held.upload.is_none())
    }

    /// Whether all an object shall be made of can be had.
    fn can_claim(&self, tenant: TenantId, source: &Source) -> bool {
        match source {
            Source::Segment(segment) => segment.is_none_or(|segment| self.is_nobodys(tenant, segment)),
            Source::Upload(upload, segments) => {
                let parts = self.parts.range((tenant, *upload, 0)..=(tenant, *upload, u32::MAX));
                let there: Vec<_> = parts.map(|(_, part)| part.segment).collect();
                segments.iter().all(|segment| there.contains(segment))
            }
        }
    }

    fn claim(&mut self, tenant: TenantId, source: &Source, object: StoredId) {
        let segments = match source {
            Source::Segment(segment) => segment.as_slice(),
            Source::Upload(_, segments) => segments,
        };
        for segment in segments {
            if let Some(held) = self.segments.get_mut(&(tenant, *segment)) {
                (held.owner, held.upload) = (Some(object), None);
            }
        }
        if let Source::Upload(upload, _) = source {
            self.end(tenant, *upload);
        }
    }
}

#[async_trait]
impl ObjectRows for Scratch {
    async fn get(&self, tenant: TenantId, bucket: &str, key: &str) -> StoreResult<Option<ObjectRow>> {
        Ok(self.lock().objects.get(&(tenant, bucket.to_owned(), key.to_owned())).cloned())
    }

    async fn put(
        &self,
        tenant: TenantId,
        bucket: &str,
        row: &ObjectRow,
        (expected, source): (Expected, &Source),
        quota: u64,
    ) -> StoreResult<Wrote> {
        let mut tables = self.lock();
        let place = (tenant, bucket.to_owned(), row.key.clone());
        let before = tables.objects.get(&place).map(|row| (row.id, bytes(row)));
        let fits = match expected {
            Expected::Any => true,
            Expected::Same(id) => id == before.map(|(id, _)| id),
        };
        if !fits || !tables.can_claim(tenant, source) {
            return Ok(Wrote::Changed);
        }
        let used = tables.used(tenant);
        let after = used - before.map_or(0, |(_, bytes)| bytes) + bytes(row);
        if after > quota && after > used {
            return Ok(Wrote::OverQuota);
        }
        if let Some((id, _)) = before {
            tables.release(tenant, id);
        }
        tables.objects.insert(place, row.clone());
        tables.claim(tenant, source, row.id);
        Ok(Wrote::Done)
    }

    async fn delete(&self, tenant: TenantId, bucket: &str, keys: &[String]) -> StoreResult<()> {
        let mut tables = self.lock();
        for key in keys {
            if let Some(row) = tables.objects.remove(&(tenant, bucket.to_owned(), key.clone())) {
                tables.release(tenant, row.id);
            }
        }
        Ok(())
    }

    async fn list(&self, tenant: TenantId, bucket: &str, span: &Span) -> StoreResult<Vec<ObjectRow>> {
        let tables = self.lock();
        let wanted = tables.objects.iter().filter(|((owner, name, key), _)| {
            (*owner, name.as_str()) == (tenant, bucket)
                && key.starts_with(&span.prefix)
                && span.after.as_ref().is_none_or(|after| key > after)
        });
        let shown = wanted.map(|(_, row)| ObjectRow { layout: Vec::new(), ..row.clone() });
        Ok(shown.take(span.limit as usize).collect())
    }

    async fn buckets(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>> {
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        let tables = self.lock();
        let own = tables.objects.keys().filter(|(owner, ..)| *owner == tenant);
        own.for_each(|(_, bucket, _)| *found.entry(bucket.clone()).or_default() += 1);
        Ok(found.into_iter().take(limit as usize).collect())
    }

    async fn reserve(
        &self,
        tenant: TenantId,
        segment: &SegmentRow,
        now: UnixMillis,
        quota: u64,
    ) -> StoreResult<Wrote> {
        let mut tables = self.lock();
        if tables.used(tenant) + segment.bytes > quota {
            return Ok(Wrote::OverQuota);
        }
        let held = Held { row: segment.clone(), owner: None, upload: None, since: now };
        tables.segments.insert((tenant, segment.id), held);
        Ok(Wrote::Done)
    }

    async fn orphans(&self, tenant: TenantId, noted: UnixMillis, limit: u32) -> StoreResult<Vec<SegmentRow>> {
        let tables = self.lock();
        let own = tables.segments.iter().filter(|((owner, _), _)| *owner == tenant).map(|(_, held)| held);
        let orphans = own.filter(|held| held.owner.is_none() && held.upload.is_none() && held.since <= noted);
        Ok(orphans.map(|held| held.row.clone()).take(limit as usize).collect())
    }

    async fn forget(&self, tenant: TenantId, segment: StoredId) -> StoreResult<()> {
        let mut tables = self.lock();
        if tables.is_nobodys(tenant, segment) {
            tables.segments.remove(&(tenant, segment));
        }
        Ok(())
    }
}

#[async_trait]
impl UploadRows for Scratch {
    async fn create(&self, tenant: TenantId, upload: &UploadRow, quota: u64) -> StoreResult<Wrote> {
        let mut tables = self.lock();
        if tables.used(tenant) + (upload.key.len() + upload.head.len()) as u64 > quota {
            return Ok(Wrote::OverQuota);
        }
        tables.uploads.insert((tenant, upload.id), upload.clone());
        Ok(Wrote::Done)
    }

    async fn get(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Option<UploadRow>> {
        Ok(self.lock().uploads.get(&(tenant, upload)).cloned())
    }

    async fn put_part(&self, tenant: TenantId, upload: StoredId, part: &PartRow) -> StoreResult<Wrote> {
        let mut tables = self.lock();
        if !tables.uploads.contains_key(&(tenant, upload)) || !tables.is_nobodys(tenant, part.segment) {
            return Ok(Wrote::Changed);
        }
        let before = tables.parts.insert((tenant, upload, part.number), part.clone());
        if let Some(held) = before.and_then(|old| tables.segments.get_mut(&(tenant, old.segment))) {
            (held.upload, held.since) = (None, UnixMillis(0));
        }
        if let Some(held) = tables.segments.get_mut(&(tenant, part.segment)) {
            held.upload = Some(upload);
        }
        Ok(Wrote::Done)
    }

    async fn parts(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Vec<PartRow>> {
        let tables = self.lock();
        let parts = tables.parts.range((tenant, upload, 0)..=(tenant, upload, u32::MAX));
        Ok(parts.map(|(_, part)| part.clone()).collect())
    }

    async fn abort(&self, tenant: TenantId, upload: StoredId) -> StoreResult<bool> {
        Ok(self.lock().end(tenant, upload))
    }

    async fn stale(&self, tenant: TenantId, before: UnixMillis, limit: u32) -> StoreResult<Vec<StoredId>> {
        let tables = self.lock();
        let own =
            tables.uploads.iter().filter(|((owner, _), row)| *owner == tenant && row.created_at <= before);
        Ok(own.map(|((_, id), _)| *id).take(limit as usize).collect())
    }
}

#[async_trait]
impl Blobs for Scratch {
    async fn put(&self, tenant: TenantId, name: &str, bytes: Bytes) -> StoreResult<()> {
        self.lock().blobs.insert((tenant, name.to_owned()), bytes);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, name: &str) -> StoreResult<Option<Bytes>> {
        Ok(self.lock().blobs.get(&(tenant, name.to_owned())).cloned())
    }

    async fn delete(&self, tenant: TenantId, name: &str) -> StoreResult<()> {
        self.lock().blobs.remove(&(tenant, name.to_owned()));
        Ok(())
    }
}
