//! The sealed columns of rows in memory.

use async_trait::async_trait;
use smcp_types::TenantId;

use super::{Held, Scratch};
use crate::{
    ports::{
        KvRow, KvSeal, ObjectRow, ObjectSeal, PartSeal, SealedRows, SegmentRow, StoreResult, StoredId,
        UploadRow,
    },
    vault::SEAL_BYTES,
};

fn beginning(sealed: &[u8]) -> Vec<u8> {
    sealed[..sealed.len().min(SEAL_BYTES)].to_vec()
}

fn is_after(after: Option<(&str, &str)>, name: &str, key: &str) -> bool {
    after.is_none_or(|after| (name, key) > after)
}

fn has_owner(held: &Held) -> bool {
    held.owner.is_some() || held.upload.is_some()
}

/// Puts a value in the place of another, if that is still there.
fn swap<T: PartialEq + Clone>(there: Option<&mut T>, before: &T, after: &T) -> bool {
    there.filter(|there| *there == before).map(|there| after.clone_into(there)).is_some()
}

#[async_trait]
impl SealedRows for Scratch {
    async fn kv(
        &self,
        tenant: TenantId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<KvSeal>> {
        let tables = self.lock();
        let own = tables
            .kv
            .iter()
            .filter(|((owner, namespace, key), _)| *owner == tenant && is_after(after, namespace, key));
        let seals = own.map(|((_, namespace, key), row)| KvSeal {
            namespace: namespace.clone(),
            key: key.clone(),
            value: beginning(&row.value),
            metadata: row.metadata.as_deref().map(beginning),
        });
        Ok(seals.take(limit as usize).collect())
    }

    async fn objects(
        &self,
        tenant: TenantId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<(String, ObjectRow)>> {
        let tables = self.lock();
        let own = tables
            .objects
            .iter()
            .filter(|((owner, bucket, key), _)| *owner == tenant && is_after(after, bucket, key));
        Ok(own.map(|((_, bucket, _), row)| (bucket.clone(), row.clone())).take(limit as usize).collect())
    }

    async fn uploads(
        &self,
        tenant: TenantId,
        after: Option<StoredId>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>> {
        let tables = self.lock();
        let own = tables
            .uploads
            .iter()
            .filter(|((owner, id), _)| *owner == tenant && after.is_none_or(|after| *id > after));
        Ok(own.map(|(_, row)| row.clone()).take(limit as usize).collect())
    }

    async fn parts(
        &self,
        tenant: TenantId,
        after: Option<(StoredId, u32)>,
        limit: u32,
    ) -> StoreResult<Vec<PartSeal>> {
        let tables = self.lock();
        let own = tables.parts.iter().filter(|((owner, upload, number), _)| {
            *owner == tenant && after.is_none_or(|after| (*upload, *number) > after)
        });
        let seals = own.filter_map(|((_, upload, _), part)| {
            let UploadRow { bucket, key, .. } = tables.uploads.get(&(tenant, *upload))?.clone();
            Some(PartSeal { upload: *upload, bucket, key, part: part.clone() })
        });
        Ok(seals.take(limit as usize).collect())
    }

    async fn segments(
        &self,
        tenant: TenantId,
        from: StoredId,
        limit: u32,
    ) -> StoreResult<Vec<(SegmentRow, bool)>> {
        let tables = self.lock();
        let own = tables.segments.range((tenant, from)..=(tenant, [u8::MAX; 16]));
        Ok(own.map(|(_, held)| (held.row.clone(), has_owner(held))).take(limit as usize).collect())
    }

    async fn has_owner(&self, tenant: TenantId, segment: StoredId) -> StoreResult<bool> {
        Ok(self.lock().segments.get(&(tenant, segment)).is_some_and(has_owner))
    }

    async fn replace_kv(
        &self,
        tenant: TenantId,
        namespace: &str,
        before: &KvRow,
        after: &KvRow,
    ) -> StoreResult<bool> {
        let place = (tenant, namespace.to_owned(), before.key.clone());
        Ok(swap(self.lock().kv.get_mut(&place), before, after))
    }

    async fn replace(&self, tenant: TenantId, before: &ObjectSeal, after: &ObjectSeal) -> StoreResult<bool> {
        let mut tables = self.lock();
        Ok(match (before, after) {
            (ObjectSeal::Object(bucket, before), ObjectSeal::Object(_, after)) => {
                let place = (tenant, bucket.clone(), before.key.clone());
                swap(tables.objects.get_mut(&place), before, after)
            }
            (ObjectSeal::Upload(before), ObjectSeal::Upload(after)) => {
                swap(tables.uploads.get_mut(&(tenant, before.id)), before, after)
            }
            (ObjectSeal::Part(before), ObjectSeal::Part(after)) => {
                let place = (tenant, before.upload, before.part.number);
                swap(tables.parts.get_mut(&place), &before.part, &after.part)
            }
            (ObjectSeal::Object(..) | ObjectSeal::Upload(_) | ObjectSeal::Part(_), _) => false,
        })
    }
}
