//! The port to tenants' SQL databases: what the management API does with them.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smcp_types::{Result, TenantId};

use super::HostedBody;

/// A database of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRecord {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What its files take, in bytes.
    pub bytes: u64,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Statements that were run.
    pub statements: u64,
    /// Rows that were changed.
    pub changes: u64,
    /// What the database holds now, in bytes.
    pub size_after: u64,
}

/// SQL databases, each served by a process of its own. The binding of hosted code makes a database with its first
/// statement; here one that is not there is `NotFound`, except to an import.
#[async_trait]
pub trait Databases: Send + Sync + 'static {
    /// The databases of a tenant, by name.
    ///
    /// # Errors
    /// `Internal` when they cannot be listed.
    async fn list(&self, tenant: TenantId) -> Result<Vec<DatabaseRecord>>;

    /// Runs statements, in the form of D1's binding: `{"sql", "params"}` or an array of that. The answer is D1's too,
    /// rows beside the names of their columns.
    ///
    /// # Errors
    /// `Invalid` with SQLite's words; `NotFound`; `Damaged`; `Unavailable` when the database has no process now.
    async fn query(&self, tenant: TenantId, database: &str, request: Bytes) -> Result<Bytes>;

    /// The whole database as a script.
    ///
    /// # Errors
    /// As with a query; later ones come in the stream.
    async fn export(&self, tenant: TenantId, database: &str) -> Result<HostedBody>;

    /// Runs a script, all of it or nothing. Makes the database if it is not there.
    ///
    /// # Errors
    /// As with a query.
    async fn import(&self, tenant: TenantId, database: &str, script: Bytes) -> Result<Imported>;

    /// Removes a database with all that is in it.
    ///
    /// # Errors
    /// `NotFound`; `Internal` when its files stay.
    async fn delete(&self, tenant: TenantId, database: &str) -> Result<()>;
}
