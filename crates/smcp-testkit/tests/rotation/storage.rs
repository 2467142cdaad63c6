//! Rotation with what hosted code stores: KV values, objects, uploads and secrets, written, read and deleted meanwhile.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _};
use proptest::{
    collection,
    prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest},
};
use smcp_core::{
    Ctx, Opened, Platform, Stores,
    ports::{
        Blobs as _, Clock, DataKeyState, HostedBody, Kind, NewServer, Place, SealedRows, SecretRecord,
        SecretSource as _, SegmentRow,
    },
    secrets::Secrets,
    storage::{
        Storage, StorageParts, Store,
        kv::{Expiry, NewEntry},
        objects::{
            NewObject, Outcome, UploadedPart,
            head::{Checksums, Labels},
        },
        scratch::Scratch,
    },
    vault::{SEAL_BYTES, Vault, key_of, rotation::KEPT_FOR},
};
use smcp_testkit::{CountingEntropy, FakeClock, MemoryStores, open_keys};
use smcp_types::{DataKeyId, Error, RequestId, ServerId, TenantId, UnixMillis};

use crate::{now, open, round};

struct World {
    stores: Stores,
    clock: Arc<FakeClock>,
    rows: Arc<Scratch>,
    entropy: Arc<CountingEntropy>,
    vault: Arc<Vault>,
    storage: Storage,
    platform: Platform,
    admin: Option<Ctx>,
    tenant: smcp_core::ports::TenantRecord,
}

const SERVER: ServerId = ServerId::from_bytes([3; 16]);

fn body(content: &[u8]) -> HostedBody {
    Box::pin(futures_util::stream::iter([Ok(content.to_vec().into())]))
}

fn assemble(
    stores: &Stores,
    clock: &Arc<FakeClock>,
    rows: &Arc<Scratch>,
    entropy: &Arc<CountingEntropy>,
) -> (Arc<Vault>, Storage, Opened) {
    let shared: Arc<dyn Clock> = clock.clone();
    let (ring, vault) = now(open_keys(stores, &shared)).unwrap();
    let storage = Storage::new(StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows.clone(),
        blobs: rows.clone(),
        sealer: vault.clone(),
        clock: shared,
        entropy: entropy.clone(),
        quota: 1 << 30,
    });
    let opened = open(stores, clock, (ring, vault.clone()), storage.resealable());
    (vault, storage, opened)
}

impl World {
    fn new() -> Self {
        let (stores, clock) = (MemoryStores::stores(), Arc::new(FakeClock::default()));
        let (rows, entropy) = (Arc::new(Scratch::default()), Arc::new(CountingEntropy::default()));
        let (vault, storage, Opened { platform, first_key }) = assemble(&stores, &clock, &rows, &entropy);
        let caller = now(platform.identity().identify(first_key.unwrap().key.expose())).unwrap();
        let admin = Ctx { request_id: RequestId::from_bytes([1; 16]), caller };
        let tenant = now(platform.create_tenant(&admin, "home".parse().unwrap())).unwrap();
        let slug = "srv".parse().unwrap();
        let server = NewServer { tenant: tenant.id, id: SERVER, slug, created_at: UnixMillis(0) };
        now(stores.servers.create(&server)).unwrap();
        Self { stores, clock, rows, entropy, vault, storage, platform, admin: Some(admin), tenant }
    }

    /// As after kill -9: what was in memory is gone.
    fn restart(&mut self) {
        let (vault, storage, opened) = assemble(&self.stores, &self.clock, &self.rows, &self.entropy);
        (self.vault, self.storage, self.platform) = (vault, storage, opened.platform);
    }

    fn admin(&self) -> &Ctx {
        self.admin.as_ref().unwrap()
    }

    fn store<'a>(&self, name: &'a str) -> Store<'a> {
        Store { tenant: self.tenant.id, name }
    }

    fn put_kv(&self, key: &str, value: &[u8]) {
        let entry = NewEntry { value, metadata: Some("{\"m\":1}"), expiry: Expiry::default() };
        now(self.storage.kv.put(self.store("notes"), key, entry)).unwrap();
    }

    fn kv(&self, key: &str) -> Option<Vec<u8>> {
        let entry = now(self.storage.kv.get(self.store("notes"), key)).unwrap()?;
        assert_eq!(entry.metadata.as_deref(), Some("{\"m\":1}"));
        Some(entry.value.to_vec())
    }

    fn put_object(&self, key: &str, content: &[u8]) {
        let new = NewObject {
            labels: Labels::default(),
            checksums: Checksums::default(),
            conditions: None,
            size: content.len() as u64,
            body: body(content),
        };
        now(self.storage.objects.put(self.store("files"), key, new)).unwrap();
    }

    fn object(&self, key: &str) -> smcp_types::Result<Option<Vec<u8>>> {
        let found = now(self.storage.objects.get(self.store("files"), key, None, None))?;
        let Some(Outcome::Done(mut reading)) = found else { return Ok(None) };
        now(async {
            let mut all = Vec::new();
            while let Some(piece) = reading.body.next().await {
                all.extend_from_slice(&piece?);
            }
            Ok(Some(all))
        })
    }

    fn set_secret(&self, value: &[u8]) {
        let place = Place {
            tenant: self.tenant.id,
            kind: Kind::Secret,
            namespace: &SERVER.to_string(),
            key: "TOKEN",
            version: 1,
        };
        let record = SecretRecord {
            tenant: self.tenant.id,
            server: SERVER,
            name: "TOKEN".to_owned(),
            version: 1,
            sealed: now(self.vault.seal(&place, value)).unwrap(),
            created_at: UnixMillis(0),
            created_by: "test".to_owned(),
            updated_at: UnixMillis(0),
        };
        now(self.stores.secrets.put(&record, None)).unwrap();
    }

    fn secret(&self) -> Option<String> {
        // Nothing remembered: from the store.
        let secrets = Secrets::new(self.stores.secrets.clone(), self.vault.clone());
        let found = now(secrets.reveal(self.tenant.id, SERVER, "TOKEN")).unwrap();
        found.map(|secret| secret.expose().clone())
    }

    fn rotate(&self) -> smcp_types::Result<()> {
        // Ids of keys made in the same millisecond have no order.
        self.clock.advance(Duration::from_millis(1));
        now(self.platform.rotate_data_keys(self.admin(), &self.tenant)).map(drop)
    }

    fn whole_round(&self) {
        assert!(round(&self.platform, &self.clock, 10_000, |_| ()), "it does not end");
    }

    fn states(&self) -> Vec<DataKeyState> {
        let keys = now(self.platform.data_keys(self.admin(), &self.tenant)).unwrap().keys;
        keys.iter().map(|key| key.state).collect()
    }

    fn active(&self) -> DataKeyId {
        let keys = now(self.platform.data_keys(self.admin(), &self.tenant)).unwrap().keys;
        keys.iter().find(|key| key.state == DataKeyState::Active).unwrap().id
    }

    /// The key of every sealed thing that storage has.
    fn seals(&self) -> Vec<Option<DataKeyId>> {
        let (rows, tenant): (&dyn SealedRows, TenantId) = (&*self.rows, self.tenant.id);
        let mut seals = Vec::new();
        now(async {
            for seal in rows.kv(tenant, None, 999).await.unwrap() {
                seals.extend([Some(seal.value), seal.metadata].into_iter().flatten());
            }
            for (_, row) in rows.objects(tenant, None, 999).await.unwrap() {
                seals.extend([row.head, row.layout]);
            }
            seals.extend(rows.uploads(tenant, None, 999).await.unwrap().into_iter().map(|row| row.head));
            seals.extend(rows.parts(tenant, None, 999).await.unwrap().into_iter().map(|seal| seal.part.head));
            for (segment, _) in rows.segments(tenant, [0; 16], 999).await.unwrap() {
                seals.extend(self.chunks(&segment).await);
            }
        });
        seals.iter().map(|sealed| key_of(sealed)).collect()
    }

    async fn chunks(&self, segment: &SegmentRow) -> Vec<Vec<u8>> {
        let id: String = segment.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut all = Vec::new();
        for number in 0..segment.bytes.div_ceil(1 << 20) {
            let name = format!("objects/{}/{id}-{number}", segment.bucket);
            let chunk = self.rows.beginning(self.tenant.id, &name, SEAL_BYTES).await.unwrap();
            all.push(chunk.unwrap().to_vec());
        }
        all
    }
}

use DataKeyState::{Active, Retired, Retiring};

#[test]
fn everything_of_a_tenant_moves_before_its_key_goes() {
    let world = World::new();
    let long = vec![9; 2_500_000];
    for number in 0..40 {
        world.put_kv(&format!("key-{number}"), &[number; 100]);
        world.put_object(&format!("object-{number}"), &[number; 100]);
    }
    world.put_kv("long", &long);
    world.put_object("long", &long);
    world.put_object("empty", b"");
    world.set_secret(b"hush");
    let objects = &world.storage.objects;
    let at = world.store("files");
    let upload = now(objects.create_upload(at, "parts", &Labels::default())).unwrap();
    let etag = now(objects.put_part(at, "parts", (&upload, 1), (long.len() as u64, body(&long)))).unwrap();
    let old = world.active();
    assert!(world.seals().iter().all(|key| *key == Some(old)));
    world.rotate().unwrap();
    assert_eq!(world.states(), [Retiring, Active]);
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active]);
    let new = world.active();
    let seals = world.seals();
    assert!(seals.len() > 40 * 5 && seals.iter().all(|key| *key == Some(new)), "{seals:?}");
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!(world.states(), [Active], "the old key is gone");
    for number in 0..40 {
        assert_eq!(world.kv(&format!("key-{number}")), Some(vec![number; 100]));
        assert_eq!(world.object(&format!("object-{number}")), Ok(Some(vec![number; 100])));
    }
    assert_eq!((world.kv("long"), world.object("long")), (Some(long.clone()), Ok(Some(long.clone()))));
    assert_eq!((world.object("empty"), world.secret().as_deref()), (Ok(Some(Vec::new())), Some("hush")));
    // The upload goes on under the new key.
    let parts = [UploadedPart { number: 1, etag }];
    now(objects.complete_upload(at, "parts", &upload, &parts)).unwrap();
    assert_eq!(world.object("parts"), Ok(Some(long)));
}

#[test]
fn what_is_being_written_keeps_its_key() {
    let world = World::new();
    world.put_object("there", b"there");
    // Somebody has sealed and stored a first piece, and is still sending.
    let pieces = Arc::new(Mutex::new(vec![vec![1; 1 << 20]]));
    let source = Arc::clone(&pieces);
    let arriving = futures_util::stream::poll_fn(move |_| {
        // Nobody is woken: the test polls again.
        source.lock().unwrap().pop().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(piece.into()))))
    });
    let new = NewObject {
        labels: Labels::default(),
        checksums: Checksums::default(),
        conditions: None,
        size: 1 << 21,
        body: Box::pin(arriving.take(2)),
    };
    let mut put = Box::pin(world.storage.objects.put(world.store("files"), "slow", new));
    assert!((&mut put).now_or_never().is_none(), "it waits for more");
    world.rotate().unwrap();
    for _ in 0..3 {
        world.whole_round();
        assert_eq!(world.states(), [Retiring, Active], "nobody else may move it, and its key stays");
        world.clock.advance(KEPT_FOR);
    }
    pieces.lock().unwrap().push(vec![2; 1 << 20]);
    assert!(matches!(now(put), Ok(Outcome::Done(_))));
    world.whole_round();
    assert_eq!(world.states(), [Retired, Active]);
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!(world.states(), [Active]);
    assert_eq!(world.object("slow").unwrap().unwrap().len(), 1 << 21);
}

#[test]
fn a_damaged_row_keeps_the_key_and_the_rest_moves() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.put_kv(key, key.as_bytes());
        world.put_object(key, key.as_bytes());
    }
    // The value of `a` over that of `b`.
    let (kv, tenant): (&dyn smcp_core::ports::KvRows, TenantId) = (&*world.rows, world.tenant.id);
    let row = |key: &'static str| now(kv.get(tenant, "notes", key, UnixMillis(0))).unwrap().unwrap();
    let (a, b) = (row("a"), row("b"));
    let swapped = smcp_core::ports::KvRow { value: a.value, ..b.clone() };
    now(kv.put(tenant, "notes", &swapped, 1 << 30)).unwrap();
    let refused = now(world.storage.kv.get(world.store("notes"), "b")).err();
    assert!(matches!(refused, Some(Error::Damaged(_))), "{refused:?}");
    world.rotate().unwrap();
    world.whole_round();
    assert_eq!(world.states(), [Retiring, Active], "it may be mended from a backup: the key stays");
    let new = world.active();
    assert_eq!(
        world.seals().iter().filter(|key| **key != Some(new)).count(),
        2,
        "its value and its metadata"
    );
    assert_eq!((world.kv("a"), world.object("b")), (Some(b"a".to_vec()), Ok(Some(b"b".to_vec()))));
    now(kv.put(tenant, "notes", &b, 1 << 30)).unwrap();
    world.clock.advance(KEPT_FOR);
    world.whole_round();
    assert_eq!((world.states(), world.kv("b")), (vec![Retired, Active], Some(b"b".to_vec())));
}

#[test]
fn destroyed_data_says_so_and_what_comes_after_is_readable() {
    let world = World::new();
    world.put_kv("k", b"old");
    world.put_object("k", b"old");
    world.set_secret(b"hush");
    now(world.platform.destroy_data(world.admin(), &world.tenant)).unwrap();
    let kv = now(world.storage.kv.get(world.store("notes"), "k")).err().unwrap();
    for refused in [kv, world.object("k").unwrap_err()] {
        let Error::Damaged(refusal) = refused else { panic!("{refused}") };
        assert!(refusal.message.contains("destroyed"), "{refusal}");
    }
    let secrets = Secrets::new(world.stores.secrets.clone(), world.vault.clone());
    assert!(now(secrets.reveal(world.tenant.id, SERVER, "TOKEN")).is_err());
    world.clock.advance(Duration::from_millis(1));
    world.put_kv("k", b"new");
    world.put_object("k", b"new");
    assert_eq!((world.kv("k"), world.object("k")), (Some(b"new".to_vec()), Ok(Some(b"new".to_vec()))));
}

#[derive(Clone, Debug)]
enum Write {
    Kv(u8, u8),
    DeleteKv(u8),
    Object(u8, u8),
    DeleteObject(u8),
    /// In parts.
    Upload(u8, u8),
}

#[derive(Clone, Debug)]
enum Move {
    Write(Write),
    Rotate,
    /// A round of so many steps, then a kill; written between its steps.
    Round(usize, Vec<Write>),
    Later,
}

fn writes() -> impl Strategy<Value = Write> {
    let (key, value) = (0..20_u8, any::<u8>());
    prop_oneof![
        3 => (key.clone(), value).prop_map(|(key, value)| Write::Kv(key, value)),
        1 => key.clone().prop_map(Write::DeleteKv),
        3 => (key.clone(), value).prop_map(|(key, value)| Write::Object(key, value)),
        1 => key.clone().prop_map(Write::DeleteObject),
        1 => (key, value).prop_map(|(key, value)| Write::Upload(key, value)),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => writes().prop_map(Move::Write),
        1 => Just(Move::Rotate),
        2 => (0..12_usize, collection::vec(writes(), 0..8)).prop_map(|(steps, writes)| Move::Round(steps, writes)),
        1 => Just(Move::Later),
    ]
}

#[derive(Default)]
struct Expected {
    kv: BTreeMap<u8, u8>,
    objects: BTreeMap<u8, u8>,
}

impl World {
    fn write(&self, write: &Write, expected: &mut Expected) {
        match *write {
            Write::Kv(key, value) => {
                self.put_kv(&key.to_string(), &[value; 9]);
                expected.kv.insert(key, value);
            }
            Write::DeleteKv(key) => {
                now(self.storage.kv.delete(self.store("notes"), &key.to_string())).unwrap();
                expected.kv.remove(&key);
            }
            Write::Object(key, value) => {
                self.put_object(&key.to_string(), &[value; 9]);
                expected.objects.insert(key, value);
            }
            Write::DeleteObject(key) => {
                now(self.storage.objects.delete(self.store("files"), &[key.to_string()])).unwrap();
                expected.objects.remove(&key);
            }
            Write::Upload(key, value) => {
                let (objects, at, key_text) = (&self.storage.objects, self.store("files"), key.to_string());
                let upload = now(objects.create_upload(at, &key_text, &Labels::default())).unwrap();
                let etag =
                    now(objects.put_part(at, &key_text, (&upload, 1), (9, body(&[value; 9])))).unwrap();
                let parts = [UploadedPart { number: 1, etag }];
                now(objects.complete_upload(at, &key_text, &upload, &parts)).unwrap();
                expected.objects.insert(key, value);
            }
        }
    }

    fn agrees(&self, expected: &Expected) -> bool {
        (0..20_u8).all(|key| {
            let (kv, object) = (self.kv(&key.to_string()), self.object(&key.to_string()).unwrap());
            kv == expected.kv.get(&key).map(|value| vec![*value; 9])
                && object == expected.objects.get(&key).map(|value| vec![*value; 9])
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn storage_is_whole_whoever_writes_and_whenever_it_is_killed(script in collection::vec(moves(), 1..40)) {
        let mut world = World::new();
        world.set_secret(b"hush");
        let mut expected = Expected::default();
        for action in script {
            match action {
                Move::Write(write) => world.write(&write, &mut expected),
                // Refused when there are many: that is no loss.
                Move::Rotate => drop(world.rotate()),
                Move::Round(steps, writes) => {
                    let mut writes = writes.iter();
                    round(&world.platform, &world.clock, steps, |_| {
                        if let Some(write) = writes.next() {
                            world.write(write, &mut expected);
                        }
                    });
                    world.restart();
                }
                Move::Later => world.clock.advance(KEPT_FOR / 2),
            }
            prop_assert!(world.agrees(&expected));
        }
        // Left in peace, it comes to its end: one key, and everything under it.
        for _ in 0..6 {
            world.whole_round();
            world.clock.advance(KEPT_FOR);
        }
        prop_assert_eq!(world.states(), [Active]);
        let active = world.active();
        prop_assert!(world.seals().iter().all(|key| *key == Some(active)));
        prop_assert!(world.agrees(&expected));
        prop_assert_eq!(world.secret(), Some("hush".to_owned()));
    }
}
