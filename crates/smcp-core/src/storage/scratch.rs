//! Storage in memory, thrown away with its owner: what a trial is given, and what tests compare the real one with.

mod kv;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use smcp_types::TenantId;

use crate::ports::KvRow;

/// Rows of KV namespaces and buckets, in memory.
#[derive(Default)]
pub struct Scratch(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    kv: BTreeMap<(TenantId, String, String), KvRow>,
}

impl Scratch {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// The bytes of a tenant, as its quota counts them.
    fn used(&self, tenant: TenantId) -> u64 {
        self.kv.iter().filter(|((owner, ..), _)| *owner == tenant).map(|(_, row)| kv::bytes(row)).sum()
    }
}
