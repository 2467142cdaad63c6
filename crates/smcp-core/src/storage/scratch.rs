//! Storage in memory, thrown away with its owner: what a trial is given, and what tests compare the real one with.

mod kv;
mod objects;
mod sealed;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use smcp_types::{TenantId, UnixMillis};

use crate::ports::{KvRow, ObjectRow, PartRow, SegmentRow, StoredId, UploadRow};

/// Rows of KV namespaces and buckets, in memory.
#[derive(Default)]
pub struct Scratch(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    kv: BTreeMap<(TenantId, String, String), KvRow>,
    objects: BTreeMap<(TenantId, String, String), ObjectRow>,
    segments: BTreeMap<(TenantId, StoredId), Held>,
    uploads: BTreeMap<(TenantId, StoredId), UploadRow>,
    parts: BTreeMap<(TenantId, StoredId, u32), PartRow>,
    blobs: BTreeMap<(TenantId, String), Bytes>,
}

/// A segment and whose it is.
struct Held {
    row: SegmentRow,
    owner: Option<StoredId>,
    upload: Option<StoredId>,
    since: UnixMillis,
}

impl Scratch {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// The bytes of a tenant, as its quota counts them.
    fn used(&self, tenant: TenantId) -> u64 {
        let own = |owner: &TenantId| *owner == tenant;
        let kv = self.kv.iter().filter(|((owner, ..), _)| own(owner)).map(|(_, row)| kv::bytes(row));
        let objects = self.objects.iter().filter(|((owner, ..), _)| own(owner));
        let uploads = self.uploads.iter().filter(|((owner, _), _)| own(owner));
        let segments = self.segments.iter().filter(|((owner, _), _)| own(owner));
        kv.sum::<u64>()
            + objects.map(|(_, row)| objects::bytes(row)).sum::<u64>()
            + uploads.map(|(_, row)| (row.key.len() + row.head.len()) as u64).sum::<u64>()
            + segments.map(|(_, held)| held.row.bytes).sum::<u64>()
    }
}
