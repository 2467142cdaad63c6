//! The master key: it wraps every other key, and another can take its place while the platform runs.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::lock::{Mutex, MutexGuard};
use smcp_types::{Error, MasterKeyId, Refusal, Result, Secret, TenantId};

use crate::{
    crypto::{self, Belongs, DoesNotOpen, KeyBytes},
    ports::{DataKeyStore, Entropy, MasterKeys, Rewrap, RingStore, StoreError},
};

/// How often a change of master key is begun again because another key was made meanwhile.
const ATTEMPTS: usize = 5;

/// The key above all others: 32 bytes from a 0600 file or a named environment variable, never stored with the data.
#[derive(Clone, Debug)]
pub struct MasterKey(KeyBytes);

impl MasterKey {
    /// Reads 64 hexadecimal characters, surrounding white space ignored.
    ///
    /// # Errors
    /// `Invalid` when the text is anything else; the text is never repeated.
    pub fn from_hex(text: &str) -> Result<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
        let bytes: Option<[u8; 32]> = bytes.and_then(|b| b.try_into().ok());
        let bytes = bytes.ok_or_else(|| {
            Error::Invalid(
                Refusal::new("the master key is not 64 hexadecimal characters")
                    .hint("make one with: openssl rand -hex 32"),
            )
        })?;
        Ok(Self(Secret::new(bytes)))
    }

    /// Makes a new one.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(Secret::new(bytes))
    }

    /// Its text, for the file it is kept in.
    #[must_use]
    pub fn to_hex(&self) -> Secret<String> {
        Secret::new(data_encoding::HEXLOWER.encode(self.0.expose()))
    }

    /// A name for this key that says nothing about it: stands in what it wraps.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        let derived = crypto::derive(&self.0, "smcp master id");
        let mut id = [0; 16];
        id.copy_from_slice(&derived.expose()[..16]);
        MasterKeyId::from_bytes(id)
    }

    pub(crate) fn wrap(&self, what: &Wraps<'_>, bytes: &KeyBytes, entropy: &dyn Entropy) -> Vec<u8> {
        let wrapping = crypto::derive(&self.0, what.purpose);
        crypto::seal(&wrapping, *self.id().as_bytes(), what.belongs(), entropy, bytes.expose())
    }

    pub(crate) fn unwrap(
        &self,
        what: &Wraps<'_>,
        wrapped: &[u8],
    ) -> std::result::Result<KeyBytes, DoesNotOpen> {
        let wrapping = crypto::derive(&self.0, what.purpose);
        let plain = crypto::open(&wrapping, what.belongs(), wrapped)?;
        plain.as_slice().try_into().map(Secret::new).map_err(|_| DoesNotOpen)
    }
}

/// Which key is wrapped: bound into the wrapping, so that no key passes for another.
#[derive(Clone, Debug)]
pub(crate) struct Wraps<'a> {
    /// "ring key" or "data key".
    pub(crate) kind: &'static str,
    /// What the key is for; each purpose is wrapped under a key of its own below the master key.
    pub(crate) purpose: &'a str,
    /// The owner, if it is a tenant's.
    pub(crate) tenant: Option<TenantId>,
    /// Its id in text.
    pub(crate) id: String,
}

impl Wraps<'_> {
    fn belongs(&self) -> Belongs<'_> {
        Belongs {
            purpose: self.kind,
            tenant: self.tenant,
            namespace: self.purpose,
            key: &self.id,
            version: 1,
        }
    }
}

/// The master key in force.
pub struct Master {
    key: RwLock<MasterKey>,
    pub(crate) ring: Arc<dyn RingStore>,
    pub(crate) data: Arc<dyn DataKeyStore>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Held by whoever wraps keys and stores them: no key is made under a master key that is being replaced.
    turn: Mutex<()>,
}

/// What a change of master key has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys of the ring that are wrapped anew.
    pub ring: usize,
    /// Keys of tenants' data that are.
    pub data: usize,
    /// What its operator has to do now, if anything.
    pub note: Option<String>,
}

impl Master {
    /// Finds, among the keys an operator gives, the one this store's keys are wrapped under. The first of them becomes the
    /// master key of a store that has none yet.
    ///
    /// # Errors
    /// `Invalid` when it is none of them; store errors.
    pub async fn unlock(
        given: &[MasterKey],
        ring: Arc<dyn RingStore>,
        data: Arc<dyn DataKeyStore>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        let first = given.first().ok_or_else(|| Error::internal("no master key was given"))?;
        let in_force = ring.claim(first.id()).await?;
        let key = given.iter().find(|key| key.id() == in_force).ok_or_else(does_not_fit)?;
        Ok(Self { key: RwLock::new(key.clone()), ring, data, entropy, turn: Mutex::new(()) })
    }

    /// The name of the key in force.
    #[must_use]
    pub fn id(&self) -> MasterKeyId {
        self.key().id()
    }

    pub(crate) fn key(&self) -> MasterKey {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the turn to wrap and store keys. The key in force stays that as long as the turn is held.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Puts another key in this one's place: wraps every key anew and stores them in one transaction. Keys in memory stay
    /// as they are, so nothing stops meanwhile. Killed at any moment, one of the two keys is in force, whole, and kept.
    ///
    /// # Errors
    /// `Conflict` when there is no other key, or keys keep being made elsewhere; `Damaged` when a key does not open; store
    /// errors.
    pub async fn rotate(&self, kept: &dyn MasterKeys) -> Result<Rewrapped> {
        let _turn = self.turn().await;
        let old = self.key();
        let new = kept.next(old.id()).await?;
        if new.id() == old.id() {
            return Err(Error::Conflict(
                Refusal::new("the next master key is the one in force").hint("give another one"),
            ));
        }
        let (ring, data) = self.replace(&old, &new).await?;
        let id = new.id();
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = new;
        let note = kept.settle(id).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the new master key is in force, and not yet in its place");
            Some("the new master key is in force; the next start of the node puts it in its place".to_owned())
        });
        Ok(Rewrapped { ring, data, note })
    }

    /// Returns how many keys of the ring and of tenants' data there are.
    async fn replace(&self, old: &MasterKey, new: &MasterKey) -> Result<(usize, usize)> {
        for _ in 0..ATTEMPTS {
            let rewrap = self.rewrap(old, new).await?;
            let counts = (rewrap.ring.len(), rewrap.data.len());
            match self.ring.rewrap(rewrap).await {
                Ok(()) => return Ok(counts),
                Err(StoreError::Stale) => {}
                // The answer may have been lost and not the change: the store knows.
                Err(_) if self.ring.claim(new.id()).await? == new.id() => return Ok(counts),
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Stale.into())
    }

    /// Every key there is, wrapped under the new master key.
    async fn rewrap(&self, old: &MasterKey, new: &MasterKey) -> Result<Rewrap> {
        let anew = |what: Wraps<'_>, wrapped: &[u8]| {
            let bytes = old.unwrap(&what, wrapped).map_err(|DoesNotOpen| key_is_damaged(&what))?;
            Ok::<_, Error>(new.wrap(&what, &bytes, &*self.entropy))
        };
        let mut rewrap = Rewrap { from: old.id(), to: new.id(), ring: Vec::new(), data: Vec::new() };
        for key in self.ring.list().await? {
            rewrap.ring.push((key.id, anew(key.wraps(), &key.wrapped)?));
        }
        for key in self.data.all().await? {
            rewrap.data.push((key.tenant, key.id, anew(key.wraps(), &key.wrapped)?));
        }
        Ok(rewrap)
    }
}

fn does_not_fit() -> Error {
    Error::Invalid(
        Refusal::new("the master key does not fit this data directory")
            .hint("give the key this data was made with: --master-key-file or SMCP_MASTER_KEY"),
    )
}

/// A key does not open under the master key that its store says is in force.
pub(crate) fn key_is_damaged(what: &Wraps<'_>) -> Error {
    let Wraps { kind, purpose, tenant, id } = what;
    let of = tenant.map_or_else(String::new, |tenant| format!(" of tenant {tenant}"));
    Error::Damaged(
        Refusal::new("a stored key cannot be read: it is damaged")
            .hint("the platform's operator finds in the log which one, and restores it from a backup")
            .private(format!("{kind} {id} ({purpose}){of} does not open under the master key in force")),
    )
}
