//! The rows in files against their contract, and objects with real rows, blobs and keys.

mod keys;

use std::time::Duration;

use futures_util::StreamExt as _;
use smcp_core::{
    ports::{HostedBody, KvRow, KvRows, ObjectRows as _, SegmentRow, Wrote},
    storage::{
        Storage, StorageParts, Store,
        kv::{Expiry, NewEntry},
        objects::{
            NewObject, Outcome, UploadedPart,
            head::{Checksums, Conditions, EtagTest, Labels},
        },
    },
};
use smcp_sql::DataStore;
use smcp_types::UnixMillis;

use super::*;
use crate::node::blobs::Folder;

fn tenant(number: u8) -> TenantId {
    TenantId::from_bytes([number; 16])
}

fn files(root: &Path) -> Arc<TenantFiles> {
    Arc::new(TenantFiles::new(root.to_owned(), Arc::new(smcp_testkit::FakeClock::default())))
}

fn row() -> KvRow {
    KvRow { key: "k".to_owned(), version: 1, value: b"v".to_vec(), metadata: None, expires_at: None }
}

#[tokio::test]
async fn rows_in_files_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    smcp_testkit::check_kv_rows(&DataStore::new(files(folder.path()))).await;
    let folder = tempfile::tempdir().unwrap();
    smcp_testkit::check_sealed_rows(&DataStore::new(files(folder.path()))).await;
}

#[tokio::test]
async fn a_damaged_file_is_named_and_harms_its_tenant_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join(tenant(1).to_string());
    std::fs::create_dir_all(&bad).unwrap();
    std::fs::write(bad.join("data.db"), [7; 8192]).unwrap();
    let rows = DataStore::new(files(folder.path()));
    let Err(StoreError::Broken(why)) = KvRows::get(&rows, tenant(1), "n", "k", UnixMillis(0)).await else {
        panic!("it opened")
    };
    assert!(why.contains(&bad.join("data.db").display().to_string()), "{why}");
    assert_eq!(KvRows::put(&rows, tenant(2), "n", &row(), 1 << 20).await, Ok(Wrote::Done));
    std::fs::remove_file(bad.join("data.db")).unwrap();
    assert_eq!(
        KvRows::put(&rows, tenant(1), "n", &row(), 1 << 20).await,
        Ok(Wrote::Done),
        "mended without a restart"
    );
}

#[tokio::test]
async fn a_bounded_number_is_open_and_all_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let rows = DataStore::new(Arc::clone(&files));
    for number in 0..70 {
        KvRows::put(&rows, tenant(number), "n", &row(), 1 << 20).await.unwrap();
    }
    assert_eq!(files.in_use().len(), OPEN);
    for number in 0..70 {
        assert_eq!(KvRows::get(&rows, tenant(number), "n", "k", UnixMillis(0)).await, Ok(Some(row())));
    }
}

const BUCKET: Store<'_> = Store { tenant: TenantId::from_bytes([1; 16]), name: "b" };
const QUOTA: u64 = 20 << 20;

struct Bench {
    folder: tempfile::TempDir,
    rows: Arc<DataStore<TenantFiles>>,
    clock: Arc<smcp_testkit::FakeClock>,
    storage: Storage,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(smcp_testkit::FakeClock::default());
    let rows = Arc::new(DataStore::new(files(&folder.path().join("tenants"))));
    let storage = Storage::new(StorageParts {
        kv: rows.clone(),
        objects: rows.clone(),
        uploads: rows.clone(),
        sealed: rows.clone(),
        blobs: Arc::new(Folder::open(folder.path().join("objects")).unwrap()),
        sealer: smcp_testkit::vault(&[tenant(1), tenant(2)]).await.unwrap(),
        clock: clock.clone(),
        entropy: Arc::new(smcp_testkit::CountingEntropy::default()),
        quota: QUOTA,
    });
    Bench { folder, rows, clock, storage }
}

fn body(content: &[u8]) -> HostedBody {
    Box::pin(futures_util::stream::iter([Ok(content.to_vec().into())]))
}

fn object(content: &[u8], conditions: Option<Conditions>) -> NewObject {
    let size = content.len() as u64;
    NewObject {
        labels: Labels::default(),
        checksums: Checksums::default(),
        conditions,
        size,
        body: body(content),
    }
}

async fn content(storage: &Storage, key: &str) -> smcp_types::Result<Vec<u8>> {
    let Some(Outcome::Done(mut reading)) = storage.objects.get(BUCKET, key, None, None).await? else {
        panic!("{key} is not there")
    };
    let mut all = Vec::new();
    while let Some(piece) = reading.body.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

impl Bench {
    /// The files of the bucket's chunks.
    fn chunks(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().join("objects").join(tenant(1).to_string()).join("objects/b");
        std::fs::read_dir(folder)
            .map_or_else(|_| Vec::new(), |all| all.map(|one| one.unwrap().path()).collect())
    }

    async fn used(&self) -> u64 {
        self.rows.used(tenant(1)).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_replaced_or_deleted_leaves_no_chunk_and_no_byte() {
    let bench = bench().await;
    let (long, objects) = (vec![1; 2_500_000], &bench.storage.objects);
    objects.put(BUCKET, "k", object(&long, None)).await.unwrap();
    assert_eq!(bench.chunks().len(), 3);
    objects.put(BUCKET, "k", object(b"short", None)).await.unwrap();
    assert_eq!(
        (bench.chunks().len(), content(&bench.storage, "k").await.unwrap().as_slice()),
        (1, &b"short"[..])
    );
    objects.delete(BUCKET, &["k".to_owned()]).await.unwrap();
    assert_eq!((bench.chunks().len(), bench.used().await), (0, 0));
    let mut cut = object(&long, None);
    cut.size += 1;
    assert!(objects.put(BUCKET, "k", cut).await.is_err());
    assert_eq!((bench.chunks().len(), bench.used().await), (0, 0), "nor what broke off");
}

#[tokio::test]
async fn of_writers_who_race_under_a_condition_one_gets_in() {
    let bench = bench().await;
    let absent = Conditions { etag_does_not_match: Some(vec![EtagTest::Any]), ..Conditions::default() };
    let put = |text: &'static str| {
        bench.storage.objects.put(BUCKET, "k", object(text.as_bytes(), Some(absent.clone())))
    };
    let (a, b, c) = futures_util::join!(put("a"), put("b"), put("c"));
    let done = [a, b, c].into_iter().filter(|put| matches!(put, Ok(Outcome::Done(_)))).count();
    assert_eq!((done, bench.chunks().len()), (1, 1));
}

#[tokio::test]
async fn the_quota_holds_for_all_kinds_together_and_against_races() {
    let bench = bench().await;
    let half = vec![0; 9 << 20];
    let put = |key: &'static str| bench.storage.objects.put(BUCKET, key, object(&half, None));
    let (a, b, c) = futures_util::join!(put("a"), put("b"), put("c"));
    let failed: Vec<_> = [a, b, c].into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].to_string().contains("quota of 20971520 bytes"), "{}", failed[0]);
    let new = NewEntry { value: &half[..3 << 20], metadata: None, expiry: Expiry::default() };
    assert!(bench.storage.kv.put(BUCKET, "k", new).await.is_err(), "KV and objects share it");
    assert!(bench.used().await <= QUOTA);
}

#[tokio::test]
async fn uploads_are_made_of_their_parts_or_swept() {
    let bench = bench().await;
    let objects = &bench.storage.objects;
    let upload = objects.create_upload(BUCKET, "k", &Labels::default()).await.unwrap();
    let big = vec![3; 5 << 20];
    let part = async |number, content: &[u8]| {
        let etag =
            objects.put_part(BUCKET, "k", (&upload, number), (content.len() as u64, body(content))).await;
        UploadedPart { number, etag: etag.unwrap() }
    };
    part(3, b"not taken").await;
    part(1, b"replaced").await;
    let parts = [part(1, &big).await, part(2, b"end").await];
    let other = Store { name: "c", ..BUCKET };
    assert!(objects.complete_upload(other, "k", &upload, &parts).await.is_err());
    assert!(matches!(objects.complete_upload(BUCKET, "k", &upload, &parts).await, Ok(Outcome::Done(_))));
    assert_eq!(content(&bench.storage, "k").await.unwrap(), [&big[..], b"end"].concat());
    assert_eq!(bench.chunks().len(), 6, "what was replaced or not taken is gone");
    let stale = objects.create_upload(BUCKET, "l", &Labels::default()).await.unwrap();
    objects.put_part(BUCKET, "l", (&stale, 1), (1, body(b"x"))).await.unwrap();
    bench.clock.advance(Duration::from_secs(8 * 24 * 3600));
    bench.storage.sweep(tenant(1)).await.unwrap();
    assert_eq!(bench.chunks().len(), 6);
    objects.delete(BUCKET, &["k".to_owned()]).await.unwrap();
    assert_eq!((bench.chunks().len(), bench.used().await), (0, 0));
}

#[tokio::test]
async fn a_chunk_that_is_bent_moved_or_gone_harms_its_object_alone() {
    let bench = bench().await;
    for key in ["a", "b", "c"] {
        bench.storage.objects.put(BUCKET, key, object(key.as_bytes(), None)).await.unwrap();
    }
    let mut chunks = bench.chunks();
    chunks.sort();
    std::fs::copy(&chunks[0], &chunks[1]).unwrap();
    let mut damaged = 0;
    for key in ["a", "b", "c"] {
        match content(&bench.storage, key).await {
            Ok(read) => assert_eq!(read, key.as_bytes()),
            Err(smcp_types::Error::Damaged(_)) => damaged += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(damaged, 1, "moved to another's place");
    chunks.iter().for_each(|chunk| std::fs::remove_file(chunk).unwrap());
    assert!(matches!(content(&bench.storage, "a").await, Err(smcp_types::Error::Damaged(_))));
    assert!(bench.storage.objects.head(BUCKET, "a").await.unwrap().is_some());
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_an_hour_later() {
    let bench = bench().await;
    let segment = SegmentRow { id: [9; 16], bucket: "b".to_owned(), bytes: 1 << 20 };
    bench.rows.reserve(tenant(1), &segment, bench.clock.now(), QUOTA).await.unwrap();
    bench.clock.advance(Duration::from_secs(3599));
    bench.storage.sweep(tenant(1)).await.unwrap();
    assert_eq!(bench.used().await, 1 << 20, "somebody may be writing it");
    bench.clock.advance(Duration::from_secs(1));
    bench.storage.sweep(tenant(1)).await.unwrap();
    assert_eq!(bench.used().await, 0);
}
