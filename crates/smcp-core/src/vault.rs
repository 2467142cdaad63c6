//! The vault: everything a tenant stores is sealed under that tenant's own data keys, which the master key wraps.

pub(crate) mod data_keys;
pub mod rotation;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use smcp_types::{DataKeyId, Error, Refusal, Result, Secret, TenantId};
use zeroize::Zeroizing;

use crate::{
    crypto::{self, Belongs, DoesNotOpen},
    master::Master,
    memory::Memory,
    ports::{Clock, DataKeyStore, Resealed, Sealer, StoreError},
};

pub use crate::ports::{Kind, Place};
use data_keys::{Held, TenantKeys, new_key};

/// Tenants whose keys are kept unwrapped in memory.
const TENANTS: usize = 10_000;
/// Keys in memory older than this are read again: another node may have rotated them.
const FRESH: Duration = Duration::from_secs(60);
/// How often somebody else may make or rotate the key that is being made.
const ATTEMPTS: usize = 3;

/// Seals and opens what tenants store.
pub struct Vault {
    pub(crate) master: Arc<Master>,
    pub(crate) clock: Arc<dyn Clock>,
    known: Memory<TenantId, Arc<TenantKeys>>,
}

/// Bytes at the beginning of everything sealed that name its key and tell it from everything else that was ever sealed.
pub const SEAL_BYTES: usize = crypto::HEAD_BYTES;

/// The data key that sealed this; `None` when it is not sealed. It is the second to the seventeenth byte, in SQL
/// `substr(sealed, 2, 16)`.
#[must_use]
pub fn key_of(sealed: &[u8]) -> Option<DataKeyId> {
    crypto::key_id(sealed).map(DataKeyId::from_bytes)
}

/// Whether something is to be opened and sealed anew: it is under one of these keys, or does not say under which, which makes
/// it a damaged thing and no reason to let a key go.
pub(crate) fn has_to_move(sealed: &[u8], retiring: &[DataKeyId]) -> bool {
    key_of(sealed).is_none_or(|id| retiring.contains(&id))
}

/// Counts what became of one thing in a step: moved, moved by somebody else, or damaged, which is logged here.
///
/// # Errors
/// Every other error than damage.
pub(crate) fn count(step: &mut Resealed, tenant: TenantId, moved: Result<bool>) -> Result<()> {
    match moved {
        Ok(moved) => step.changed += u64::from(moved),
        Err(Error::Damaged(refusal)) => {
            tracing::error!(tenant.id = %tenant, private = refusal.private, "what is to move to a newer key does not open");
            step.damaged += 1;
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

impl Vault {
    /// A vault under a master key.
    #[must_use]
    pub fn new(master: Arc<Master>, clock: Arc<dyn Clock>) -> Self {
        Self { master, clock, known: Memory::new(TENANTS) }
    }

    /// Seals bytes for their place under the tenant's active key; the first time, that key is made.
    ///
    /// # Errors
    /// `Damaged` when the tenant's active key does not open; store errors.
    pub async fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let keys = self.sealing(place.tenant).await?;
        let (id, key) = keys.active().ok_or_else(|| unreadable_key(place.tenant))?;
        Ok(crypto::seal(key, *id.as_bytes(), belongs(place), &*self.master.entropy, plain))
    }

    /// Opens what was sealed for this place, under whichever of the tenant's keys.
    ///
    /// # Errors
    /// `Damaged`, for the log alone naming the place, when it is not sealed, was sealed for elsewhere, is not what it was,
    /// or its key is gone; store errors.
    pub async fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let id = key_of(sealed).ok_or_else(|| damaged(place, "it is not sealed, or cut off"))?;
        let held = self.held(place, id).await?;
        crypto::open(&held, belongs(place), sealed)
            .map_err(|DoesNotOpen| damaged(place, "it is not what was sealed there"))
    }

    /// Gives the tenant a new active key. What the old one sealed is to be moved to it; the old one opens it until then.
    pub(crate) async fn rotate(&self, tenant: TenantId) -> Result<()> {
        let _turn = self.master.turn().await;
        let key = new_key(&self.master, tenant, self.clock.now());
        let rotated = self.store().rotate(&key, self.master.id()).await;
        self.forget(tenant);
        Ok(rotated?)
    }

    /// Destroys the tenant's keys. Nothing opens any more what they sealed.
    pub(crate) async fn destroy(&self, tenant: TenantId) -> Result<u64> {
        let destroyed = self.store().destroy(tenant, self.clock.now()).await;
        self.forget(tenant);
        Ok(destroyed?)
    }

    /// Forgets a tenant's keys: called after any change to them, before that change is acknowledged.
    pub fn forget(&self, tenant: TenantId) {
        self.known.forget(&tenant);
    }

    pub(crate) fn store(&self) -> &dyn DataKeyStore {
        &*self.master.data
    }

    /// The tenant's keys, an active one among them.
    async fn sealing(&self, tenant: TenantId) -> Result<Arc<TenantKeys>> {
        let known = self.known.get(&tenant).filter(|keys| keys.active.is_some());
        if let Some(keys) = known.filter(|keys| self.is_fresh(keys)) {
            return Ok(keys);
        }
        let mut attempts = 0;
        loop {
            let keys = self.load(tenant).await?;
            if keys.active.is_some() {
                return Ok(keys);
            }
            attempts += 1;
            if attempts > ATTEMPTS {
                return Err(Error::internal(format_args!("tenant {tenant} has no data key and gets none")));
            }
            self.make_active(tenant).await?;
        }
    }

    /// One key of the place's tenant.
    async fn held(&self, place: &Place<'_>, id: DataKeyId) -> Result<Secret<[u8; 32]>> {
        let known = self.known.get(&place.tenant).filter(|keys| self.is_fresh(keys));
        let keys = match known.filter(|keys| keys.keys.contains_key(&id)) {
            Some(keys) => keys,
            None => self.load(place.tenant).await?,
        };
        match keys.keys.get(&id) {
            Some(Held::Open(key)) => Ok(key.clone()),
            Some(Held::Broken) => Err(unreadable_key(place.tenant)),
            Some(Held::Destroyed) => Err(destroyed(place)),
            None => Err(damaged(place, "its key is none of the tenant's")),
        }
    }

    fn is_fresh(&self, keys: &TenantKeys) -> bool {
        self.clock.monotonic().saturating_sub(keys.loaded) < FRESH
    }

    /// Reads the tenant's keys from the store.
    async fn load(&self, tenant: TenantId) -> Result<Arc<TenantKeys>> {
        let epoch = self.known.epoch();
        let loaded = self.clock.monotonic();
        let stored = self.store().list(tenant).await?;
        let keys = Arc::new(TenantKeys::unwrap(&self.master.key(), loaded, &stored));
        self.known.fill(epoch, tenant, Arc::clone(&keys));
        Ok(keys)
    }

    /// Makes the tenant's active key, unless somebody else was faster.
    async fn make_active(&self, tenant: TenantId) -> Result<()> {
        let _turn = self.master.turn().await;
        if TenantKeys::has_active(&self.store().list(tenant).await?) {
            return Ok(());
        }
        let key = new_key(&self.master, tenant, self.clock.now());
        match self.store().create(&key, self.master.id()).await {
            Ok(()) | Err(StoreError::Taken) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Sealer for Vault {
    async fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        Self::seal(self, place, plain).await
    }

    async fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Self::open(self, place, sealed).await
    }
}

fn belongs<'a>(place: &Place<'a>) -> Belongs<'a> {
    let Place { tenant, kind, namespace, key, version } = *place;
    Belongs { purpose: kind.as_str(), tenant: Some(tenant), namespace, key, version }
}

/// For the log: which thing it is. Names are in the clear in the store too; they are a tenant's, so they are quoted.
fn name(place: &Place<'_>) -> String {
    let Place { tenant, kind, namespace, key, version } = place;
    format!("{} {namespace:?} {key:?} {version} of tenant {tenant}", kind.as_str())
}

fn damaged(place: &Place<'_>, why: &str) -> Error {
    Error::Damaged(
        Refusal::new("something stored cannot be read: it is damaged")
            .hint("the platform's operator finds in the log what it is, and restores it from a backup")
            .private(format!("{}: {why}", name(place))),
    )
}

fn destroyed(place: &Place<'_>) -> Error {
    Error::Damaged(
        Refusal::new("this was sealed under a key that has been destroyed: it cannot be read again")
            .hint("write it anew: what is written now is sealed under a new key")
            .private(name(place)),
    )
}

fn unreadable_key(tenant: TenantId) -> Error {
    Error::Damaged(
        Refusal::new("something stored cannot be read: its key is damaged")
            .hint("the platform's operator restores the key from a backup of the control database")
            .private(format!("a data key of tenant {tenant} does not open under the master key in force")),
    )
}
