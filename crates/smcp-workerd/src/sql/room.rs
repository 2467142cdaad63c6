//! How many databases have a process at once, and how much memory their requests take: for the node, and for each tenant
//! no more than its share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smcp_types::TenantId;
use tokio::sync::Notify;

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Most {
    pub(super) node: usize,
    pub(super) tenant: usize,
}

/// A number of places, held by tenants.
#[derive(Clone, Debug)]
pub(super) struct Room {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: Most,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_tenant: HashMap<TenantId, usize>,
}

/// Some places, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    tenant: TenantId,
    places: usize,
    shared: Arc<Shared>,
}

/// Whose places are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Node,
    Tenant,
}

impl Room {
    pub(super) fn new(most: Most) -> Self {
        Self { shared: Arc::new(Shared { most, taken: Mutex::default(), freed: Notify::new() }) }
    }

    /// Takes some places, if they are free.
    pub(super) fn take(&self, tenant: TenantId, places: usize) -> Result<Held, Full> {
        let mut taken = self.shared.lock();
        let own = taken.by_tenant.get(&tenant).copied().unwrap_or(0);
        if own + places > self.shared.most.tenant {
            return Err(Full::Tenant);
        }
        if taken.all + places > self.shared.most.node {
            return Err(Full::Node);
        }
        taken.all += places;
        taken.by_tenant.insert(tenant, own + places);
        Ok(Held { tenant, places, shared: Arc::clone(&self.shared) })
    }

    /// Takes some places as soon as they are free. More than a tenant may ever have are never free.
    pub(super) async fn wait(&self, tenant: TenantId, places: usize) -> Held {
        loop {
            let mut freed = std::pin::pin!(self.shared.freed.notified());
            freed.as_mut().enable();
            match self.take(tenant, places) {
                Ok(held) => return held,
                Err(Full::Node | Full::Tenant) => freed.await,
            }
        }
    }

    /// How many a tenant has.
    pub(super) fn of(&self, tenant: TenantId) -> usize {
        self.shared.lock().by_tenant.get(&tenant).copied().unwrap_or(0)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Every change of it is a few additions.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.shared.lock();
        taken.all -= self.places;
        if let Some(own) = taken.by_tenant.get_mut(&self.tenant) {
            *own -= self.places;
            if *own == 0 {
                taken.by_tenant.remove(&self.tenant);
            }
        }
        drop(taken);
        self.shared.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_has_no_more_than_its_share() {
        let room = Room::new(Most { node: 3, tenant: 2 });
        let [one, two] = [1, 2].map(|byte| TenantId::from_bytes([byte; 16]));
        let first = room.take(one, 1).unwrap();
        let _second = room.take(one, 1).unwrap();
        assert_eq!(room.take(one, 1).unwrap_err(), Full::Tenant);
        let _third = room.take(two, 1).unwrap();
        assert_eq!(room.take(two, 1).unwrap_err(), Full::Node);
        let (held, ()) = tokio::join!(room.wait(two, 1), async { drop(first) });
        assert_eq!((room.of(one), room.of(two)), (1, 2));
        drop(held);
        assert_eq!(room.of(two), 1);
    }
}
