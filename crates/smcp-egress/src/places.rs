//! How many requests are under way at once, so that no server and no tenant takes what the others need.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use smcp_core::ports::Workload;
use smcp_types::TenantId;

/// From this part of all places on (in quarters), only those get one who have few.
const SPARSE_FROM_QUARTERS: u32 = 3;
/// What few are.
const FEW: u32 = 8;

/// The most requests at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Of one process.
    pub process: u32,
    /// Of all processes of a tenant.
    pub tenant: u32,
    /// Of the node.
    pub node: u32,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { process: 32, tenant: 128, node: 1024 }
    }
}

/// Whose places are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Process,
    Tenant,
    Node,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Places {
    most: Concurrency,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    tenants: HashMap<TenantId, u32>,
    /// By the address of the workload, which a place keeps alive: it is nobody else's meanwhile.
    processes: HashMap<usize, u32>,
}

/// One of them, free again when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    from: Arc<Workload>,
}

impl Places {
    pub(crate) fn new(most: Concurrency) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    pub(crate) fn take(self: &Arc<Self>, from: &Arc<Workload>) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = taken.tenants.get(&from.version.tenant).copied().unwrap_or(0);
        let process = taken.processes.get(&address(from)).copied().unwrap_or(0);
        let sparse = taken.all >= self.most.node / 4 * SPARSE_FROM_QUARTERS;
        if process >= self.most.process {
            return Err(Full::Process);
        }
        if tenant >= self.most.tenant {
            return Err(Full::Tenant);
        }
        if taken.all >= self.most.node || (sparse && tenant >= FEW) {
            return Err(Full::Node);
        }
        taken.all += 1;
        *taken.tenants.entry(from.version.tenant).or_default() += 1;
        *taken.processes.entry(address(from)).or_default() += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), from: Arc::clone(from) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        give_back(&mut taken.tenants, self.from.version.tenant);
        give_back(&mut taken.processes, address(&self.from));
    }
}

fn address(workload: &Arc<Workload>) -> usize {
    Arc::as_ptr(workload).addr()
}

fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
