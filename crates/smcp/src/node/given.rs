//! What hosted code is given: storage, databases, folders of objects, and the services that stand for them.

use std::sync::Arc;

use smcp_core::{
    ports::{Blobs, Clock, Entropy, Outbound, Sealer},
    storage::{Storage, StorageParts},
};
use smcp_sql::DataStore;
use smcp_types::{Error, Refusal, Result};
use smcp_workerd::{
    Trash,
    capability::{self, Services, d1::D1Service, kv::KvService, objects::ObjectsService},
    sandbox::Sandbox,
    sql::{SqlDatabases, SqlLimits},
    state::StateFolders,
};

use super::{data::DataDir, tenants::TenantFiles};

/// Storage for hosted code, in the tenants' own databases and the object folder.
pub(super) fn storage(
    files: &Arc<TenantFiles>,
    blobs: &Arc<dyn Blobs>,
    (sealer, clock, entropy): (Arc<dyn Sealer>, Arc<dyn Clock>, Arc<dyn Entropy>),
    quota: u64,
) -> Arc<Storage> {
    let rows = Arc::new(DataStore::new(Arc::clone(files)));
    Arc::new(Storage::new(StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows,
        blobs: Arc::clone(blobs),
        sealer,
        clock,
        entropy,
        quota,
    }))
}

/// SQL databases for hosted code, in the tenants' own folders.
pub(super) fn databases(
    data: &DataDir,
    (sandbox, trash): (&Arc<Sandbox>, &Trash),
    clock: &Arc<dyn Clock>,
    quota: u64,
) -> Result<SqlDatabases> {
    let (sandbox, clock) = (Arc::clone(sandbox), Arc::clone(clock));
    let limits = SqlLimits { quota, ..SqlLimits::default() };
    SqlDatabases::new(data.join("tenants"), limits, (sandbox, trash.clone()), clock).map_err(|error| {
        let message =
            format!("this program cannot be started in the sandbox to serve SQL databases: {error}");
        Error::Unavailable(Refusal::new(message))
    })
}

/// Folders of Durable Objects, in the tenants' own.
pub(super) fn state_folders(
    data: &DataDir,
    (sandbox, trash): (&Arc<Sandbox>, &Trash),
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    quota: u64,
) -> Result<Arc<StateFolders>> {
    let (sandbox, clock, entropy) = (Arc::clone(sandbox), Arc::clone(clock), Arc::clone(entropy));
    let folders = (data.join("tenants"), trash.clone());
    StateFolders::new(folders, quota, sandbox, clock, entropy).map(Arc::new).map_err(|error| {
        let message = format!("this program cannot be started in the sandbox to read alarms: {error}");
        Error::Unavailable(Refusal::new(message))
    })
}

/// What hosted code may use.
pub(super) fn services(storage: &Arc<Storage>, d1: D1Service, outbound: Arc<dyn Outbound>) -> Services {
    let stores = Arc::new(capability::Stores::new(Arc::clone(storage)));
    Services {
        kv: Arc::new(KvService::new(Arc::clone(&stores))),
        objects: Arc::new(ObjectsService::new(stores)),
        d1: Arc::new(d1),
        outbound,
        offered: &["egress", "kv", "objects", "d1", "durable_objects", "secrets", "triggers", "validate"],
    }
}
