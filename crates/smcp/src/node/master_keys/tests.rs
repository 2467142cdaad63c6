//! A change of master key with real files and a real database, ended at every step as kill -9 ends it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Mutex};

use smcp_core::{
    keyring::Keyring,
    master::Master,
    ports::{
        Clock, DataKeyStore, RingKey, RingPurpose, RingState, RingStore, StoreError, StoreResult,
        TenantRecord, TenantStore,
    },
    vault::{Kind, Place as Spot, Vault},
};
use smcp_sql::{CONTROL, ControlStore};
use smcp_testkit::{CountingEntropy, FakeClock};
use smcp_types::{LimitSet, RingKeyId, TenantId, UnixMillis};

use super::*;
use crate::{
    config::{ConfigFile, Environment, Flags, Layers, NodeSettings},
    node::sqlite::{Durability, Sqlite},
};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const SPOT: Spot<'static> = Spot { tenant: TENANT, kind: Kind::Secret, namespace: "n", key: "k", version: 1 };

/// Where a change ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// The new key is half written.
    WhileWriting,
    /// The new key is kept; nothing else has happened.
    BeforeCommit,
    /// The transaction is in the database; nobody has heard of it.
    AfterCommit,
    /// The new key has its place; nobody has heard of it.
    AfterSettling,
}

/// The key's place and the ring, each dead from some step on.
struct Dying<T> {
    inner: T,
    at: Option<Death>,
    dead: Mutex<bool>,
}

impl<T> Dying<T> {
    fn new(inner: T, at: Option<Death>) -> Self {
        Self { inner, at, dead: Mutex::new(false) }
    }

    fn die<E>(&self, error: E) -> std::result::Result<(), E> {
        *self.dead.lock().unwrap() = true;
        Err(error)
    }
}

#[async_trait]
impl MasterKeys for Dying<Arc<KeptKeys>> {
    async fn next(&self, in_force: MasterKeyId) -> Result<MasterKey> {
        if let (Some(Death::WhileWriting), Place::Ours(path)) = (self.at, &self.inner.place) {
            fs::write(beside(&beside(path, NEXT), UNFINISHED), "0123").unwrap();
            self.die(Error::internal("killed"))?;
        }
        self.inner.next(in_force).await
    }

    async fn settle(&self, in_force: MasterKeyId) -> Result<Option<String>> {
        if self.at == Some(Death::AfterCommit) {
            return Err(Error::internal("killed"));
        }
        self.inner.settle(in_force).await
    }
}

type Store = ControlStore<Sqlite>;

#[async_trait]
impl RingStore for Dying<Store> {
    async fn list(&self) -> StoreResult<Vec<RingKey>> {
        RingStore::list(&self.inner).await
    }

    async fn create(&self, key: &RingKey) -> StoreResult<()> {
        RingStore::create(&self.inner, key).await
    }

    async fn set_state(&self, id: RingKeyId, state: RingState, end: Option<UnixMillis>) -> StoreResult<()> {
        self.inner.set_state(id, state, end).await
    }

    async fn claim(&self, master: MasterKeyId) -> StoreResult<MasterKeyId> {
        if *self.dead.lock().unwrap() {
            return Err(StoreError::Broken("killed".to_owned()));
        }
        self.inner.claim(master).await
    }

    async fn rewrap(&self, change: smcp_core::ports::Rewrap) -> StoreResult<()> {
        match self.at {
            Some(Death::BeforeCommit) => self.die(StoreError::Broken("killed".to_owned())),
            Some(Death::AfterCommit) => {
                self.inner.rewrap(change).await?;
                self.die(StoreError::Broken("killed".to_owned()))
            }
            Some(Death::WhileWriting | Death::AfterSettling) | None => self.inner.rewrap(change).await,
        }
    }
}

/// The keys of a node that runs on a folder.
struct Running {
    master: Arc<Master>,
    ring: Keyring,
    vault: Vault,
    store: Arc<Dying<Store>>,
    kept: Dying<Arc<KeptKeys>>,
    _data: DataDir,
}

fn config(folder: &Path, variables: &[(&'static str, &str)], mut flags: Flags) -> NodeConfig {
    flags.insert("node.data", vec![folder.join("data").display().to_string()]);
    let layers = Layers::new(flags, Environment::of(variables), ConfigFile::default());
    NodeSettings::read(&layers).unwrap().into_config(false)
}

async fn start(config: &NodeConfig, at: Option<Death>) -> Result<Running> {
    let data = DataDir::open(&config.data)?;
    let (kept, given) = KeptKeys::open(config, &data, Arc::new(super::super::SystemEntropy))?;
    let sql = data.database(CONTROL, Durability::Full, UnixMillis(1)).await?;
    let sql = Arc::new(sql);
    let store = Arc::new(Dying::new(ControlStore::new(Arc::clone(&sql)), at));
    let keys: Arc<dyn DataKeyStore> = Arc::new(ControlStore::new(sql));
    let ring: Arc<dyn RingStore> = store.clone();
    let master = Arc::new(Master::unlock(&given, ring, keys, Arc::new(CountingEntropy::default())).await?);
    kept.finish(master.id())?;
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
    let ring = Keyring::open(&master, &*clock).await?;
    let vault = Vault::new(Arc::clone(&master), clock);
    Ok(Running { master, ring, vault, store, kept: Dying::new(Arc::new(kept), at), _data: data })
}

impl Running {
    async fn first_use(&self) -> Vec<u8> {
        let slug = "home".parse().unwrap();
        let tenant =
            TenantRecord { id: TENANT, slug, created_at: UnixMillis(1), ceilings: LimitSet::default() };
        TenantStore::create(&self.store.inner, &tenant).await.unwrap();
        self.vault.seal(&SPOT, b"mine").await.unwrap()
    }

    async fn check(&self, sealed: &[u8], ring: &[RingKeyId]) {
        assert_eq!(self.vault.open(&SPOT, sealed).await.unwrap().as_slice(), b"mine");
        let stored = RingStore::list(&self.store.inner).await.unwrap();
        assert_eq!(stored.iter().map(|key| key.id).collect::<Vec<_>>(), ring, "the same keys, wrapped anew");
        // The ring opened: every one of its keys did.
        let _ = &self.ring;
    }

    async fn ring_ids(&self) -> Vec<RingKeyId> {
        RingStore::list(&self.store.inner).await.unwrap().iter().map(|key| key.id).collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let all =
        fs::read_dir(folder.join("data")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut keys: Vec<_> = all.filter(|name| name.starts_with("master")).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn ended_at_any_step_one_key_is_in_force_and_kept() {
    for (death, is_new) in [
        (Some(Death::WhileWriting), false),
        (Some(Death::BeforeCommit), false),
        (Some(Death::AfterCommit), true),
        (Some(Death::AfterSettling), true),
        (None, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), &[], Flags::new());
        let node = start(&config, death).await.unwrap();
        let sealed = node.first_use().await;
        let (ring, old) = (node.ring_ids().await, node.master.id());
        let done = node.master.rotate(&node.kept).await;
        assert_eq!(done.is_ok(), matches!(death, None | Some(Death::AfterSettling)), "{death:?}: {done:?}");
        drop(node);

        let node = start(&config, None).await.unwrap_or_else(|error| panic!("{death:?}: {error:?}"));
        assert_eq!(node.master.id() != old, is_new, "{death:?}");
        node.check(&sealed, &ring).await;
        assert_eq!(names(folder.path()), ["master.key"], "{death:?}: nothing is left over");
        let mode = fs::metadata(folder.path().join("data/master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // And it can be done again, and what is new then is under the newest.
        let done = node.master.rotate(&node.kept).await.unwrap();
        assert_eq!((done.ring, done.data), (RingPurpose::ALL.len(), 1));
        node.check(&sealed, &ring).await;
        let later = node.vault.seal(&Spot { key: "later", ..SPOT }, b"later").await.unwrap();
        drop(node);
        let node = start(&config, None).await.unwrap();
        node.check(&sealed, &ring).await;
        assert_eq!(
            node.vault.open(&Spot { key: "later", ..SPOT }, &later).await.unwrap().as_slice(),
            b"later",
            "{death:?}"
        );
    }
}

#[tokio::test]
async fn an_operator_who_gives_the_key_gives_the_next_one_too() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = ("11".repeat(32), "22".repeat(32));
    let only = config(folder.path(), &[("SMCP_MASTER_KEY", &first)], Flags::new());
    let node = start(&only, None).await.unwrap();
    let sealed = node.first_use().await;
    let ring = node.ring_ids().await;
    let refused = node.master.rotate(&node.kept).await;
    let Err(Error::Conflict(refusal)) = refused else { panic!("{refused:?}") };
    assert!(refusal.hint.unwrap().contains("SMCP_NEXT_MASTER_KEY"));
    drop(node);

    let given = [("SMCP_MASTER_KEY", first.as_str()), ("SMCP_NEXT_MASTER_KEY", second.as_str())];
    let both = config(folder.path(), &given, Flags::new());
    let node = start(&both, None).await.unwrap();
    let done = node.master.rotate(&node.kept).await.unwrap();
    assert!(done.note.unwrap().contains("SMCP_MASTER_KEY"));
    let again = node.master.rotate(&node.kept).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "it is in force: {again:?}");
    drop(node);
    assert_eq!(names(folder.path()), Vec::<String>::new(), "no key of theirs is written down");

    start(&both, None).await.unwrap().check(&sealed, &ring).await;
    let after = config(folder.path(), &[("SMCP_MASTER_KEY", &second)], Flags::new());
    start(&after, None).await.unwrap().check(&sealed, &ring).await;
    let wrong = start(&only, None).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))), "the old key is worth nothing");
}

#[tokio::test]
async fn the_file_of_the_next_key_may_come_after_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, next) = (folder.path().join("mine"), folder.path().join("next"));
    let put = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    put(&mine, &"33".repeat(32));
    let flags: Flags = [
        ("node.master_key_file", vec![mine.display().to_string()]),
        ("node.next_master_key_file", vec![next.display().to_string()]),
    ]
    .into_iter()
    .collect();
    let config = config(folder.path(), &[], flags);
    let node = start(&config, None).await.unwrap();
    let sealed = node.first_use().await;
    let ring = node.ring_ids().await;
    assert!(matches!(node.master.rotate(&node.kept).await, Err(Error::Conflict(_))), "it is not there yet");
    put(&next, &"44".repeat(32));
    fs::set_permissions(&next, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(node.master.rotate(&node.kept).await, Err(Error::Invalid(_))), "others can read it");
    put(&next, &"44".repeat(32));
    node.master.rotate(&node.kept).await.unwrap();
    drop(node);
    start(&config, None).await.unwrap().check(&sealed, &ring).await;
    assert_eq!(fs::read_to_string(&mine).unwrap(), "33".repeat(32), "an operator's files stay theirs");
}

#[tokio::test]
async fn keys_made_while_the_master_key_changes_are_under_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[], Flags::new());
    let node = start(&config, None).await.unwrap();
    node.first_use().await;
    let mut sealed = Vec::new();
    for number in 2..20_u8 {
        let id = TenantId::from_bytes([number; 16]);
        let slug = format!("tenant-{number}").parse().unwrap();
        let tenant = TenantRecord { id, slug, created_at: UnixMillis(1), ceilings: LimitSet::default() };
        TenantStore::create(&node.store.inner, &tenant).await.unwrap();
        let spot = Spot { tenant: id, ..SPOT };
        let (made, done) = tokio::join!(node.vault.seal(&spot, b"new"), node.master.rotate(&node.kept));
        done.unwrap();
        sealed.push((id, made.unwrap()));
    }
    drop(node);
    let node = start(&config, None).await.unwrap();
    for (id, sealed) in sealed {
        let plain = node.vault.open(&Spot { tenant: id, ..SPOT }, &sealed).await.unwrap();
        assert_eq!(plain.as_slice(), b"new");
    }
}
