//! The vault: what is sealed opens where it belongs, whole, and nowhere else; keys live, move and die as they should.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use proptest::{
    collection,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
};
use smcp_core::{
    Stores,
    ports::{Clock, DataKeyState, TenantRecord},
    vault::{Kind, Place, Vault, key_of},
};
use smcp_testkit::{FakeClock, MemoryStores, open_keys};
use smcp_types::{Error, LimitSet, Result, TenantId, UnixMillis};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const TWO: TenantId = TenantId::from_bytes([2; 16]);

/// Nothing here waits for anything.
fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap_or_else(|| panic!("it waits"))
}

struct World {
    vault: Arc<Vault>,
    stores: Stores,
    clock: Arc<FakeClock>,
}

impl World {
    fn new() -> Self {
        let stores = MemoryStores::stores();
        for (id, slug) in [(ONE, "one"), (TWO, "two")] {
            let slug = slug.parse().unwrap();
            let record = TenantRecord { id, slug, created_at: UnixMillis(0), ceilings: LimitSet::default() };
            now(stores.tenants.create(&record)).unwrap();
        }
        let clock = Arc::new(FakeClock::default());
        let vault = Self::open(&stores, &clock);
        Self { vault, stores, clock }
    }

    fn open(stores: &Stores, clock: &Arc<FakeClock>) -> Arc<Vault> {
        let clock: Arc<dyn Clock> = clock.clone();
        now(open_keys(stores, &clock)).unwrap().1
    }

    /// The vault of another node, or of this one after a restart.
    fn other_node(&self) -> Arc<Vault> {
        Self::open(&self.stores, &self.clock)
    }

    fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        now(self.vault.seal(place, plain)).unwrap()
    }
}

fn open(vault: &Vault, place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
    now(vault.open(place, sealed)).map(|plain| plain.to_vec())
}

fn is_damaged<T: std::fmt::Debug>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Damaged(_)))
}

const HERE: Place<'static> =
    Place { tenant: ONE, kind: Kind::KvValue, namespace: "notes", key: "a/b", version: 3 };

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Secret), Just(Kind::KvValue), Just(Kind::ObjectChunk), Just(Kind::Bundle)]
}

type Spot = (TenantId, Kind, String, String, u64);

fn spots() -> impl Strategy<Value = Spot> {
    // Few and short, so that they meet, and that parts flow into one another.
    let name = || "[ab]{0,3}".prop_map(|text| text);
    (prop_oneof![Just(ONE), Just(TWO)], kinds(), name(), name(), 0..3_u64)
}

fn place(spot: &Spot) -> Place<'_> {
    let (tenant, kind, namespace, key, version) = spot;
    Place { tenant: *tenant, kind: *kind, namespace, key, version: *version }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn opens_where_it_belongs_and_nowhere_else(
        here in spots(), there in spots(), plain in collection::vec(any::<u8>(), 0..300),
    ) {
        let world = World::new();
        let sealed = world.seal(&place(&here), &plain);
        prop_assert_eq!(open(&world.vault, &place(&here), &sealed), Ok(plain.clone()));
        if here != there {
            prop_assert!(is_damaged(&open(&world.vault, &place(&there), &sealed)));
        }
        prop_assert!(plain.len() < 16 || !sealed.windows(16).any(|window| window == &plain[..16]));
    }

    #[test]
    fn a_bit_that_turned_is_found(plain in collection::vec(any::<u8>(), 0..80), at in any::<usize>(), bit in 0..8_u8) {
        let world = World::new();
        let mut sealed = world.seal(&HERE, &plain);
        let at = at % sealed.len();
        sealed[at] ^= 1 << bit;
        prop_assert!(is_damaged(&open(&world.vault, &HERE, &sealed)));
        prop_assert!(is_damaged(&open(&world.vault, &HERE, &sealed[..at])));
    }
}

#[test]
fn kinds_have_names_of_their_own() {
    let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
}

#[test]
fn rows_cannot_be_swapped() {
    let world = World::new();
    let sealed = world.seal(&HERE, b"mine");
    let elsewhere = [
        Place { tenant: TWO, ..HERE },
        Place { kind: Kind::KvMetadata, ..HERE },
        Place { namespace: "note", key: "sa/b", ..HERE },
        Place { key: "a/c", ..HERE },
        Place { version: 4, ..HERE },
    ];
    for place in elsewhere {
        let refused = open(&world.vault, &place, &sealed);
        let Err(Error::Damaged(refusal)) = refused else { panic!("{place:?}: {refused:?}") };
        let private = refusal.private.unwrap();
        assert!(
            private.contains(&format!("{:?}", place.key)) && private.contains(place.kind.as_str()),
            "{private}"
        );
        assert!(
            !format!("{}{:?}", refusal.message, refusal.hint).contains(place.key),
            "names are for the log"
        );
    }
    assert_eq!(open(&world.vault, &HERE, &sealed), Ok(b"mine".to_vec()));
}

#[test]
fn a_tenants_first_use_makes_its_key_and_a_restart_finds_it() {
    let world = World::new();
    assert_eq!(now(world.stores.data_keys.list(ONE)), Ok(vec![]));
    let sealed = world.seal(&HERE, b"mine");
    let keys = now(world.stores.data_keys.list(ONE)).unwrap();
    assert_eq!(
        keys.iter().map(|key| (key.state, key.id)).collect::<Vec<_>>(),
        [(DataKeyState::Active, key_of(&sealed).unwrap())]
    );
    assert_eq!(now(world.stores.data_keys.list(TWO)), Ok(vec![]), "nobody else has one");
    assert_eq!(open(&world.other_node(), &HERE, &sealed), Ok(b"mine".to_vec()));
}

#[test]
fn nobody_reads_with_another_tenants_key() {
    let world = World::new();
    let (mine, theirs) = (world.seal(&HERE, b"mine"), world.seal(&Place { tenant: TWO, ..HERE }, b"theirs"));
    // The id of the neighbour's key put into my row: there is no such key among mine.
    let mut forged = mine.clone();
    forged[1..17].copy_from_slice(key_of(&theirs).unwrap().as_bytes());
    assert!(is_damaged(&open(&world.vault, &HERE, &forged)));
    assert!(is_damaged(&open(&world.vault, &HERE, &theirs)));
}

#[test]
fn another_node_takes_a_new_key_within_a_minute() {
    let world = World::new();
    let other = world.other_node();
    let sealed = now(other.seal(&HERE, b"mine")).unwrap();
    let destroyed = now(world.stores.data_keys.destroy(ONE, UnixMillis(1))).unwrap();
    assert_eq!(destroyed, 1);
    assert_eq!(open(&other, &HERE, &sealed), Ok(b"mine".to_vec()), "it still holds the key");
    world.clock.advance(Duration::from_secs(60));
    let gone = open(&other, &HERE, &sealed);
    let Err(Error::Damaged(refusal)) = gone else { panic!("{gone:?}") };
    assert!(refusal.message.contains("destroyed"), "{refusal}");
    let anew = now(other.seal(&HERE, b"anew")).unwrap();
    assert_ne!(key_of(&anew), key_of(&sealed));
    assert_eq!(open(&world.vault, &HERE, &anew), Ok(b"anew".to_vec()));
}
