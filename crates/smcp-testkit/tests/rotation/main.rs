//! Rotation of a tenant's data keys: while others write, killed between any two steps, with damaged things among them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod storage;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use proptest::{
    collection,
    prelude::{ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest},
};
use smcp_core::{
    Ctx, Opened, Platform, Ports, Stores,
    data_keys::DataKeys,
    keyring::Keyring,
    logbook::Logbook,
    ports::{Clock, DataKeyState, Resealable, Resealed, TenantRecord},
    secrets::Secrets,
    settings::{ExternalUrl, Settings},
    vault::{Kind, Place, Vault, key_of, rotation::KEPT_FOR},
};
use smcp_testkit::{
    CountingEntropy, FakeClock, MemoryDatabases, MemoryMasterKeys, MemoryStores, NoIsolates, NoTasks,
    open_keys,
};
use smcp_types::{DataKeyId, Error, RequestId, Result, TenantId};

/// Versions and sealed bytes by name.
type Things = BTreeMap<String, (u64, Vec<u8>)>;

/// A store of sealed things as any other: a version for each change, and updates that name the one they saw.
struct Shelf {
    vault: Arc<Vault>,
    kinds: &'static [Kind],
    things: Mutex<Things>,
}

/// Few, so that a pass has many steps.
const AT_ONCE: usize = 3;

impl Shelf {
    fn place(tenant: TenantId, key: &str, version: u64) -> Place<'_> {
        Place { tenant, kind: Kind::KvValue, namespace: "shelf", key, version }
    }

    async fn write(&self, tenant: TenantId, key: &str, value: &[u8]) {
        let version = self.things.lock().unwrap().get(key).map_or(0, |(version, _)| version + 1);
        let sealed = self.vault.seal(&Self::place(tenant, key, version), value).await.unwrap();
        self.things.lock().unwrap().insert(key.to_owned(), (version, sealed));
    }

    async fn read(&self, tenant: TenantId, key: &str) -> Result<Option<Vec<u8>>> {
        let Some((version, sealed)) = self.things.lock().unwrap().get(key).cloned() else { return Ok(None) };
        let plain = self.vault.open(&Self::place(tenant, key, version), &sealed).await?;
        Ok(Some(plain.to_vec()))
    }

    fn sealed_under(&self, id: DataKeyId) -> usize {
        self.things.lock().unwrap().values().filter(|(_, sealed)| key_of(sealed) == Some(id)).count()
    }
}

#[async_trait]
impl Resealable for Shelf {
    fn name(&self) -> &'static str {
        "things on a shelf"
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        _: u32,
    ) -> Result<Resealed> {
        let mut coming = self.things.lock().unwrap().clone();
        coming.retain(|key, _| after.is_none_or(|after| key.as_str() > after));
        let mut step = Resealed { next: coming.keys().nth(AT_ONCE - 1).cloned(), ..Resealed::default() };
        for (key, (version, sealed)) in coming.into_iter().take(AT_ONCE) {
            if key_of(&sealed).is_some_and(|id| !retiring.contains(&id)) {
                continue;
            }
            let plain = match self.vault.open(&Self::place(tenant, &key, version), &sealed).await {
                Ok(plain) => plain,
                Err(Error::Damaged(_)) => {
                    step.damaged += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let anew = self.vault.seal(&Self::place(tenant, &key, version + 1), &plain).await?;
            let mut things = self.things.lock().unwrap();
            if let Some(thing) = things.get_mut(&key).filter(|thing| thing.0 == version) {
                *thing = (version + 1, anew);
                step.changed += 1;
            }
        }
        Ok(step)
    }
}

struct World {
    stores: Stores,
    clock: Arc<FakeClock>,
    shelf: Arc<Shelf>,
    platform: Platform,
    admin: Ctx,
    tenant: TenantRecord,
}

/// Nothing here waits for anything.
fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap_or_else(|| panic!("it waits"))
}

impl World {
    fn new() -> Self {
        Self::of(&Kind::ALL)
    }

    /// A world whose shelf says that it moves these.
    fn of(kinds: &'static [Kind]) -> Self {
        let (stores, clock) = (MemoryStores::stores(), Arc::new(FakeClock::default()));
        let (opened, shelf) = start(&stores, &clock, (BTreeMap::new(), kinds));
        let Opened { platform, first_key } = opened;
        let caller = now(platform.identity().identify(first_key.unwrap().key.expose())).unwrap();
        let admin = Ctx { request_id: RequestId::from_bytes([1; 16]), caller };
        let tenant = now(platform.create_tenant(&admin, "home".parse().unwrap())).unwrap();
        Self { stores, clock, shelf, platform, admin, tenant }
    }

    /// As after kill -9: what was in memory is gone.
    fn restart(&mut self) {
        let things = self.shelf.things.lock().unwrap().clone();
        let (opened, shelf) = start(&self.stores, &self.clock, (things, self.shelf.kinds));
        (self.platform, self.shelf) = (opened.platform, shelf);
    }

    fn write(&self, key: &str, value: &[u8]) {
        now(self.shelf.write(self.tenant.id, key, value));
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>> {
        now(self.shelf.read(self.tenant.id, key))
    }

    fn rotate(&self) -> DataKeys {
        // Ids of keys made in the same millisecond have no order.
        self.clock.advance(Duration::from_millis(1));
        now(self.platform.rotate_data_keys(&self.admin, &self.tenant)).unwrap()
    }

    fn keys(&self) -> DataKeys {
        now(self.platform.data_keys(&self.admin, &self.tenant)).unwrap()
    }

    fn states(&self) -> Vec<DataKeyState> {
        self.keys().keys.iter().map(|key| key.state).collect()
    }

    fn round(&self, steps: usize, between: impl FnMut(usize)) -> bool {
        round(&self.platform, &self.clock, steps, between)
    }

    fn whole_round(&self) {
        assert!(self.round(1_000, |_| ()), "it does not end");
    }
}

/// Runs a round of resealing for so many steps, doing something between them; `false` when it was cut off there.
fn round(platform: &Platform, clock: &FakeClock, steps: usize, mut between: impl FnMut(usize)) -> bool {
    let mut round = pin!(platform.rotation().round());
    let mut context = Context::from_waker(Waker::noop());
    for step in 0..steps {
        match round.as_mut().poll(&mut context) {
            Poll::Ready(done) => {
                done.unwrap();
                return true;
            }
            Poll::Pending => {
                between(step);
                clock.advance(Duration::from_millis(2));
            }
        }
    }
    false
}

fn start(
    stores: &Stores,
    clock: &Arc<FakeClock>,
    (things, kinds): (Things, &'static [Kind]),
) -> (Opened, Arc<Shelf>) {
    let shared: Arc<dyn Clock> = clock.clone();
    let (ring, vault) = now(open_keys(stores, &shared)).unwrap();
    let shelf = Arc::new(Shelf { vault: vault.clone(), kinds, things: Mutex::new(things) });
    (open(stores, clock, (ring, vault), vec![shelf.clone()]), shelf)
}

/// A platform over these stores whose rotations move what is in `sealed`.
fn open(
    stores: &Stores,
    clock: &Arc<FakeClock>,
    (ring, vault): (Arc<Keyring>, Arc<Vault>),
    sealed: Vec<Arc<dyn Resealable>>,
) -> Opened {
    let shared: Arc<dyn Clock> = clock.clone();
    let secrets = Arc::new(Secrets::new(stores.secrets.clone(), vault.clone()));
    let entropy = Arc::new(CountingEntropy::default());
    let storage = smcp_testkit::memory_storage(vault.clone(), shared.clone(), entropy);
    let ports = Ports {
        clock: shared.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        tasks: Arc::new(NoTasks),
        isolates: Arc::new(NoIsolates),
        usage: Arc::new(NoIsolates),
        logbook: Arc::new(Logbook::new(stores.logs.clone(), secrets.clone(), shared)),
        secrets,
        storage,
        databases: Arc::new(MemoryDatabases::default()),
        ring,
        vault,
        master_keys: Arc::new(MemoryMasterKeys::default()),
        sealed,
        stores: stores.clone(),
    };
    let settings = Settings {
        external_url: ExternalUrl::parse("http://localhost:8787").unwrap(),
        allowed_origins: Vec::new(),
        networks: Vec::new(),
    };
    now(Platform::open(settings, ports)).unwrap()
}

use DataKeyState::{Active, Destroyed, Retired, Retiring};

#[test]
fn an_old_key_moves_out_and_is_deleted_an_hour_later() {
    let world = World::new();
    for number in 0..10 {
        world.write(&format!("thing-{number}"), &[number; 100]);
    }
    let old = world.keys().keys[0].id;
    assert_eq!(world.rotate().keys.len(), 2);
    assert_eq!((world.states(), world.shelf.sealed_under(old)), (vec![Retiring, Active], 10));
    world.whole_round();
    let progress = world.keys().progress.unwrap();
    let shelf = &progress.stores[0];
    assert_eq!(
        (shelf.store, shelf.resealed, shelf.done),
        ("things on a shelf", 0, true),
        "the last pass found nothing"
    );
    assert_eq!((world.states(), world.shelf.sealed_under(old)), (vec![Retired, Active], 0));
    world.clock.advance(KEPT_FOR - Duration::from_secs(1));
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active], "kept for what was on its way");
    world.clock.advance(Duration::from_secs(1));
    world.whole_round();
    assert_eq!(world.states(), [Active]);
    for number in 0..10 {
        assert_eq!(world.read(&format!("thing-{number}")), Ok(Some(vec![number; 100])));
    }
}

#[test]
fn what_was_on_its_way_when_the_pass_ended_is_found_an_hour_later() {
    let world = World::new();
    world.write("early", b"early");
    let place = Shelf::place(world.tenant.id, "late", 0);
    let late = now(world.shelf.vault.seal(&place, b"late")).unwrap();
    let old = key_of(&late).unwrap();
    world.rotate();
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active]);
    world.shelf.things.lock().unwrap().insert("late".to_owned(), (0, late));
    assert_eq!(world.read("late"), Ok(Some(b"late".to_vec())), "a retired key opens");
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!((world.states(), world.shelf.sealed_under(old)), (vec![Active], 0));
    assert_eq!(world.read("late"), Ok(Some(b"late".to_vec())));
}

#[test]
fn no_key_is_deleted_that_something_nobody_moves_may_need() {
    let world = World::of(&[Kind::KvValue]);
    world.write("thing", b"x");
    world.rotate();
    world.whole_round();
    world.clock.advance(2 * KEPT_FOR);
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active], "nobody moves objects here");
}

#[test]
fn a_damaged_thing_keeps_its_key_and_holds_nobody_up() {
    let world = World::new();
    for key in ["a", "b", "c", "d", "e"] {
        world.write(key, key.as_bytes());
    }
    world.shelf.things.lock().unwrap().get_mut("b").unwrap().1[40] ^= 1;
    world.rotate();
    world.whole_round();
    assert_eq!(world.states(), [Retiring, Active]);
    let progress = world.keys().progress.unwrap();
    assert_eq!((progress.stores[0].resealed, progress.stores[0].damaged), (4, 1));
    assert!(progress.again_at.is_some());
    for key in ["a", "c", "d", "e"] {
        assert_eq!(world.read(key), Ok(Some(key.as_bytes().to_vec())));
    }
    assert!(matches!(world.read("b"), Err(Error::Damaged(_))));
    // Mended from a backup: it opens, and is moved at the next look.
    world.shelf.things.lock().unwrap().get_mut("b").unwrap().1[40] ^= 1;
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active]);
    assert_eq!(world.read("b"), Ok(Some(b"b".to_vec())));
}

#[test]
fn a_store_full_of_damage_does_not_fill_the_log() {
    let world = World::new();
    for number in 0..1_200 {
        world.write(&format!("thing-{number:04}"), b"x");
    }
    world.shelf.things.lock().unwrap().values_mut().for_each(|thing| thing.1[40] ^= 1);
    world.rotate();
    world.whole_round();
    assert_eq!(world.states(), [Retiring, Active]);
    let shelf = world.keys().progress.unwrap().stores[0].clone();
    assert!((1_000..1_010).contains(&shelf.damaged) && !shelf.done, "{shelf:?}");
}

#[test]
fn destroyed_data_is_gone_and_what_comes_after_is_not() {
    let world = World::new();
    world.write("old", b"old");
    world.rotate();
    let keys = now(world.platform.destroy_data(&world.admin, &world.tenant)).unwrap();
    assert_eq!(keys.keys.iter().map(|key| key.state).collect::<Vec<_>>(), [Destroyed, Destroyed]);
    assert!(
        now(world.stores.data_keys.list(world.tenant.id)).unwrap().iter().all(|key| key.wrapped.is_empty())
    );
    let Err(Error::Damaged(refusal)) = world.read("old") else { panic!("it is readable") };
    assert!(refusal.message.contains("destroyed"), "{refusal}");
    world.whole_round();
    world.clock.advance(Duration::from_millis(1));
    world.write("new", b"new");
    assert_eq!(world.read("new"), Ok(Some(b"new".to_vec())));
    assert_eq!(world.states(), [Destroyed, Destroyed, Active]);
}

#[test]
fn destroyed_in_the_middle_of_a_pass() {
    let world = World::new();
    for number in 0..10 {
        world.write(&format!("thing-{number}"), b"x");
    }
    world.rotate();
    let ended = world.round(1_000, |step| {
        if step == 1 {
            now(world.platform.destroy_data(&world.admin, &world.tenant)).unwrap();
        }
    });
    assert!(ended);
    assert_eq!(world.states(), [Destroyed, Destroyed]);
    assert!((0..10).all(|number| world.read(&format!("thing-{number}")).is_err()));
}

#[test]
fn rotations_without_end_are_refused() {
    let world = World::new();
    for _ in 0..16 {
        world.rotate();
    }
    let refused = now(world.platform.rotate_data_keys(&world.admin, &world.tenant));
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    world.whole_round();
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!(world.rotate().keys.len(), 2);
}

#[derive(Clone, Debug)]
enum Move {
    Write(u8, u8),
    Rotate,
    /// A round of so many steps, then a kill; written between its steps.
    Round(usize, Vec<(u8, u8)>),
    Later,
}

fn moves() -> impl Strategy<Value = Move> {
    let write = || (0..12_u8, any::<u8>());
    prop_oneof![
        4 => write().prop_map(|(key, value)| Move::Write(key, value)),
        1 => proptest::strategy::Just(Move::Rotate),
        2 => (0..8_usize, collection::vec(write(), 0..6)).prop_map(|(steps, writes)| Move::Round(steps, writes)),
        1 => proptest::strategy::Just(Move::Later),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_lost_whoever_writes_and_whenever_it_is_killed(script in collection::vec(moves(), 1..40)) {
        let mut world = World::new();
        let mut expected: BTreeMap<u8, u8> = BTreeMap::new();
        for action in script {
            match action {
                Move::Write(key, value) => {
                    world.write(&key.to_string(), &[value]);
                    expected.insert(key, value);
                }
                // Refused when there are many: that is no loss.
                Move::Rotate => drop(now(world.platform.rotate_data_keys(&world.admin, &world.tenant))),
                Move::Round(steps, writes) => {
                    let mut writes = writes.into_iter();
                    world.round(steps, |_| {
                        if let Some((key, value)) = writes.next() {
                            world.write(&key.to_string(), &[value]);
                            expected.insert(key, value);
                        }
                    });
                    world.restart();
                }
                Move::Later => world.clock.advance(KEPT_FOR / 2),
            }
            for (key, value) in &expected {
                prop_assert_eq!(world.read(&key.to_string()), Ok(Some(vec![*value])));
            }
        }
        // Left in peace, it comes to its end: one key, and everything under it.
        for _ in 0..6 {
            world.whole_round();
            world.clock.advance(KEPT_FOR);
        }
        let keys = world.keys().keys;
        prop_assert_eq!(keys.iter().filter(|key| key.state != Active).count(), 0);
        for (key, value) in &expected {
            prop_assert_eq!(world.read(&key.to_string()), Ok(Some(vec![*value])));
        }
        if let Some(active) = keys.first() {
            prop_assert_eq!(world.shelf.sealed_under(active.id), expected.len());
        }
    }
}
