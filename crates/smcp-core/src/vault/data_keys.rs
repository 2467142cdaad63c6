//! The data keys of one tenant, as they are stored and as they are held in memory.

use std::{collections::HashMap, time::Duration};

use smcp_types::{DataKeyId, Secret, TenantId, UnixMillis};

use crate::{
    crypto::KeyBytes,
    master::{Master, MasterKey, Wraps},
    ports::{DataKey, DataKeyState},
};

/// A tenant's keys, unwrapped.
pub(super) struct TenantKeys {
    /// When they were read, in monotonic time.
    pub(super) loaded: Duration,
    pub(super) active: Option<DataKeyId>,
    pub(super) keys: HashMap<DataKeyId, Held>,
}

/// One key.
pub(super) enum Held {
    /// It opens what it sealed.
    Open(KeyBytes),
    /// Its stored bytes do not open: the other keys are unharmed.
    Broken,
    /// Only its name is left.
    Destroyed,
}

impl TenantKeys {
    pub(super) fn unwrap(master: &MasterKey, loaded: Duration, stored: &[DataKey]) -> Self {
        let hold = |key: &DataKey| match key.state {
            DataKeyState::Destroyed => Held::Destroyed,
            DataKeyState::Active | DataKeyState::Retiring | DataKeyState::Retired => {
                master.unwrap(&key.wraps(), &key.wrapped).map_or(Held::Broken, Held::Open)
            }
        };
        let keys = stored.iter().map(|key| (key.id, hold(key))).collect();
        let active = stored.iter().find(|key| key.state == DataKeyState::Active).map(|key| key.id);
        Self { loaded, active, keys }
    }

    pub(super) fn has_active(stored: &[DataKey]) -> bool {
        stored.iter().any(|key| key.state == DataKeyState::Active)
    }

    /// The key that seals new values; `None` too when it is broken.
    pub(super) fn active(&self) -> Option<(DataKeyId, &KeyBytes)> {
        match self.active.and_then(|id| self.keys.get(&id).map(|held| (id, held))) {
            Some((id, Held::Open(key))) => Some((id, key)),
            Some((_, Held::Broken | Held::Destroyed)) | None => None,
        }
    }
}

impl DataKey {
    pub(crate) fn wraps(&self) -> Wraps<'static> {
        Wraps { kind: "data key", purpose: "data key", tenant: Some(self.tenant), id: self.id.to_string() }
    }
}

/// A new active key. The caller holds the master key's turn until it is stored.
pub(crate) fn new_key(master: &Master, tenant: TenantId, now: UnixMillis) -> DataKey {
    let (mut random, mut bytes) = ([0; 10], [0; 32]);
    master.entropy.fill(&mut random);
    master.entropy.fill(&mut bytes);
    let mut key = DataKey {
        tenant,
        id: DataKeyId::new(now, random),
        state: DataKeyState::Active,
        created_at: now,
        since: now,
        wrapped: Vec::new(),
    };
    key.wrapped = master.key().wrap(&key.wraps(), &Secret::new(bytes), &*master.entropy);
    key
}
