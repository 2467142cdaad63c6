//! What hosted code has used since the platform started, by version; what is deleted counts for its tenant alone.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smcp_core::{
    fleet::Generation,
    ports::{Usage, VersionRef},
};
use smcp_types::{ServerId, TenantId};

use crate::account::Account;

/// The most servers whose trials are kept apart; those of others count for their tenant alone.
const MAX_TRIED: usize = 10_000;

/// The ledger, for all who enter something.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Ledger>>);

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Run {
    /// Of a stored version.
    Of(Generation),
    /// The trial with a number.
    Trial(u64),
}

/// The sums. Bounded by the versions and tenants there are.
#[derive(Default)]
pub(crate) struct Ledger {
    running: HashMap<Run, (VersionRef, Arc<Account>)>,
    ended: HashMap<VersionRef, Usage>,
    /// Trials that have ended, by server: their versions may never have been stored.
    tried: HashMap<(TenantId, ServerId), Usage>,
    trials: u64,
    /// Deleted versions that still run.
    leaving: HashSet<VersionRef>,
    deleted: HashMap<TenantId, Usage>,
}

impl Books {
    pub(crate) fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// A process was started.
    pub(super) fn open(&mut self, version: VersionRef, run: Run, account: Arc<Account>) {
        self.running.insert(run, (version, account));
    }

    /// A trial was started. To be closed like every other process.
    pub(crate) fn open_trial(&mut self, version: VersionRef, account: Arc<Account>) -> Run {
        self.trials += 1;
        let run = Run::Trial(self.trials);
        self.open(version, run, account);
        run
    }

    /// It has ended; `broken` says that it broke a limit.
    pub(crate) fn close(&mut self, version: &VersionRef, run: Run, broken: bool) {
        let used = self.running.remove(&run).map(|(_, account)| account.usage()).unwrap_or_default();
        let used = Usage { limit_kills: u64::from(broken), memory_now: 0, ..used };
        let sum = match run {
            Run::Of(_) => self.ended.entry(*version).or_default(),
            Run::Trial(_) => self.tried(version),
        };
        *sum = sum.plus(used);
        if self.leaving.contains(version) {
            self.delete(version);
        }
    }

    fn tried(&mut self, version: &VersionRef) -> &mut Usage {
        let server = (version.tenant, version.server);
        if self.tried.len() >= MAX_TRIED && !self.tried.contains_key(&server) {
            return self.deleted.entry(version.tenant).or_default();
        }
        self.tried.entry(server).or_default()
    }

    /// The version is gone for good.
    pub(super) fn delete(&mut self, version: &VersionRef) {
        if self.running.values().any(|(running, _)| running == version) {
            self.leaving.insert(*version);
            return;
        }
        self.leaving.remove(version);
        if let Some(used) = self.ended.remove(version) {
            let sum = self.deleted.entry(version.tenant).or_default();
            *sum = sum.plus(used);
        }
    }

    pub(super) fn server(&self, tenant: TenantId, server: ServerId) -> Usage {
        let tried = self.tried.get(&(tenant, server)).copied().unwrap_or_default();
        self.sum(|version| version.tenant == tenant && version.server == server).plus(tried)
    }

    pub(super) fn tenant(&self, tenant: TenantId) -> Usage {
        let deleted = self.deleted.get(&tenant).copied().unwrap_or_default();
        let tried = self.tried.iter().filter(|((owner, _), _)| *owner == tenant).map(|(_, used)| *used);
        tried.fold(self.sum(|version| version.tenant == tenant).plus(deleted), Usage::plus)
    }

    fn sum(&self, counts: impl Fn(&VersionRef) -> bool) -> Usage {
        let ended = self.ended.iter().filter(|(version, _)| counts(version)).map(|(_, used)| *used);
        let running = self.running.values().filter(|(version, _)| counts(version));
        ended.chain(running.map(|(_, account)| account.usage())).fold(Usage::default(), Usage::plus)
    }
}
