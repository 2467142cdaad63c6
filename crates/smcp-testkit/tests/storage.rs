//! KV over the real vault: its limits, its cursors, and rows that somebody moved.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{sync::Arc, time::Duration};

use smcp_core::{
    ports::{Clock as _, KvRows as _},
    storage::{
        Storage, StorageParts, Store,
        kv::{Expiry, ListKeys, NewEntry},
        scratch::Scratch,
    },
};
use smcp_testkit::{CountingEntropy, FakeClock, check_kv_rows, check_sealed_rows, vault};
use smcp_types::{Error, TenantId};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const TWO: TenantId = TenantId::from_bytes([2; 16]);

struct Bench {
    storage: Storage,
    rows: Arc<Scratch>,
    clock: Arc<FakeClock>,
}

async fn bench() -> Bench {
    let (rows, clock) = (Arc::new(Scratch::default()), Arc::new(FakeClock::default()));
    let storage = Storage::new(StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows.clone(),
        blobs: rows.clone(),
        sealer: vault(&[ONE, TWO]).await.unwrap(),
        clock: clock.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        quota: 1 << 20,
    });
    Bench { storage, rows, clock }
}

fn store(tenant: TenantId, name: &str) -> Store<'_> {
    Store { tenant, name }
}

fn entry(value: &[u8]) -> NewEntry<'_> {
    NewEntry { value, metadata: None, expiry: Expiry::default() }
}

#[tokio::test]
async fn rows_in_memory_keep_the_contract() {
    check_kv_rows(&Scratch::default()).await;
    check_sealed_rows(&Scratch::default()).await;
}

#[tokio::test]
async fn keys_values_and_times_have_cloudflares_limits() {
    let Bench { storage, clock, .. } = bench().await;
    let kv = &storage.kv;
    let at = store(ONE, "n");
    for key in ["", ".", "..", &"k".repeat(513)] {
        assert!(matches!(kv.put(at, key, entry(b"v")).await, Err(Error::Invalid(_))), "{key:?}");
    }
    kv.put(at, &"k".repeat(512), entry(b"v")).await.unwrap();
    let now = clock.now().0 / 1000;
    let expiring = |expiry| NewEntry { expiry, ..entry(b"v") };
    for bad in [
        Expiry { ttl: Some(59), at: None },
        Expiry { ttl: Some(i64::MAX), at: None },
        Expiry { ttl: None, at: Some(now + 59) },
    ] {
        assert!(matches!(kv.put(at, "t", expiring(bad)).await, Err(Error::Invalid(_))), "{bad:?}");
    }
    kv.put(at, "t", expiring(Expiry { ttl: Some(60), at: None })).await.unwrap();
    clock.advance(Duration::from_secs(59));
    assert!(kv.get(at, "t").await.unwrap().is_some());
    clock.advance(Duration::from_secs(1));
    assert!(kv.get(at, "t").await.unwrap().is_none());
    let long = format!("\"{}\"", "m".repeat(1023));
    for metadata in ["{", "", long.as_str()] {
        let new = NewEntry { metadata: Some(metadata), ..entry(b"v") };
        assert!(kv.put(at, "m", new).await.is_err(), "{metadata}");
    }
    let full = kv.put(at, "big", entry(&vec![0; 1 << 20])).await.unwrap_err();
    assert!(full.to_string().contains("quota of 1048576 bytes"), "{full}");
}

#[tokio::test]
async fn what_has_expired_is_not_in_the_way_of_what_is_new() {
    let Bench { storage, clock, .. } = bench().await;
    let at = store(ONE, "n");
    let half = vec![0; 600 << 10];
    let expiry = Expiry { ttl: Some(60), at: None };
    storage.kv.put(at, "a", NewEntry { expiry, ..entry(&half) }).await.unwrap();
    assert!(storage.kv.put(at, "b", entry(&half)).await.is_err());
    clock.advance(Duration::from_secs(60));
    storage.kv.put(at, "b", entry(&half)).await.unwrap();
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_namespace_alone() {
    let Bench { storage, .. } = bench().await;
    for tenant in [ONE, TWO] {
        for namespace in ["n", "m"] {
            for key in ["a", "b", "c"] {
                storage.kv.put(store(tenant, namespace), key, entry(b"v")).await.unwrap();
            }
        }
    }
    let list = async |at, cursor: Option<&str>| {
        storage.kv.list(at, ListKeys { limit: Some(2), cursor, ..ListKeys::default() }).await
    };
    let first = list(store(ONE, "n"), None).await.unwrap();
    let cursor = first.cursor.unwrap();
    let second = list(store(ONE, "n"), Some(&cursor)).await.unwrap();
    assert_eq!((second.keys[0].name.as_str(), second.keys.len(), second.cursor), ("c", 1, None));
    let bent = format!("{}A", &cursor[..cursor.len() - 1]);
    for (at, text) in [
        (store(TWO, "n"), cursor.as_str()),
        (store(ONE, "m"), &cursor),
        (store(ONE, "n"), &bent),
        (store(ONE, "n"), "YQ"),
        (store(ONE, "n"), "!"),
    ] {
        let refused = list(at, Some(text)).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{refused}");
    }
}

#[tokio::test]
async fn rows_that_were_swapped_or_bent_do_not_open_and_harm_no_other() {
    let Bench { storage, rows, clock } = bench().await;
    let at = store(ONE, "n");
    for key in ["a", "b", "c"] {
        storage.kv.put(at, key, NewEntry { metadata: Some("1"), ..entry(key.as_bytes()) }).await.unwrap();
    }
    let read = async |key| rows.get(ONE, "n", key, clock.now()).await.unwrap().unwrap();
    let (a, mut b) = (read("a").await, read("b").await);
    b.value = a.value;
    rows.put(ONE, "n", &b, 1 << 20).await.unwrap();
    let mut stolen = read("c").await;
    stolen.key = "d".to_owned();
    rows.put(ONE, "n", &stolen, 1 << 20).await.unwrap();
    for key in ["b", "d"] {
        match storage.kv.get(at, key).await {
            Err(Error::Damaged(refusal)) => assert!(refusal.private.unwrap().contains(key)),
            _ => panic!("{key} opened"),
        }
    }
    assert_eq!(storage.kv.get(at, "a").await.unwrap().unwrap().value.as_slice(), b"a");
    assert_eq!(storage.kv.get(at, "c").await.unwrap().unwrap().metadata.as_deref(), Some("1"));
}
