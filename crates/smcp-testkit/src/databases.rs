//! SQL databases that run nothing: they keep scripts and answer every query alike.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use smcp_core::ports::{DatabaseRecord, Databases, HostedBody, Imported};
use smcp_types::{Error, Result, TenantId};

/// What D1 answers to `SELECT 1`.
const ANSWER: &str = r#"[{"success":true,"results":{"columns":["1"],"rows":[[1]]},
    "meta":{"changes":0,"last_row_id":0,"size_after":4096,"duration":0.5}}]"#;

/// Scripts under the names of databases.
#[derive(Debug, Default)]
pub struct MemoryDatabases {
    scripts: Mutex<BTreeMap<(TenantId, String), Bytes>>,
}

impl MemoryDatabases {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<(TenantId, String), Bytes>) -> T) -> T {
        work(&mut self.scripts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, tenant: TenantId, database: &str) -> Result<Bytes> {
        let found = self.with(|scripts| scripts.get(&(tenant, database.to_owned())).cloned());
        found.ok_or(Error::NotFound("database"))
    }
}

#[async_trait]
impl Databases for MemoryDatabases {
    async fn list(&self, tenant: TenantId) -> Result<Vec<DatabaseRecord>> {
        let record = |((_, name), script): (&(TenantId, String), &Bytes)| DatabaseRecord {
            name: name.clone(),
            bytes: script.len() as u64,
        };
        Ok(self
            .with(|scripts| scripts.iter().filter(|((owner, _), _)| *owner == tenant).map(record).collect()))
    }

    async fn query(&self, tenant: TenantId, database: &str, _: Bytes) -> Result<Bytes> {
        self.get(tenant, database).map(|_| Bytes::from_static(ANSWER.as_bytes()))
    }

    async fn export(&self, tenant: TenantId, database: &str) -> Result<HostedBody> {
        let script = self.get(tenant, database)?;
        Ok(Box::pin(stream::iter([Ok(script)])))
    }

    async fn import(&self, tenant: TenantId, database: &str, script: Bytes) -> Result<Imported> {
        let size_after = script.len() as u64;
        self.with(|scripts| scripts.insert((tenant, database.to_owned()), script));
        Ok(Imported { statements: 1, changes: 1, size_after })
    }

    async fn delete(&self, tenant: TenantId, database: &str) -> Result<()> {
        let gone = self.with(|scripts| scripts.remove(&(tenant, database.to_owned())));
        gone.map(drop).ok_or(Error::NotFound("database"))
    }
}
