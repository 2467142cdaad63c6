//! Encryption at rest on real files: ciphertext that somebody moved, and rotation while others write and it is cut off.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use smcp_core::{
    Ctx, Opened, Platform, Ports, Stores,
    logbook::Logbook,
    ports::{DataKeyState, NewServer, SecretSource as _, TenantRecord},
    secrets::Secrets,
    settings::{ExternalUrl, Settings},
    storage::kv::ListKeys,
    vault::Vault,
};
use smcp_sql::{CONTROL, ControlStore};
use smcp_testkit::{MemoryDatabases, MemoryMasterKeys, MemoryStores, NoIsolates, NoTasks, open_keys};
use smcp_types::{Error, RequestId, Result, Secret, ServerId, UnixMillis};

use super::{
    Arc, BUCKET, Bench, Clock, DataStore, Durability, Expiry, Folder, NewEntry, Path, PathBuf, Sqlite,
    Storage, StorageParts, Store, TenantFiles, bench, content, object, tenant,
};
use crate::node::world::{SystemClock, SystemEntropy};

const NOTES: Store<'_> = Store { name: "notes", ..BUCKET };

async fn put(storage: &Storage, store: Store<'_>, key: &str, value: &[u8]) {
    let metadata = format!("{{\"of\":\"{key}\"}}");
    let entry = NewEntry { value, metadata: Some(&metadata), expiry: Expiry::default() };
    storage.kv.put(store, key, entry).await.unwrap();
}

async fn get(storage: &Storage, store: Store<'_>, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(storage.kv.get(store, key).await?.map(|entry| entry.value.to_vec()))
}

/// Does something to a database file behind everybody's back.
fn meddle(path: &Path, statements: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

fn file_of(bench: &Bench, number: u8) -> PathBuf {
    bench.folder.path().join("tenants").join(tenant(number).to_string()).join("data.db")
}

/// What the log is told of something damaged.
fn damage<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Damaged(refusal)) => refusal.private.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_value_that_was_moved_in_the_file_is_refused_and_named() {
    let bench = bench().await;
    let (storage, other) = (&bench.storage, Store { name: "other", ..NOTES });
    let long: Vec<u8> = (0..2_500_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for key in ["a", "b", "c", "d"] {
        put(storage, NOTES, key, key.as_bytes()).await;
    }
    put(storage, NOTES, "long", &long).await;
    put(storage, other, "a", b"other").await;
    let file = file_of(&bench, 1);
    // A's value over B's, in the same namespace.
    meddle(
        &file,
        "UPDATE kv SET value = (SELECT value FROM kv WHERE namespace = 'notes' AND key = x'61')
                   WHERE namespace = 'notes' AND key = x'62'",
    );
    let told = damage(get(storage, NOTES, "b").await);
    assert!(told.starts_with("kv value \"notes\" \"b\""), "{told}");
    // The whole row of the same key in another namespace.
    meddle(
        &file,
        "UPDATE kv SET (version, value, metadata) =
           (SELECT version, value, metadata FROM kv WHERE namespace = 'other' AND key = x'61')
         WHERE namespace = 'notes' AND key = x'61'",
    );
    damage(get(storage, NOTES, "a").await);
    let list = storage.kv.list(NOTES, ListKeys::default()).await;
    assert!(damage(list).starts_with("kv metadata \"notes\" \"a\""), "which key a list cannot show");
    // Two pieces of one value.
    meddle(
        &file,
        "UPDATE kv_pieces SET piece = (SELECT piece FROM kv_pieces WHERE number = 1) WHERE number = 0",
    );
    damage(get(storage, NOTES, "long").await);
    // A value that was there before, with its version put back: everything of the row but its key.
    put(storage, NOTES, "c", b"newer").await;
    meddle(&file, "UPDATE kv SET version = version + 1 WHERE namespace = 'notes' AND key = x'63'");
    damage(get(storage, NOTES, "c").await);
    // The others are unharmed, and what is damaged can be written anew or deleted.
    assert_eq!(get(storage, NOTES, "d").await, Ok(Some(b"d".to_vec())));
    assert_eq!(get(storage, other, "a").await, Ok(Some(b"other".to_vec())));
    put(storage, NOTES, "b", b"anew").await;
    storage.kv.delete(NOTES, "a").await.unwrap();
    assert_eq!(get(storage, NOTES, "b").await, Ok(Some(b"anew".to_vec())));
    assert_eq!(storage.kv.list(other, ListKeys::default()).await.unwrap().keys.len(), 1);
}

#[tokio::test]
async fn a_row_from_another_tenants_file_is_refused() {
    let bench = bench().await;
    let theirs = Store { tenant: tenant(2), ..NOTES };
    put(&bench.storage, NOTES, "k", b"mine").await;
    put(&bench.storage, theirs, "k", b"theirs").await;
    put(&bench.storage, NOTES, "l", b"mine").await;
    let from = file_of(&bench, 2);
    meddle(
        &file_of(&bench, 1),
        &format!(
            "ATTACH '{}' AS theirs;
             UPDATE kv SET (version, value, metadata) = (SELECT version, value, metadata FROM theirs.kv)
             WHERE key = x'6b'",
            from.display()
        ),
    );
    damage(get(&bench.storage, NOTES, "k").await);
    assert_eq!(get(&bench.storage, NOTES, "l").await, Ok(Some(b"mine".to_vec())));
    assert_eq!(get(&bench.storage, theirs, "k").await, Ok(Some(b"theirs".to_vec())));
}

#[tokio::test]
async fn what_is_known_of_an_object_does_not_open_for_another() {
    let bench = bench().await;
    for key in ["a", "b", "c"] {
        bench.storage.objects.put(BUCKET, key, object(key.as_bytes(), None)).await.unwrap();
    }
    let file = file_of(&bench, 1);
    meddle(&file, "UPDATE objects SET head = (SELECT head FROM objects WHERE key = x'61') WHERE key = x'62'");
    let told = damage(bench.storage.objects.head(BUCKET, "b").await);
    assert!(told.starts_with("object metadata \"b/head\" \"b\""), "{told}");
    // Its layout says which content it has: another object's would be read.
    meddle(
        &file,
        "UPDATE objects SET layout = (SELECT layout FROM objects WHERE key = x'61') WHERE key = x'63'",
    );
    damage(content(&bench.storage, "c").await);
    assert_eq!(content(&bench.storage, "a").await, Ok(b"a".to_vec()));
}

/// A platform on files, as the node has it, without servers.
struct Files {
    folder: tempfile::TempDir,
    stores: Stores,
    clock: Arc<dyn Clock>,
    admin: Option<Ctx>,
    tenant: Option<TenantRecord>,
}

struct Running {
    platform: Platform,
    storage: Arc<Storage>,
    vault: Arc<Vault>,
}

impl Files {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sql = Sqlite::open(&folder.path().join("control.db"), Durability::Normal).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        smcp_sql::migrate(&sql, CONTROL, clock.now(), || Ok(())).await.unwrap();
        let control = Arc::new(ControlStore::new(Arc::new(sql)));
        let stores = Stores {
            tenants: control.clone(),
            servers: control.clone(),
            versions: control.clone(),
            blobs: Arc::new(Folder::open(folder.path().join("objects")).unwrap()),
            keys: control.clone(),
            sessions: control.clone(),
            ring: control.clone(),
            data_keys: control.clone(),
            secrets: control,
            logs: MemoryStores::stores().logs,
            streams: MemoryStores::stores().streams,
        };
        Self { folder, stores, clock, admin: None, tenant: None }
    }

    /// Starts as after kill -9: with what is in the files.
    async fn start(&mut self) -> Running {
        let (ring, vault) = open_keys(&self.stores, &self.clock).await.unwrap();
        let files = TenantFiles::new(self.folder.path().join("tenants"), Arc::clone(&self.clock));
        let rows = Arc::new(DataStore::new(Arc::new(files)));
        let storage = Storage::new(StorageParts {
            kv: rows.clone(),
            objects: rows.clone(),
            uploads: rows.clone(),
            sealed: rows,
            blobs: Arc::clone(&self.stores.blobs),
            sealer: vault.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::new(SystemEntropy),
            quota: 1 << 30,
        });
        let storage = Arc::new(storage);
        let secrets = Arc::new(Secrets::new(self.stores.secrets.clone(), vault.clone()));
        let ports = Ports {
            clock: Arc::clone(&self.clock),
            entropy: Arc::new(SystemEntropy),
            tasks: Arc::new(NoTasks),
            isolates: Arc::new(NoIsolates),
            usage: Arc::new(NoIsolates),
            logbook: Arc::new(Logbook::new(
                self.stores.logs.clone(),
                secrets.clone(),
                Arc::clone(&self.clock),
            )),
            secrets,
            storage: Arc::clone(&storage),
            databases: Arc::new(MemoryDatabases::default()),
            ring,
            vault: vault.clone(),
            master_keys: Arc::new(MemoryMasterKeys::default()),
            sealed: storage.resealable(),
            stores: self.stores.clone(),
        };
        let settings = Settings {
            external_url: ExternalUrl::parse("http://localhost:8787").unwrap(),
            allowed_origins: Vec::new(),
            networks: Vec::new(),
        };
        let Opened { platform, first_key } = Platform::open(settings, ports).await.unwrap();
        if let Some(key) = first_key {
            let caller = platform.identity().identify(key.key.expose()).await.unwrap();
            let admin = Ctx { request_id: RequestId::from_bytes([1; 16]), caller };
            self.tenant = Some(platform.create_tenant(&admin, "home".parse().unwrap()).await.unwrap());
            self.admin = Some(admin);
        }
        Running { platform, storage, vault }
    }

    fn who(&self) -> (&Ctx, &TenantRecord) {
        (self.admin.as_ref().unwrap(), self.tenant.as_ref().unwrap())
    }

    async fn rotate(&self, running: &Running) {
        let (admin, tenant) = self.who();
        running.platform.rotate_data_keys(admin, tenant).await.unwrap();
    }

    async fn states(&self) -> Vec<DataKeyState> {
        let keys = self.stores.data_keys.list(self.who().1.id).await.unwrap();
        keys.iter().map(|key| key.state).collect()
    }

    /// An hour passes for keys that nothing is sealed under any more.
    fn later(&self) {
        meddle(
            &self.folder.path().join("control.db"),
            "UPDATE data_keys SET since = since - 3600000 WHERE state = 'retired'",
        );
    }
}

#[tokio::test]
async fn a_destroyed_key_is_not_in_the_file_any_more() {
    let mut files = Files::new().await;
    let running = files.start().await;
    let (admin, tenant) = files.who();
    put(&running.storage, Store { tenant: tenant.id, name: "n" }, "k", b"v").await;
    let wrapped = files.stores.data_keys.list(tenant.id).await.unwrap()[0].wrapped.clone();
    let file = files.folder.path().join("control.db");
    let is_there = || {
        // What is in the log comes into the file.
        let done = "PRAGMA wal_checkpoint(TRUNCATE)";
        rusqlite::Connection::open(&file).unwrap().query_row(done, [], |_| Ok(())).unwrap();
        std::fs::read(&file).unwrap().windows(wrapped.len()).any(|window| window == wrapped)
    };
    assert!(is_there());
    running.platform.destroy_data(admin, tenant).await.unwrap();
    assert!(!is_there());
}

#[tokio::test]
async fn a_secret_that_was_moved_in_the_file_is_refused() {
    let mut files = Files::new().await;
    let running = files.start().await;
    let (admin, tenant) = files.who();
    let (id, slug) = (ServerId::from_bytes([3; 16]), "srv".parse().unwrap());
    let server = NewServer { tenant: tenant.id, id, slug, created_at: UnixMillis(0) };
    files.stores.servers.create(&server).await.unwrap();
    let server = files.stores.servers.by_slug(tenant.id, &server.slug).await.unwrap().unwrap();
    for (name, value) in [("A", "one"), ("B", "two"), ("C", "three")] {
        let value = Secret::new(value.to_owned());
        running.platform.set_secret(admin, &server, name, value).await.unwrap();
    }
    let file = files.folder.path().join("control.db");
    meddle(
        &file,
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'A') WHERE name = 'B'",
    );
    let reveal = async |name: &str| {
        let secrets = Secrets::new(files.stores.secrets.clone(), running.vault.clone());
        Ok(secrets.reveal(tenant.id, id, name).await?.map(|secret| secret.expose().clone()))
    };
    let told = damage(reveal("B").await);
    assert!(told.starts_with(&format!("secret \"{id}\" \"B\"")), "{told}");
    assert_eq!((reveal("A").await, reveal("C").await), (Ok(Some("one".into())), Ok(Some("three".into()))));
}

/// Writers and readers that go on while keys are rotated and resealing is cut off after so many of their rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_readers_notice_no_rotation_and_no_kill() {
    let mut files = Files::new().await;
    let mut running = files.start().await;
    let id = files.who().1.id;
    let (notes, bucket) = (Store { tenant: id, name: "notes" }, Store { tenant: id, name: "b" });
    for number in 0..60_u32 {
        put(&running.storage, notes, &format!("still-{number}"), &number.to_be_bytes()).await;
    }
    let long = vec![5; 1_500_000];
    put(&running.storage, notes, "long", &long).await;
    running.storage.objects.put(bucket, "long", object(&long, None)).await.unwrap();
    for cut in [1, 3, 9, 27, u32::MAX] {
        files.rotate(&running).await;
        let (done, rounds, failed) = (AtomicBool::new(false), AtomicU32::new(0), Mutex::new(Vec::new()));
        let busy = async |worker: u32| {
            let key = format!("busy-{worker}");
            let mut value = 0_u32;
            while !done.load(Ordering::Relaxed) {
                value += 1;
                put(&running.storage, notes, &key, &value.to_be_bytes()).await;
                let read = get(&running.storage, notes, &key).await;
                let still = get(&running.storage, notes, &format!("still-{}", value % 60)).await;
                if read != Ok(Some(value.to_be_bytes().to_vec())) || !matches!(still, Ok(Some(_))) {
                    failed.lock().unwrap().push(format!("{read:?} {still:?}"));
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        };
        let resealing = async {
            let cut_off = async {
                while rounds.load(Ordering::Relaxed) < cut {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = cut_off => {}
                round = running.platform.rotation().round() => round.unwrap(),
            }
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(busy(1), busy(2), busy(3), resealing);
        assert_eq!(failed.into_inner().unwrap(), Vec::<String>::new());
        running = files.start().await;
    }
    running.platform.rotation().round().await.unwrap();
    assert!(!files.states().await.contains(&DataKeyState::Retiring), "{:?}", files.states().await);
    files.later();
    running.platform.rotation().round().await.unwrap();
    assert_eq!(files.states().await, [DataKeyState::Active]);
    // Nothing is remembered, and everything opens.
    let running = files.start().await;
    for number in 0..60_u32 {
        let read = get(&running.storage, notes, &format!("still-{number}")).await;
        assert_eq!(read, Ok(Some(number.to_be_bytes().to_vec())));
    }
    assert_eq!(get(&running.storage, notes, "long").await, Ok(Some(long.clone())));
}
