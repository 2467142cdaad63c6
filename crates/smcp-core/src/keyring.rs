//! The key ring: every key the platform makes, each wrapped under the master key (DESIGN 19).

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use smcp_types::{Error, Result, RingKeyId, Secret};

use crate::{
    crypto::{self, Belongs, DoesNotOpen, KeyBytes},
    master::{Master, Wraps, key_is_damaged},
    ports::{Clock, Entropy, RingKey, RingPurpose, RingState, StoreError},
};

const fn purpose_name(purpose: RingPurpose) -> &'static str {
    match purpose {
        RingPurpose::SessionSeal => "session seal",
        RingPurpose::ApiKeyPepper => "api key pepper",
        RingPurpose::CallerSigning => "caller signing",
        RingPurpose::EventIds => "event ids",
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
    /// `Damaged` when a key does not open under the master key in force; store errors.
    pub async fn open(master: &Master, clock: &dyn Clock) -> Result<Self> {
        let _turn = master.turn().await;
        let store = &*master.ring;
        for purpose in RingPurpose::ALL {
            let known = store.list().await?;
            if known.iter().any(|key| key.purpose == purpose && key.state == RingState::Active) {
                continue;
            }
            match store.create(&new_key(master, purpose, clock)).await {
                Ok(()) | Err(StoreError::Taken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let entropy = Arc::clone(&master.entropy);
        let mut ring = Self { keys: HashMap::new(), active: HashMap::new(), peppers: Vec::new(), entropy };
        for key in store.list().await? {
            ring.load(master, &key)?;
        }
        ring.peppers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ring)
    }

    fn load(&mut self, master: &Master, key: &RingKey) -> Result<()> {
        let opened = master.key().unwrap(&key.wraps(), &key.wrapped);
        let bytes = opened.map_err(|DoesNotOpen| key_is_damaged(&key.wraps()))?;
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
        Ok(crypto::seal(key, *id.as_bytes(), belongs, &*self.entropy, plain))
    }

    /// Opens what any key of the purpose sealed.
    pub(crate) fn open_sealed(
        &self,
        purpose: RingPurpose,
        belongs: Belongs<'_>,
        sealed: &[u8],
    ) -> std::result::Result<zeroize::Zeroizing<Vec<u8>>, DoesNotOpen> {
        let id = crypto::key_id(sealed).map(RingKeyId::from_bytes).ok_or(DoesNotOpen)?;
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

impl RingKey {
    pub(crate) fn wraps(&self) -> Wraps<'static> {
        Wraps { kind: "ring key", purpose: purpose_name(self.purpose), tenant: None, id: self.id.to_string() }
    }
}

fn new_key(master: &Master, purpose: RingPurpose, clock: &dyn Clock) -> RingKey {
    let (mut random, mut bytes) = ([0; 10], [0; 32]);
    master.entropy.fill(&mut random);
    master.entropy.fill(&mut bytes);
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
    key.wrapped = master.key().wrap(&key.wraps(), &Secret::new(bytes), &*master.entropy);
    key
}
