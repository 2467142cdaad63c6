//! The data databases: what hosted code stores. Which database a tenant's rows lie in is the adapter's to say.

use std::sync::Arc;

use async_trait::async_trait;
use smcp_core::ports::{StoreError, StoreResult};
use smcp_types::TenantId;

use crate::port::{Sql, Statement, Value};

/// Finds a tenant's database: a file of its own on the node.
#[async_trait]
pub trait Databases: Send + Sync + 'static {
    /// The tenant's database, migrated.
    ///
    /// # Errors
    /// `Broken` when it cannot be opened; other tenants' are not touched by that.
    async fn of(&self, tenant: TenantId) -> StoreResult<Arc<dyn Sql>>;
}

/// The rows of KV namespaces and buckets, over the tenants' databases.
#[derive(Clone)]
pub struct DataStore<D> {
    databases: Arc<D>,
}

impl<D: Databases> DataStore<D> {
    /// Rows in these databases.
    pub fn new(databases: Arc<D>) -> Self {
        Self { databases }
    }

    pub(crate) async fn sql(&self, tenant: TenantId) -> Result<Arc<dyn Sql>, StoreError> {
        self.databases.of(tenant).await
    }
}

/// A number of ours as a column's; all of them are below 2^53.
pub(crate) fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Makes the row that counts a tenant's bytes, and says how many there may be: first statement of every write.
pub(crate) fn quota_row(tenant: TenantId, quota: u64) -> Statement {
    let upsert = "INSERT INTO usage (tenant_id, bytes, quota) VALUES (?1, 0, ?2)
                  ON CONFLICT (tenant_id) DO UPDATE SET quota = excluded.quota";
    Statement::new(upsert, [tenant.into(), number(quota)])
}

/// The smallest key that is greater than every key with this prefix; NULL when there is none.
pub(crate) fn after_all(prefix: &str) -> Value {
    let mut bytes = prefix.as_bytes().to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return Value::Blob(bytes);
        }
    }
    Value::Null
}

/// A key from its column.
pub(crate) fn text(bytes: Vec<u8>) -> StoreResult<String> {
    String::from_utf8(bytes).map_err(|_| StoreError::Broken("a key that is not UTF-8".to_owned()))
}

/// A key for its column: compared byte by byte.
pub(crate) fn key(key: &str) -> Value {
    Value::Blob(key.as_bytes().to_vec())
}
