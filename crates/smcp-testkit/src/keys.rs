//! Keys for tests: a master key that is always the same, and what stands on it.

use std::sync::Arc;

use async_trait::async_trait;
use smcp_core::{
    Stores,
    keyring::Keyring,
    master::{Master, MasterKey},
    ports::{Clock, MasterKeys, TenantRecord, TenantStore as _},
    vault::Vault,
};
use smcp_types::{LimitSet, MasterKeyId, Result, TenantId, UnixMillis};

use crate::{CountingEntropy, FakeClock, MemoryStores};

/// The master key of tests.
///
/// # Errors
/// Never.
pub fn master_key() -> Result<MasterKey> {
    MasterKey::from_hex(&"07".repeat(32))
}

/// The key ring and the vault over these stores.
///
/// # Errors
/// When the stores belong to another master key.
pub async fn open_keys(stores: &Stores, clock: &Arc<dyn Clock>) -> Result<(Arc<Keyring>, Arc<Vault>)> {
    let entropy = Arc::new(CountingEntropy::default());
    let (ring, data) = (Arc::clone(&stores.ring), Arc::clone(&stores.data_keys));
    let master = Arc::new(Master::unlock(&[master_key()?], ring, data, entropy).await?);
    let keyring = Keyring::open(&master, &**clock).await?;
    Ok((Arc::new(keyring), Arc::new(Vault::new(master, Arc::clone(clock)))))
}

/// A vault for parts that need nothing but sealing, for these tenants alone.
///
/// # Errors
/// When a tenant is named twice.
pub async fn vault(tenants: &[TenantId]) -> Result<Arc<Vault>> {
    let stores = Arc::new(MemoryStores::default());
    for (number, id) in tenants.iter().enumerate() {
        let slug = format!("tenant-{number}").parse().map_err(smcp_types::Error::internal)?;
        let record = TenantRecord { id: *id, slug, created_at: UnixMillis(0), ceilings: LimitSet::default() };
        stores.create(&record).await?;
    }
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
    Ok(open_keys(&stores.as_stores(), &clock).await?.1)
}

/// Keeps master keys in memory: each next one is new.
#[derive(Default)]
pub struct MemoryMasterKeys(CountingEntropy);

#[async_trait]
impl MasterKeys for MemoryMasterKeys {
    async fn next(&self, _: MasterKeyId) -> Result<MasterKey> {
        Ok(MasterKey::generate(&self.0))
    }

    async fn settle(&self, _: MasterKeyId) -> Result<Option<String>> {
        Ok(None)
    }
}
