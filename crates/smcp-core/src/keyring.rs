//! The key ring: every key the platform makes, each wrapped under the master key (DESIGN 19).

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use smcp_types::{Error, Refusal, Result, RingKeyId, Secret};

use crate::{
    crypto::{self, Belongs, DoesNotOpen, KeyBytes},
    ports::{Clock, Entropy, RingKey, RingPurpose, RingState, RingStore, StoreError},
};

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

    /// Makes a new one; returns it with its text for the file.
    pub fn generate(entropy: &dyn Entropy) -> (Self, Secret<String>) {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        let text = data_encoding::HEXLOWER.encode(&bytes);
        (Self(Secret::new(bytes)), Secret::new(text))
    }

    /// A name for this key that says nothing about it: stands in what it wraps.
    fn id(&self) -> RingKeyId {
        let derived = crypto::derive(&self.0, "smcp master id");
        let mut id = [0; 16];
        id.copy_from_slice(&derived.expose()[..16]);
        RingKeyId::from_bytes(id)
    }

    fn wrap(&self, key: &RingKey, bytes: &KeyBytes, entropy: &dyn Entropy) -> Vec<u8> {
        let wrapping = crypto::derive(&self.0, purpose_name(key.purpose));
        crypto::seal(&wrapping, self.id(), belongs(key.purpose, &key.id.to_string()), entropy, bytes.expose())
    }

    fn unwrap(&self, key: &RingKey) -> std::result::Result<KeyBytes, DoesNotOpen> {
        let wrapping = crypto::derive(&self.0, purpose_name(key.purpose));
        let plain = crypto::open(&wrapping, belongs(key.purpose, &key.id.to_string()), &key.wrapped)?;
        plain.as_slice().try_into().map(Secret::new).map_err(|_| DoesNotOpen)
    }
}

fn belongs(purpose: RingPurpose, id: &str) -> Belongs<'_> {
    Belongs { purpose: "ring key", tenant: None, namespace: purpose_name(purpose), key: id, version: 1 }
}

const fn purpose_name(purpose: RingPurpose) -> &'static str {
    match purpose {
        RingPurpose::SessionSeal => "session seal",
        RingPurpose::ApiKeyPepper => "api key pepper",
        RingPurpose::CallerSigning => "caller signing",
    }
}

/// The keys in use, unwrapped in memory.
pub struct Keyring {
    keys: HashMap<RingKeyId, (RingPurpose, KeyBytes)>,
    active: HashMap<RingPurpose, RingKeyId>,
    /// Newest first: values made under an older pepper are still found.
    peppers: Vec<RingKeyId>,
    entropy: Arc<dyn Entropy>,
}

impl Keyring {
    /// Loads the ring and makes what is missing.
    ///
    /// # Errors
    /// `Invalid` when the master key is not the one the ring was wrapped under; store errors.
    pub async fn open(
        master: &MasterKey,
        store: &dyn RingStore,
        clock: &dyn Clock,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        for purpose in RingPurpose::ALL {
            let known = store.list().await?;
            if known.iter().any(|key| key.purpose == purpose && key.state == RingState::Active) {
                continue;
            }
            match store.create(&new_key(master, purpose, clock, &*entropy)).await {
                Ok(()) | Err(StoreError::Taken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut ring = Self { keys: HashMap::new(), active: HashMap::new(), peppers: Vec::new(), entropy };
        for key in store.list().await? {
            ring.load(master, &key)?;
        }
        ring.peppers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ring)
    }

    fn load(&mut self, master: &MasterKey, key: &RingKey) -> Result<()> {
        let bytes = master.unwrap(key).map_err(|DoesNotOpen| {
            Error::Invalid(
                Refusal::new("the master key does not fit this data directory")
                    .hint("give the key this data was made with: --master-key-file or SMCP_MASTER_KEY"),
            )
        })?;
        if key.state == RingState::Active {
            self.active.insert(key.purpose, key.id);
        }
        if key.purpose == RingPurpose::ApiKeyPepper {
            self.peppers.push(key.id);
        }
        self.keys.insert(key.id, (key.purpose, bytes));
        Ok(())
    }

    /// Seals under the active key of a purpose.
    ///
    /// # Errors
    /// `Internal` when the purpose has no key: `open` makes one, so never.
    pub(crate) fn seal(&self, purpose: RingPurpose, belongs: Belongs<'_>, plain: &[u8]) -> Result<Vec<u8>> {
        let (id, key) = self.current(purpose)?;
        Ok(crypto::seal(key, id, belongs, &*self.entropy, plain))
    }

    /// Opens what any key of the purpose sealed.
    pub(crate) fn open_sealed(
        &self,
        purpose: RingPurpose,
        belongs: Belongs<'_>,
        sealed: &[u8],
    ) -> std::result::Result<zeroize::Zeroizing<Vec<u8>>, DoesNotOpen> {
        let id = crypto::key_id(sealed).ok_or(DoesNotOpen)?;
        let (of, key) = self.keys.get(&id).ok_or(DoesNotOpen)?;
        if *of != purpose {
            return Err(DoesNotOpen);
        }
        crypto::open(key, belongs, sealed)
    }

    /// The peppers in use, newest first.
    pub(crate) fn peppers(&self) -> &[RingKeyId] {
        &self.peppers
    }

    /// All keys of a purpose, the active one first, then the newest first.
    pub(crate) fn all_of(&self, purpose: RingPurpose) -> Vec<(RingKeyId, &KeyBytes)> {
        let mut found: Vec<_> =
            self.keys.iter().filter(|(_, (of, _))| *of == purpose).map(|(id, (_, key))| (*id, key)).collect();
        let active = self.active.get(&purpose);
        found.sort_unstable_by_key(|(id, _)| Reverse((Some(id) == active, *id)));
        found
    }

    /// HMAC-SHA-256 of a value under a pepper.
    ///
    /// # Errors
    /// `Internal` when there is no such pepper.
    pub(crate) fn mac(&self, pepper: RingKeyId, value: &[u8]) -> Result<[u8; 32]> {
        let (_, key) = self.keys.get(&pepper).ok_or_else(|| Error::internal("no such pepper"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).map_err(Error::internal)?;
        mac.update(value);
        Ok(mac.finalize().into_bytes().into())
    }

    /// The active key of a purpose.
    pub(crate) fn current(&self, purpose: RingPurpose) -> Result<(RingKeyId, &KeyBytes)> {
        let id = self.active.get(&purpose);
        let found = id.and_then(|id| self.keys.get(id).map(|(_, key)| (*id, key)));
        found.ok_or_else(|| Error::internal(format!("no active key for {}", purpose_name(purpose))))
    }
}

fn new_key(master: &MasterKey, purpose: RingPurpose, clock: &dyn Clock, entropy: &dyn Entropy) -> RingKey {
    let (mut random, mut bytes) = ([0; 10], [0; 32]);
    entropy.fill(&mut random);
    entropy.fill(&mut bytes);
    let now = clock.now();
    let id = RingKeyId::new(now, random);
    let mut key = RingKey {
        id,
        purpose,
        state: RingState::Active,
        not_before: now,
        not_after: None,
        wrapped: Vec::new(),
    };
    key.wrapped = master.wrap(&key, &Secret::new(bytes), entropy);
    key
}
