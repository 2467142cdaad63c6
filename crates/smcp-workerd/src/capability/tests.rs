//! What tests of all bindings share: storage in memory and processes that are none.

use std::sync::Arc;

use smcp_core::{
    ports::{Budgets, Purpose, VersionRef, Workload},
    storage::{Storage, StorageParts, scratch::Scratch},
};
use smcp_manifest::Manifest;
use smcp_testkit::{CountingEntropy, FakeClock, vault};
use smcp_types::{Digest, ServerId, TenantId};

use super::Stores;

pub(super) const ONE: TenantId = TenantId::from_bytes([1; 16]);
pub(super) const TWO: TenantId = TenantId::from_bytes([2; 16]);

/// Stores of two tenants.
pub(super) async fn stores() -> Arc<Stores> {
    let rows = Arc::new(Scratch::default());
    let parts = StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows.clone(),
        blobs: rows,
        sealer: vault(&[ONE, TWO]).await.unwrap(),
        clock: Arc::new(FakeClock::default()),
        entropy: Arc::new(CountingEntropy::default()),
        quota: 1 << 30,
    };
    Arc::new(Stores::new(Arc::new(Storage::new(parts))))
}

/// A process of a tenant.
pub(super) fn workload(tenant: TenantId, purpose: Purpose) -> Arc<Workload> {
    let text = "manifest = 1\nname = \"a\"\nmain = \"index.js\"\ncompatibility_date = \"2026-01-01\"\n";
    let manifest = Manifest::parse(text).unwrap().lock("index.js");
    let version =
        VersionRef { tenant, server: ServerId::from_bytes([3; 16]), digest: Digest::from_bytes([4; 32]) };
    Arc::new(Workload {
        version,
        manifest: Arc::new(manifest),
        purpose,
        networks: Arc::from([]),
        budgets: Budgets::new(),
    })
}
