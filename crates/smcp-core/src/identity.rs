//! Who is calling: a presented API key becomes a `VerifiedCaller`, from memory when it was seen before.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use smcp_policy::Role;
use smcp_types::{Error, KeyId, Result, RingKeyId, ServerId, TenantId, UnixMillis};
use subtle::ConstantTimeEq;

use crate::{
    api_key,
    keyring::Keyring,
    memory::Memory,
    ports::{Clock, KeyRecord, KeyStatus, KeyStore, Tasks},
    stopping::Stopping,
    timeout::within,
};

/// Verified callers kept in memory.
const MEMORY: usize = 10_000;
/// `last_used_at` is true to this.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// A caller whose credential has verified. Only `Identity` makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCaller {
    tenant: TenantId,
    principal: String,
    roles: Vec<Role>,
    servers: Option<Vec<ServerId>>,
    credential: Credential,
}

/// What a caller has shown: enough to see later whether it is still in force.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Credential {
    key: KeyId,
    pepper: RingKeyId,
    mac: [u8; 32],
    not_after: Option<UnixMillis>,
    generation: u64,
}

impl VerifiedCaller {
    /// The tenant its roles count in.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Its id over the whole platform. For an API key the key's lineage, so that it survives rotation.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// What kind of credential it came with.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        "api_key"
    }

    /// Its roles.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The servers it is limited to; `None` for all of its tenant.
    #[must_use]
    pub fn servers(&self) -> Option<&[ServerId]> {
        self.servers.as_deref()
    }

    /// Its roles for people.
    pub(crate) fn role_names(&self) -> String {
        self.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Tenant, principal and client in one value, which a session is bound to (DESIGN 5). A key is its own client.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(b"smcp caller v1");
        hash.update(self.tenant.as_bytes());
        hash.update(self.principal.as_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&hash.finalize()[..16]);
        out
    }
}

#[derive(Clone)]
struct Remembered {
    caller: Arc<VerifiedCaller>,
    key: KeyId,
    generation: u64,
    not_after: Option<UnixMillis>,
    touched: UnixMillis,
}

/// Verifies credentials.
pub struct Identity {
    ring: Arc<Keyring>,
    keys: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
    /// Keyed by the key's SHA-256, so that no key stays in memory.
    seen: Memory<[u8; 32], Remembered>,
    /// Raised by every change to any key: what was verified before has to be verified again.
    generation: AtomicU64,
    /// Begins each time the generation is raised, for those who wait for it.
    raised: Mutex<Stopping>,
}

impl Identity {
    pub(crate) fn new(
        ring: Arc<Keyring>,
        keys: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
        tasks: Arc<dyn Tasks>,
    ) -> Self {
        Self {
            ring,
            keys,
            clock,
            tasks,
            seen: Memory::new(MEMORY),
            generation: AtomicU64::new(0),
            raised: Mutex::new(Stopping::new()),
        }
    }

    /// Verifies a presented key.
    ///
    /// # Errors
    /// `Unauthenticated` for everything that is not a key in force; never says why.
    pub async fn identify(&self, presented: &str) -> Result<Arc<VerifiedCaller>> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let now = self.clock.now();
        // Read before the store is: a revocation in between then leaves an entry that is already stale.
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(known) = self.seen.get(&hash)
            && known.generation == generation
            && known.not_after.is_none_or(|end| now < end)
        {
            self.touch(hash, &known, now);
            return Ok(known.caller);
        }
        let (record, credential) = self.look_up(presented, generation, now).await?;
        let not_after = credential.not_after;
        let caller = Arc::new(caller_of(&record, credential)?);
        let known = Remembered {
            caller: Arc::clone(&caller),
            key: record.id,
            generation,
            not_after,
            touched: record.last_used_at.unwrap_or(UnixMillis(0)),
        };
        self.seen.fill(self.seen.epoch(), hash, known.clone());
        self.touch(hash, &known, now);
        Ok(caller)
    }

    /// Forgets every verification: called after any change to any key, before that change is acknowledged.
    pub(crate) fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        // Dropping the one before wakes everybody who waits on it.
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Stopping::new();
    }

    /// Completes when what a caller has shown is no longer in force, or no longer says the same of it.
    pub(crate) async fn ended(&self, caller: &VerifiedCaller) {
        let mut seen = caller.credential.generation;
        let mut not_after = caller.credential.not_after;
        loop {
            // Asked for before the generation is read: a change in between is not missed.
            let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner).begun();
            let generation = self.generation.load(Ordering::Acquire);
            if generation != seen {
                let Some(end) = self.still(caller).await else { return };
                (seen, not_after) = (generation, end);
            }
            let left = not_after.map_or(Duration::MAX, |end| end.since(self.clock.now()));
            if left.is_zero() || within(&*self.clock, left, raised).await.is_none() {
                return;
            }
        }
    }

    /// Until when a caller is what it was, if it still is.
    #[allow(clippy::option_option, reason = "as in_force")]
    async fn still(&self, caller: &VerifiedCaller) -> Option<Option<UnixMillis>> {
        let shown = &caller.credential;
        // A store that fails proves nothing: whoever holds a stream may open it again.
        let record = self.keys.get(caller.tenant, shown.key).await.ok()??;
        let end = in_force(&record, shown.pepper, &shown.mac, self.clock.now())?;
        let now = caller_of(&record, shown.clone()).ok()?;
        (now == *caller).then_some(end)
    }

    /// The record of a key in force, and what was shown of it.
    async fn look_up(
        &self,
        presented: &str,
        generation: u64,
        now: UnixMillis,
    ) -> Result<(KeyRecord, Credential)> {
        let key = api_key::parse(presented).ok_or(Error::Unauthenticated)?;
        for &pepper in self.ring.peppers() {
            let mac = self.ring.mac(pepper, key.text.as_bytes())?;
            if let Some(record) = self.keys.by_mac(key.tenant, pepper, &mac).await? {
                let not_after = in_force(&record, pepper, &mac, now).ok_or(Error::Unauthenticated)?;
                let credential = Credential { key: record.id, pepper, mac, not_after, generation };
                return Ok((record, credential));
            }
        }
        Err(Error::Unauthenticated)
    }

    fn touch(&self, hash: [u8; 32], known: &Remembered, now: UnixMillis) {
        if now.since(known.touched) < TOUCH_EVERY {
            return;
        }
        self.seen.fill(self.seen.epoch(), hash, Remembered { touched: now, ..known.clone() });
        let (keys, tenant, key) = (Arc::clone(&self.keys), known.caller.tenant, known.key);
        self.tasks.detach(Box::pin(async move {
            if let Err(error) = keys.touch(tenant, key, now).await {
                tracing::warn!(%error, "the last use of an API key was not noted");
            }
        }));
    }
}

/// `Some(end)` when this MAC of the record is in force now; the end itself may be open.
#[allow(clippy::option_option, reason = "in force or not, and if so until when: two questions")]
fn in_force(
    record: &KeyRecord,
    pepper: RingKeyId,
    mac: &[u8; 32],
    now: UnixMillis,
) -> Option<Option<UnixMillis>> {
    let current = record.pepper == pepper && bool::from(record.mac.ct_eq(mac));
    let previous = record.previous.is_some_and(|(p, m)| p == pepper && bool::from(m.ct_eq(mac)));
    let end = match (current, previous) {
        (true, _) => record.expires_at,
        (false, true) => {
            let grace = record.previous_until?;
            Some(record.expires_at.map_or(grace, |end| end.min(grace)))
        }
        (false, false) => return None,
    };
    let works = record.status == KeyStatus::Active && end.is_none_or(|end| now < end);
    works.then_some(end)
}

fn caller_of(record: &KeyRecord, credential: Credential) -> Result<VerifiedCaller> {
    let role: Role = record.role.parse().map_err(Error::internal)?;
    let servers = (!record.servers.is_empty()).then(|| record.servers.clone());
    Ok(VerifiedCaller {
        tenant: record.tenant,
        principal: format!("key:{}:{}", record.tenant, record.id),
        roles: vec![role],
        servers,
        credential,
    })
}
