//! Wire types and operations of the management API `/api/v1`, and its OpenAPI document.
//!
//! The contract, apart from the server that keeps it and the client that uses it (STYLE 12). Wire types are not domain
//! types: they change only by addition.

mod data_keys;
mod openapi;
mod operations;
mod problem;
mod storage;
mod stores;
mod types;

pub use data_keys::{DataKey, DataKeyList, ResealedStore, Resealing, RotatedMasterKey};
pub use openapi::document;
pub use operations::{Method, OPERATIONS, Operation, OperationId};
pub use problem::{PROBLEM_JSON, Problem};
pub use storage::{
    Database, DatabaseImport, DatabaseList, DatabaseQuery, DatabaseResult, DatabaseResults, DatabaseScript,
};
pub use stores::{KvEntry, KvKey, KvKeyPage, ObjectPage, StoreList, StoreSummary, StoredObject};
pub use types::{
    Ceilings, Deploy, DeployedVersion, Health, IssuedKey, Key, KeyList, LogLevel, LogLine, LogPage,
    LogSource, ModuleKind, NewKey, NewTenant, RotateKey, Secret, SecretList, SecretValue, Server, ServerList,
    ServerState, ServerUsage, Tenant, TenantList, UploadedModule, Usage, UsageReport, Version, VersionList,
    VersionSummary, WhoAmI,
};
