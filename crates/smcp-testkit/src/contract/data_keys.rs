//! The rules of data keys and of the change of master key.

use smcp_core::{
    Stores,
    ports::{DataKey, DataKeyState, Rewrap, StoreError},
};
use smcp_types::{DataKeyId, MasterKeyId, TenantId, UnixMillis};

use super::{ONE, TWO};

const MASTER: MasterKeyId = MasterKeyId::from_bytes([0x11; 16]);
const NEXT: MasterKeyId = MasterKeyId::from_bytes([0x12; 16]);

/// Something wrapped, as far as a store can tell: the format, the master key's name, the rest.
fn wrapped(master: MasterKeyId, rest: u8) -> Vec<u8> {
    [&[1], master.as_bytes().as_slice(), &[rest; 20]].concat()
}

fn key(tenant: TenantId, id: u8, state: DataKeyState, since: i64) -> DataKey {
    DataKey {
        tenant,
        id: DataKeyId::from_bytes([id; 16]),
        state,
        created_at: UnixMillis(i64::from(id)),
        since: UnixMillis(since),
        wrapped: if state == DataKeyState::Destroyed { Vec::new() } else { wrapped(MASTER, id) },
    }
}

/// Checks them. Panics at the first rule that does not hold.
pub(super) async fn check(stores: &Stores) {
    one_active_key(stores).await;
    life(stores).await;
    change_of_master(stores).await;
    destruction(stores).await;
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn one_active_key(stores: &Stores) {
    let keys = &stores.data_keys;
    assert_eq!(stores.ring.claim(MASTER).await, Ok(MASTER));
    assert_eq!(stores.ring.claim(NEXT).await, Ok(MASTER), "there is one master key");
    let first = key(ONE, 1, DataKeyState::Active, 1);
    assert_eq!(keys.create(&first, NEXT).await, Err(StoreError::Stale), "not under another master key");
    keys.create(&first, MASTER).await.unwrap();
    let second = key(ONE, 2, DataKeyState::Active, 2);
    assert_eq!(keys.create(&second, MASTER).await, Err(StoreError::Taken), "one active key");
    keys.create(&key(TWO, 9, DataKeyState::Active, 9), MASTER).await.unwrap();
    let nobody = key(TenantId::from_bytes([0x77; 16]), 3, DataKeyState::Active, 3);
    assert_eq!(keys.create(&nobody, MASTER).await, Err(StoreError::Stale), "no such tenant");
    assert_eq!(keys.list(ONE).await, Ok(vec![first]));
    assert_eq!(keys.rotating().await, Ok(vec![]));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn life(stores: &Stores) {
    let keys = &stores.data_keys;
    let second = key(ONE, 2, DataKeyState::Active, 20);
    assert_eq!(keys.rotate(&second, NEXT).await, Err(StoreError::Stale));
    assert_eq!(keys.list(ONE).await, Ok(vec![key(ONE, 1, DataKeyState::Active, 1)]), "nothing half done");
    keys.rotate(&second, MASTER).await.unwrap();
    assert_eq!(keys.list(ONE).await, Ok(vec![key(ONE, 1, DataKeyState::Retiring, 20), second.clone()]));
    assert_eq!(keys.rotating().await, Ok(vec![ONE]));
    let first = DataKeyId::from_bytes([1; 16]);
    assert_eq!(keys.delete(ONE, first).await, Err(StoreError::Stale), "not before it is retired");
    assert_eq!(
        keys.retire(ONE, second.id, UnixMillis(30)).await,
        Err(StoreError::Stale),
        "not the active one"
    );
    assert_eq!(keys.retire(TWO, first, UnixMillis(30)).await, Err(StoreError::Stale), "not a neighbour's");
    keys.retire(ONE, first, UnixMillis(30)).await.unwrap();
    assert_eq!(keys.list(ONE).await.unwrap()[0], key(ONE, 1, DataKeyState::Retired, 30));
    assert_eq!(keys.rotating().await, Ok(vec![ONE]));
    assert_eq!(keys.delete(TWO, first).await, Err(StoreError::Stale), "not a neighbour's");
    keys.delete(ONE, first).await.unwrap();
    assert_eq!(keys.list(ONE).await, Ok(vec![second]));
    assert_eq!(keys.rotating().await, Ok(vec![]));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn change_of_master(stores: &Stores) {
    let ring: Vec<_> = stores.ring.list().await.unwrap().iter().map(|k| (k.id, wrapped(NEXT, 0))).collect();
    let all = stores.data_keys.all().await.unwrap();
    assert_eq!(all.len(), 2);
    let data: Vec<_> = all.iter().map(|k| (k.tenant, k.id, wrapped(NEXT, 0))).collect();
    let whole = Rewrap { from: MASTER, to: NEXT, ring, data };
    let wrong = [
        Rewrap { from: NEXT, to: MASTER, ..whole.clone() },
        Rewrap { data: whole.data[1..].to_vec(), ..whole.clone() },
        Rewrap { ring: Vec::new(), ..whole.clone() },
    ];
    for change in wrong {
        assert_eq!(stores.ring.rewrap(change).await, Err(StoreError::Stale));
        assert_eq!(stores.data_keys.all().await, Ok(all.clone()), "nothing half done");
        assert_eq!(stores.ring.claim(NEXT).await, Ok(MASTER));
    }
    stores.ring.rewrap(whole.clone()).await.unwrap();
    assert_eq!(stores.ring.claim(MASTER).await, Ok(NEXT));
    assert!(stores.data_keys.all().await.unwrap().iter().all(|k| k.wrapped == wrapped(NEXT, 0)));
    assert!(stores.ring.list().await.unwrap().iter().all(|k| k.wrapped == wrapped(NEXT, 0)));
    assert_eq!(stores.ring.rewrap(whole).await, Err(StoreError::Stale), "once");
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn destruction(stores: &Stores) {
    let keys = &stores.data_keys;
    assert_eq!(keys.destroy(ONE, UnixMillis(50)).await, Ok(1));
    assert_eq!(keys.destroy(ONE, UnixMillis(60)).await, Ok(0), "once");
    assert_eq!(keys.list(ONE).await, Ok(vec![key(ONE, 2, DataKeyState::Destroyed, 50)]));
    assert_eq!(keys.all().await.unwrap().len(), 1, "the neighbour's is still there");
    // A change of master key that was prepared before brings nothing back.
    let ring = stores.ring.list().await.unwrap().iter().map(|k| (k.id, wrapped(MASTER, 0))).collect();
    let late = DataKeyId::from_bytes([2; 16]);
    let neighbour = keys.list(TWO).await.unwrap().remove(0).id;
    let data = vec![(ONE, late, wrapped(MASTER, 0)), (TWO, neighbour, wrapped(MASTER, 0))];
    stores.ring.rewrap(Rewrap { from: NEXT, to: MASTER, ring, data }).await.unwrap();
    assert_eq!(keys.list(ONE).await, Ok(vec![key(ONE, 2, DataKeyState::Destroyed, 50)]));
    let next = key(ONE, 3, DataKeyState::Active, 70);
    keys.create(&next, MASTER).await.unwrap();
    assert_eq!(keys.list(ONE).await.unwrap()[1], next);
}
