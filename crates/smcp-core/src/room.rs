//! Room in the platform's memory for bytes on their way to and from hosted code, shared out between tenants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use smcp_types::{Error, Refusal, Result, TenantId};

/// The most bytes that one tenant's may take at the same time.
const PER_TENANT: usize = 64 << 20;
/// The most bytes that all together may take.
const IN_ALL: usize = 256 << 20;

/// What they take: bytes that are being read, and bytes that whoever reads slowly has not taken yet.
#[derive(Debug, Default)]
pub struct Room {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    tenants: HashMap<TenantId, usize>,
}

/// What one answer or request takes; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    tenant: TenantId,
    bytes: usize,
}

impl Share {
    /// Nothing yet.
    #[must_use]
    pub fn new(room: &Arc<Room>, tenant: TenantId) -> Self {
        Self { room: Arc::clone(room), tenant, bytes: 0 }
    }

    /// Takes as much as this, more or less than before.
    ///
    /// # Errors
    /// `Unavailable` when the tenant, or all together, have no room left.
    pub fn set(&mut self, bytes: usize) -> Result<()> {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all = taken.in_all - self.bytes + bytes;
        let tenant = taken.tenants.get(&self.tenant).copied().unwrap_or_default() - self.bytes + bytes;
        if bytes > self.bytes && (in_all > IN_ALL || tenant > PER_TENANT) {
            let whose = if tenant > PER_TENANT { "this tenant's servers" } else { "all servers" };
            let message = format!("what is on its way for {whose} fills the room there is for it");
            return Err(Error::Unavailable(Refusal::new(message).hint("ask again, or for less at a time")));
        }
        taken.in_all = in_all;
        if tenant == 0 {
            taken.tenants.remove(&self.tenant);
        } else {
            taken.tenants.insert(self.tenant, tenant);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The bytes, which take their share until the last of them is gone.
    #[must_use]
    pub fn hold(self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { bytes, _share: self })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Less is always to be had.
        let _ = self.set(0);
    }
}

struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: TenantId = TenantId::from_bytes([1; 16]);

    #[test]
    fn a_tenant_fills_its_own_room_alone() {
        let room = Arc::new(Room::default());
        let share = |tenant: u8| Share::new(&room, TenantId::from_bytes([tenant; 16]));
        let (mut first, mut second) = (share(1), share(1));
        assert!(first.set(PER_TENANT - 10).is_ok() && second.set(10).is_ok());
        assert!(second.set(11).is_err(), "full");
        assert!(second.set(9).is_ok() && second.set(10).is_ok(), "less, and as much as before");
        let mut others: Vec<Share> = (2..5).map(share).collect();
        assert!(others.iter_mut().all(|other| other.set(PER_TENANT).is_ok()), "others have theirs");
        assert!(share(9).set(1).is_err(), "but not more than there is");
        let bytes = first.hold(vec![0; 3]);
        let part = bytes.slice(1..2);
        drop((bytes, others));
        assert!(second.set(11).is_err(), "still held by a part of it");
        drop(part);
        assert!(second.set(PER_TENANT).is_ok());
        drop(second);
        assert!(!room.taken.lock().unwrap().tenants.contains_key(&ONE));
    }
}
