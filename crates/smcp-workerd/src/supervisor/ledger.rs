//! What hosted code has used since the platform started, by version; what is deleted counts for its tenant alone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use smcp_core::{
    fleet::Generation,
    ports::{Usage, VersionRef},
};
use smcp_types::{ServerId, TenantId};

use crate::account::Account;

/// The sums. Bounded by the versions and tenants there are.
#[derive(Default)]
pub(super) struct Ledger {
    running: HashMap<Generation, (VersionRef, Arc<Account>)>,
    ended: HashMap<VersionRef, Usage>,
    /// Deleted versions that still run.
    leaving: HashSet<VersionRef>,
    deleted: HashMap<TenantId, Usage>,
}

impl Ledger {
    /// A process was started.
    pub(super) fn open(&mut self, version: VersionRef, generation: Generation, account: Arc<Account>) {
        self.running.insert(generation, (version, account));
    }

    /// It has ended; `broken` says that it broke a limit.
    pub(super) fn close(&mut self, version: &VersionRef, generation: Generation, broken: bool) {
        let used = self.running.remove(&generation).map(|(_, account)| account.usage()).unwrap_or_default();
        let used = Usage { limit_kills: u64::from(broken), memory_now: 0, ..used };
        let sum = self.ended.entry(*version).or_default();
        *sum = sum.plus(used);
        if self.leaving.contains(version) {
            self.delete(version);
        }
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
        self.sum(|version| version.tenant == tenant && version.server == server)
    }

    pub(super) fn tenant(&self, tenant: TenantId) -> Usage {
        let deleted = self.deleted.get(&tenant).copied().unwrap_or_default();
        self.sum(|version| version.tenant == tenant).plus(deleted)
    }

    fn sum(&self, counts: impl Fn(&VersionRef) -> bool) -> Usage {
        let ended = self.ended.iter().filter(|(version, _)| counts(version)).map(|(_, used)| *used);
        let running = self.running.values().filter(|(version, _)| counts(version));
        ended.chain(running.map(|(_, account)| account.usage())).fold(Usage::default(), Usage::plus)
    }
}
