//! Moving what a tenant has sealed from keys on their way out to the active one: in small steps, again and again until a
//! whole pass finds nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::mpsc;
use futures_util::StreamExt as _;
use smcp_types::{DataKeyId, Error, Result, TenantId, UnixMillis};

use crate::{
    ports::{Clock, DataKey, DataKeyState, Kind, Resealable, Resealed, StoreError},
    timeout::within,
    vault::Vault,
};

/// How often the platform looks for keys on their way out when nobody has just put one there.
const EVERY: Duration = Duration::from_secs(60);
/// Things looked at in one step.
const STEP: u32 = 50;
/// The rest between two steps, for everybody else who wants the stores.
const PAUSE: Duration = Duration::from_millis(2);
/// Passes in a row while each still finds something.
const PASSES: u32 = 3;
/// How long a key is kept after a pass found nothing under it: longer than anything that was sealed before takes to be
/// stored, an upload that is under way included.
pub const KEPT_FOR: Duration = Duration::from_secs(3600);
/// When a tenant with damaged things is looked at again: nothing is found sooner, and each time costs a whole pass.
const DAMAGED_AGAIN: Duration = Duration::from_secs(3600);

/// Damaged things after which a pass leaves a store alone: each is a line in the log, and the key stays for one as for all.
const MOST_DAMAGED: u64 = 1_000;

/// What a pass over one store of a tenant has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreProgress {
    /// The store.
    pub store: &'static str,
    /// Things that are now sealed under the active key.
    pub resealed: u64,
    /// Things that do not open.
    pub damaged: u64,
    /// Things that somebody is writing: looked at again soon.
    pub waiting: u64,
    /// Whether everything in it has been looked at.
    pub done: bool,
}

/// How far a tenant's rotation is, since the platform started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The stores of the pass that runs, or of the last one.
    pub stores: Vec<StoreProgress>,
    /// Not looked at again before this time: something is damaged.
    pub again_at: Option<UnixMillis>,
}

impl Progress {
    fn begin(stores: &[Arc<dyn Resealable>]) -> Self {
        let each = |store: &Arc<dyn Resealable>| StoreProgress {
            store: store.name(),
            resealed: 0,
            damaged: 0,
            waiting: 0,
            done: false,
        };
        Self { stores: stores.iter().map(each).collect(), again_at: None }
    }

    fn resealed(&self) -> u64 {
        self.stores.iter().map(|store| store.resealed).sum()
    }

    fn damaged(&self) -> u64 {
        self.stores.iter().map(|store| store.damaged).sum()
    }

    fn waiting(&self) -> u64 {
        self.stores.iter().map(|store| store.waiting).sum()
    }
}

/// Reseals in the background. What it has to do stands in the store, so a kill costs the pass it was in.
pub struct Rotation {
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    stores: Vec<Arc<dyn Resealable>>,
    progress: Mutex<HashMap<TenantId, Progress>>,
    wake: Mutex<mpsc::Sender<()>>,
    woken: futures_util::lock::Mutex<mpsc::Receiver<()>>,
}

impl Rotation {
    pub(crate) fn new(vault: Arc<Vault>, clock: Arc<dyn Clock>, stores: Vec<Arc<dyn Resealable>>) -> Self {
        let (wake, woken) = mpsc::channel(1);
        Self { vault, clock, stores, progress: Mutex::default(), wake: Mutex::new(wake), woken: woken.into() }
    }

    /// Looks at every tenant that has keys on their way out, now and whenever there may be something to do, for ever. The
    /// composition root runs this once.
    pub async fn run(&self) {
        let mut woken = self.woken.lock().await;
        let unmoved: Vec<_> = self.unmoved().map(Kind::as_str).collect();
        if !unmoved.is_empty() {
            tracing::info!(
                kinds = unmoved.join(", "),
                "old data keys are kept: nothing here moves what they may seal"
            );
        }
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(%error, "resealing failed; it is tried again");
            }
            within(&*self.clock, EVERY, woken.next()).await;
        }
    }

    /// Looks at every such tenant once.
    ///
    /// # Errors
    /// When the store of keys fails. What one tenant's stores say is in the log, and others are not held up.
    pub async fn round(&self) -> Result<()> {
        let tenants = self.vault.store().rotating().await?;
        self.lock().retain(|tenant, _| tenants.contains(tenant));
        for tenant in tenants {
            if let Err(error) = self.tenant(tenant).await {
                tracing::error!(tenant.id = %tenant, %error, "resealing a tenant's data failed; it is tried again");
            }
        }
        Ok(())
    }

    /// How far a tenant's rotation is; `None` when none has been looked at since the platform started.
    pub(crate) fn progress(&self, tenant: TenantId) -> Option<Progress> {
        self.lock().get(&tenant).cloned()
    }

    /// There is something to do.
    pub(crate) fn wake(&self, tenant: TenantId) {
        self.lock().remove(&tenant);
        // Full means that it is woken already.
        let _ = self.wake.lock().unwrap_or_else(PoisonError::into_inner).try_send(());
    }

    async fn tenant(&self, tenant: TenantId) -> Result<()> {
        let again_at = self.lock().get(&tenant).and_then(|progress| progress.again_at);
        if again_at.is_some_and(|at| self.clock.now() < at) {
            return Ok(());
        }
        for _ in 0..PASSES {
            let begun = self.clock.now();
            let leaving = self.leaving(tenant, begun).await?;
            if leaving.is_empty() {
                return Ok(());
            }
            let ids: Vec<DataKeyId> = leaving.iter().map(|key| key.id).collect();
            let mut progress = Progress::begin(&self.stores);
            if !self.pass(tenant, &ids, &mut progress).await? {
                return Ok(());
            }
            if progress.damaged() > 0 {
                progress.again_at = Some(self.clock.now().after(DAMAGED_AGAIN));
                self.note(tenant, &progress);
                return Ok(());
            }
            if progress.resealed() == 0 {
                // What is being written is there or gone when it is looked at next, in a minute.
                let finished = progress.waiting() == 0;
                return if finished { self.move_on(&leaving, begun).await } else { Ok(()) };
            }
        }
        Ok(())
    }

    /// The tenant's keys on their way out that are worth a pass: with retiring ones all of them, without only those that
    /// have been kept long enough.
    async fn leaving(&self, tenant: TenantId, now: UnixMillis) -> Result<Vec<DataKey>> {
        let mut keys = self.vault.store().list(tenant).await?;
        keys.retain(|key| matches!(key.state, DataKeyState::Retiring | DataKeyState::Retired));
        let is_due = |key: &DataKey| key.state == DataKeyState::Retiring || self.may_go(key, now);
        if !keys.iter().any(is_due) {
            keys.clear();
        }
        Ok(keys)
    }

    /// Looks at everything once. `false` when the keys have changed meanwhile, so that it says nothing any more.
    async fn pass(&self, tenant: TenantId, ids: &[DataKeyId], progress: &mut Progress) -> Result<bool> {
        for (index, store) in self.stores.iter().enumerate() {
            let mut after: Option<String> = None;
            loop {
                let Resealed { changed, damaged, waiting, next } =
                    store.reseal(tenant, ids, after.as_deref(), STEP).await?;
                let so_far = &mut progress.stores[index];
                so_far.resealed += changed;
                so_far.damaged += damaged;
                so_far.waiting += waiting;
                so_far.done = next.is_none();
                self.note(tenant, progress);
                if next.is_none() || progress.stores[index].damaged >= MOST_DAMAGED {
                    break;
                }
                if next == after {
                    return Err(Error::internal(format_args!("{} lead nowhere at {after:?}", store.name())));
                }
                after = next;
                self.clock.sleep(PAUSE).await;
                if !self.still_leaving(tenant, ids).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn still_leaving(&self, tenant: TenantId, ids: &[DataKeyId]) -> Result<bool> {
        let keys = self.vault.store().list(tenant).await?;
        let leaves = |id: &DataKeyId| {
            keys.iter().any(|key| {
                key.id == *id && matches!(key.state, DataKeyState::Retiring | DataKeyState::Retired)
            })
        };
        Ok(ids.iter().all(leaves))
    }

    /// Kinds of things that no store here moves.
    fn unmoved(&self) -> impl Iterator<Item = Kind> {
        let moved: Vec<Kind> = self.stores.iter().flat_map(|store| store.kinds()).copied().collect();
        Kind::ALL.into_iter().filter(move |kind| !kind.stays_behind() && !moved.contains(kind))
    }

    /// A key that nothing was sealed under an hour ago, and that nothing which nobody looks at is sealed under either.
    fn may_go(&self, key: &DataKey, now: UnixMillis) -> bool {
        key.state == DataKeyState::Retired
            && now.since(key.since) >= KEPT_FOR
            && self.unmoved().next().is_none()
    }

    /// A whole pass, begun then, has found nothing under these keys: the next step of their lives.
    async fn move_on(&self, keys: &[DataKey], begun: UnixMillis) -> Result<()> {
        for key in keys {
            let moved = match key.state {
                DataKeyState::Retiring => self.vault.store().retire(key.tenant, key.id, begun).await,
                DataKeyState::Retired if self.may_go(key, begun) => {
                    tracing::info!(tenant.id = %key.tenant, key = %key.id, "a data key is deleted: nothing is sealed under it");
                    self.vault.store().delete(key.tenant, key.id).await
                }
                DataKeyState::Active | DataKeyState::Retired | DataKeyState::Destroyed => Ok(()),
            };
            self.vault.forget(key.tenant);
            match moved {
                // Another node was faster, or the tenant's data has been destroyed.
                Ok(()) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn note(&self, tenant: TenantId, progress: &Progress) {
        self.lock().insert(tenant, progress.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
