//! KV namespaces and buckets in memory.

use std::sync::Arc;

use smcp_core::{
    ports::{Clock, Entropy, Sealer},
    storage::{Storage, StorageParts, scratch::Scratch},
};

/// Most bytes of a tenant.
const QUOTA: u64 = 1 << 20;

/// Storage that ends with the test.
#[must_use]
pub fn memory_storage(
    sealer: Arc<dyn Sealer>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Arc<Storage> {
    let rows = Arc::new(Scratch::default());
    Arc::new(Storage::new(StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows.clone(),
        blobs: rows,
        sealer,
        clock,
        entropy,
        quota: QUOTA,
    }))
}
