//! What every set of stores must do, whatever it is made of: run against the in-memory ones and the real ones.

mod data_keys;
pub(crate) mod kv_rows;
pub(crate) mod sealed_rows;
mod streams;

use bytes::Bytes;
use smcp_core::{
    Stores,
    ports::{
        Introduction, KeyRecord, KeyStatus, LogLevel, LogLine, LogQuery, LogSource, NewServer, RingKey,
        RingPurpose, RingState, SecretRecord, SessionRecord, StoreError, TenantRecord, VersionRecord,
        VersionRef, VersionSummary,
    },
};
use smcp_types::{
    Digest, KeyId, Limit, LimitSet, RequestId, RingKeyId, ServerId, SessionId, TenantId, TraceId, UnixMillis,
};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const TWO: TenantId = TenantId::from_bytes([2; 16]);
const SERVER: ServerId = ServerId::from_bytes([3; 16]);
const PEPPER: RingKeyId = RingKeyId::from_bytes([4; 16]);

/// Checks all of it on empty stores. Panics at the first rule that does not hold, as a test does.
#[allow(clippy::unwrap_used, reason = "a test in all but place")]
pub async fn check_stores(stores: &Stores) {
    tenants(stores).await;
    servers_and_versions(stores).await;
    keys(stores).await;
    sessions(stores).await;
    streams::check(stores).await;
    ring(stores).await;
    data_keys::check(stores).await;
    blobs(stores).await;
    logs(stores).await;
    secrets(stores).await;
    deletion(stores).await;
}

fn tenant(id: TenantId, slug: &str) -> TenantRecord {
    #[allow(clippy::unwrap_used, reason = "constants of this file")]
    TenantRecord { id, slug: slug.parse().unwrap(), created_at: UnixMillis(5), ceilings: LimitSet::default() }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn tenants(stores: &Stores) {
    let (one, two) = (tenant(ONE, "one"), tenant(TWO, "two"));
    stores.tenants.create(&one).await.unwrap();
    stores.tenants.create(&two).await.unwrap();
    let taken = tenant(TenantId::from_bytes([9; 16]), "one");
    assert_eq!(stores.tenants.create(&taken).await, Err(StoreError::Taken));
    assert_eq!(stores.tenants.by_id(taken.id).await, Ok(None), "a refused create leaves nothing");
    assert_eq!(stores.tenants.by_slug(&one.slug).await, Ok(Some(one.clone())));
    assert_eq!(stores.tenants.list(None, 1).await, Ok(vec![one.clone()]));
    assert_eq!(stores.tenants.list(Some(one.id), 10).await, Ok(vec![two.clone()]));
    let ceilings: LimitSet = [(Limit::Memory, 256), (Limit::Cpu, 1_000)].into_iter().collect();
    stores.tenants.set_ceilings(two.id, &ceilings).await.unwrap();
    assert_eq!(stores.tenants.by_id(two.id).await.unwrap().unwrap().ceilings, ceilings);
    assert_eq!(stores.tenants.by_id(one.id).await, Ok(Some(one)), "nobody else's");
    assert_eq!(stores.tenants.set_ceilings(taken.id, &ceilings).await, Err(StoreError::Stale));
    stores.tenants.set_ceilings(two.id, &LimitSet::default()).await.unwrap();
}

fn version(tenant: TenantId, digest: u8, created_at: i64) -> VersionRecord {
    VersionRecord {
        tenant,
        server: SERVER,
        digest: Digest::from_bytes([digest; 32]),
        manifest: "{}".to_owned(),
        definitions: r#"{"tools":[{},{}]}"#.to_owned(),
        created_by: "key".to_owned(),
        created_at: UnixMillis(created_at),
    }
}

fn summary(version: &VersionRecord) -> VersionSummary {
    let VersionRecord { digest, created_by, created_at, .. } = version.clone();
    VersionSummary { digest, tools: 2, created_by, created_at }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn servers_and_versions(stores: &Stores) {
    for owner in [ONE, TWO] {
        // The same id under two tenants: nothing may find its way across.
        let new =
            NewServer { tenant: owner, id: SERVER, slug: "srv".parse().unwrap(), created_at: UnixMillis(6) };
        stores.servers.create(&new).await.unwrap();
        let again = NewServer { id: ServerId::from_bytes([8; 16]), ..new };
        assert_eq!(stores.servers.create(&again).await, Err(StoreError::Taken));
        assert_eq!(stores.servers.list(owner, None, 10).await.unwrap().len(), 1);
    }
    let old = stores.servers.by_slug(ONE, &"srv".parse().unwrap()).await.unwrap().unwrap();
    let (first, second) = (version(ONE, 1, 10), version(ONE, 2, 11));
    let missing = stores.servers.activate(ONE, SERVER, first.digest, old.revision).await;
    assert_eq!(missing, Err(StoreError::Stale), "a version that is not stored cannot be active");
    let orphan = VersionRecord { server: ServerId::from_bytes([6; 16]), ..first.clone() };
    assert_eq!(
        stores.versions.put(&orphan).await,
        Err(StoreError::Stale),
        "its server was deleted meanwhile"
    );
    stores.versions.put(&first).await.unwrap();
    stores.versions.put(&VersionRecord { created_by: "other".to_owned(), ..first.clone() }).await.unwrap();
    stores.versions.put(&second).await.unwrap();
    let at = |record: &VersionRecord, tenant| VersionRef { tenant, server: SERVER, digest: record.digest };
    assert_eq!(stores.versions.get(&at(&first, ONE)).await, Ok(Some(first.clone())), "the first put stays");
    assert_eq!(stores.versions.get(&at(&first, TWO)).await, Ok(None), "a neighbour has no such version");
    assert_eq!(stores.versions.list(ONE, SERVER, 10).await, Ok(vec![summary(&second), summary(&first)]));
    stores.servers.activate(ONE, SERVER, first.digest, old.revision).await.unwrap();
    let lost = stores.servers.activate(ONE, SERVER, second.digest, old.revision).await;
    assert_eq!(lost, Err(StoreError::Stale), "who read the old record does not win");
    let now = stores.servers.by_slug(ONE, &old.slug).await.unwrap().unwrap();
    assert_eq!((now.active, now.revision), (Some(first.digest), old.revision + 1));
    assert_eq!(stores.servers.by_slug(TWO, &old.slug).await.unwrap().unwrap().active, None);
}

fn key(tenant: TenantId, id: u8, mac: u8) -> KeyRecord {
    KeyRecord {
        tenant,
        id: KeyId::from_bytes([id; 16]),
        label: "a key".to_owned(),
        role: "admin".to_owned(),
        servers: vec![SERVER],
        pepper: PEPPER,
        mac: [mac; 32],
        previous: None,
        previous_until: None,
        status: KeyStatus::Active,
        expires_at: Some(UnixMillis(99)),
        created_at: UnixMillis(7),
        last_used_at: None,
    }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn keys(stores: &Stores) {
    let old = key(ONE, 1, 1);
    stores.keys.create(&old).await.unwrap();
    assert_eq!(stores.keys.by_mac(ONE, PEPPER, &[1; 32]).await, Ok(Some(old.clone())));
    assert_eq!(stores.keys.by_mac(TWO, PEPPER, &[1; 32]).await, Ok(None));
    assert_eq!(stores.keys.by_mac(ONE, RingKeyId::from_bytes([5; 16]), &[1; 32]).await, Ok(None));
    stores.keys.touch(ONE, old.id, UnixMillis(20)).await.unwrap();
    let rotated = KeyRecord {
        mac: [2; 32],
        previous: Some((PEPPER, [1; 32])),
        previous_until: Some(UnixMillis(50)),
        last_used_at: Some(UnixMillis(20)),
        ..old.clone()
    };
    stores.keys.replace(&rotated, &[1; 32]).await.unwrap();
    assert_eq!(stores.keys.replace(&rotated, &[1; 32]).await, Err(StoreError::Stale), "rotated meanwhile");
    for mac in [[1; 32], [2; 32]] {
        assert_eq!(stores.keys.by_mac(ONE, PEPPER, &mac).await, Ok(Some(rotated.clone())));
    }
    let revoked = KeyRecord { status: KeyStatus::Revoked, ..rotated.clone() };
    stores.keys.replace(&revoked, &[2; 32]).await.unwrap();
    assert_eq!(
        stores.keys.replace(&rotated, &[2; 32]).await,
        Err(StoreError::Stale),
        "nothing un-revokes a key"
    );
    assert_eq!(stores.keys.list(ONE).await, Ok(vec![revoked.clone()]));
    assert_eq!(stores.keys.get(TWO, old.id).await, Ok(None));
}

fn session(tenant: TenantId, id: u8, idle_expires_at: i64) -> SessionRecord {
    SessionRecord {
        tenant,
        server: SERVER,
        id: SessionId::from_bytes([id; 16]),
        version: Digest::from_bytes([1; 32]),
        inner: "inner".to_owned(),
        created_at: UnixMillis(1),
        idle_expires_at: UnixMillis(idle_expires_at),
    }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn sessions(stores: &Stores) {
    for (id, expires) in [(1, 10), (2, 20), (3, 30)] {
        stores.sessions.create(&session(ONE, id, expires), "{}").await.unwrap();
    }
    let kept = SessionId::from_bytes([1; 16]);
    assert_eq!(stores.sessions.get(TWO, kept).await, Ok(None));
    stores.sessions.touch(ONE, kept, UnixMillis(40)).await.unwrap();
    assert_eq!(stores.sessions.get(ONE, kept).await, Ok(Some(session(ONE, 1, 40))));
    let introduction = |wishes: &str| Introduction { initialize: "{}".to_owned(), wishes: wishes.to_owned() };
    assert_eq!(stores.sessions.introduction(ONE, kept).await, Ok(Some(introduction(""))));
    assert_eq!(stores.sessions.introduction(TWO, kept).await, Ok(None));
    assert_eq!(stores.sessions.wish(TWO, kept, "", "x").await, Err(StoreError::Stale));
    assert_eq!(stores.sessions.wish(ONE, kept, "", "one").await, Ok(()));
    assert_eq!(stores.sessions.wish(ONE, kept, "", "two").await, Err(StoreError::Stale));
    assert_eq!(stores.sessions.introduction(ONE, kept).await, Ok(Some(introduction("one"))));
    let (before, digest) = (session(ONE, 1, 40), Digest::from_bytes([2; 32]));
    stores.sessions.rebind(&before, digest, "new").await.unwrap();
    assert_eq!(stores.sessions.rebind(&before, digest, "late").await, Err(StoreError::Stale));
    let moved = SessionRecord { version: digest, inner: "new".to_owned(), ..before };
    assert_eq!(stores.sessions.get(ONE, kept).await, Ok(Some(moved)));
    assert_eq!(stores.sessions.sweep(UnixMillis(30), 1).await, Ok(1));
    assert_eq!(stores.sessions.sweep(UnixMillis(30), 10).await, Ok(1));
    stores.sessions.delete(ONE, kept).await.unwrap();
    assert_eq!(stores.sessions.get(ONE, kept).await, Ok(None));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn ring(stores: &Stores) {
    let key = |id: u8, state| RingKey {
        id: RingKeyId::from_bytes([id; 16]),
        purpose: RingPurpose::SessionSeal,
        state,
        not_before: UnixMillis(1),
        not_after: None,
        wrapped: vec![1, 2, 3],
    };
    stores.ring.create(&key(1, RingState::Active)).await.unwrap();
    assert_eq!(
        stores.ring.create(&key(2, RingState::Active)).await,
        Err(StoreError::Taken),
        "one active key"
    );
    stores
        .ring
        .set_state(RingKeyId::from_bytes([1; 16]), RingState::Retiring, Some(UnixMillis(9)))
        .await
        .unwrap();
    stores.ring.create(&key(2, RingState::Active)).await.unwrap();
    assert_eq!(stores.ring.list().await.unwrap().len(), 2);
    stores.ring.set_state(RingKeyId::from_bytes([1; 16]), RingState::Retired, None).await.unwrap();
    assert_eq!(stores.ring.list().await, Ok(vec![key(2, RingState::Active)]));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn blobs(stores: &Stores) {
    stores.blobs.put(ONE, "bundles/a/b", Bytes::from_static(b"one")).await.unwrap();
    stores.blobs.put(ONE, "bundles/a/b", Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(stores.blobs.get(ONE, "bundles/a/b").await, Ok(Some(Bytes::from_static(b"two"))));
    assert_eq!(stores.blobs.get(TWO, "bundles/a/b").await, Ok(None));
    for (length, text) in [(0, ""), (2, "tw"), (9, "two")] {
        let beginning = stores.blobs.beginning(ONE, "bundles/a/b", length).await;
        assert_eq!(beginning, Ok(Some(Bytes::copy_from_slice(text.as_bytes()))));
    }
    assert_eq!(stores.blobs.beginning(TWO, "bundles/a/b", 2).await, Ok(None));
    stores.blobs.delete(ONE, "bundles/a/b").await.unwrap();
    stores.blobs.delete(ONE, "bundles/a/b").await.unwrap();
    assert_eq!(stores.blobs.get(ONE, "bundles/a/b").await, Ok(None));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn logs(stores: &Stores) {
    let digest = Digest::from_bytes([1; 32]);
    let at = VersionRef { tenant: ONE, server: SERVER, digest };
    let line = |at: i64, level| LogLine {
        at: UnixMillis(at),
        level,
        source: if at == 4 { LogSource::Platform } else { LogSource::Server },
        request_id: (at == 2).then(|| RequestId::from_bytes([2; 16])),
        trace_id: TraceId::from_bytes([u8::from(at > 2); 16]),
        message: format!("line {at}"),
    };
    let lines = [
        line(1, LogLevel::Info),
        line(2, LogLevel::Error),
        line(3, LogLevel::Debug),
        line(4, LogLevel::Warn),
    ];
    stores.logs.append(&lines.clone().map(|line| (at, line))).await.unwrap();
    let found = |wanted: &[usize]| Ok(wanted.iter().map(|at| (digest, lines[*at].clone())).collect());
    let all = LogQuery::from_level(LogLevel::Debug);
    let tail = stores.logs.tail(ONE, SERVER, LogQuery::from_level(LogLevel::Warn), 10).await;
    assert_eq!(tail, found(&[1, 3]));
    let of_call = LogQuery { request: lines[1].request_id, ..all };
    assert_eq!(stores.logs.tail(ONE, SERVER, of_call, 10).await, found(&[1]));
    let of_trace = LogQuery { trace: lines[2].trace_id, ..all };
    assert_eq!(stores.logs.tail(ONE, SERVER, of_trace, 10).await, found(&[2, 3]));
    let of_both = LogQuery { request: lines[1].request_id, ..of_trace };
    assert_eq!(stores.logs.tail(ONE, SERVER, of_both, 10).await, found(&[]));
    assert_eq!(stores.logs.tail(ONE, SERVER, all, 1).await, found(&[3]));
    assert_eq!(stores.logs.tail(TWO, SERVER, all, 10).await, found(&[]));
    stores.logs.sweep((10, 17), UnixMillis(0)).await.unwrap();
    let newest = stores.logs.tail(ONE, SERVER, all, 10).await;
    assert_eq!(newest, found(&[2, 3]), "no more than 17 bytes of text");
    stores.logs.sweep((2, 1_000), UnixMillis(4)).await.unwrap();
    assert_eq!(stores.logs.tail(ONE, SERVER, all, 10).await, found(&[3]));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn secrets(stores: &Stores) {
    let secret = |tenant, name: &str, version: i64| SecretRecord {
        tenant,
        server: SERVER,
        name: name.to_owned(),
        version,
        sealed: vec![1, u8::try_from(version).unwrap()],
        created_at: UnixMillis(1),
        created_by: "key".to_owned(),
        updated_at: UnixMillis(version),
    };
    let (a, b, theirs) = (secret(ONE, "A", 1), secret(ONE, "B", 1), secret(TWO, "A", 1));
    let store = &stores.secrets;
    for new in [&a, &b, &theirs] {
        store.put(new, None).await.unwrap();
    }
    assert_eq!(store.put(&a, None).await, Err(StoreError::Taken));
    let elsewhere = SecretRecord { server: ServerId::from_bytes([99; 16]), ..a.clone() };
    assert_eq!(store.put(&elsewhere, None).await, Err(StoreError::Stale), "no such server");
    let newer = secret(ONE, "A", 2);
    assert_eq!(store.put(&newer, Some(7)).await, Err(StoreError::Stale));
    store.put(&newer, Some(1)).await.unwrap();
    assert_eq!(store.get(ONE, SERVER, "A").await, Ok(Some(newer.clone())));
    assert_eq!(store.get(TWO, SERVER, "A").await, Ok(Some(theirs.clone())), "the neighbour's own");
    assert_eq!(store.list(ONE, SERVER).await, Ok(vec![newer.clone(), b.clone()]));
    assert_eq!(store.page(ONE, None, 1).await, Ok(vec![newer.clone()]));
    assert_eq!(store.page(ONE, Some((SERVER, "A".to_owned())), 5).await, Ok(vec![b.clone()]));
    assert_eq!(store.reseal(&a, b"x").await, Err(StoreError::Stale), "changed since");
    store.reseal(&newer, b"x").await.unwrap();
    assert_eq!(store.get(ONE, SERVER, "A").await.unwrap().unwrap().sealed, b"x");
    store.delete(ONE, SERVER, "B").await.unwrap();
    assert_eq!(store.get(ONE, SERVER, "B").await, Ok(None));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn deletion(stores: &Stores) {
    let versions = stores.versions.list(ONE, SERVER, 10).await.unwrap();
    let mut gone = stores.servers.delete(ONE, SERVER).await.unwrap();
    let mut there: Vec<_> = versions.into_iter().map(|version| version.digest).collect();
    gone.sort_unstable();
    there.sort_unstable();
    assert!(!gone.is_empty() && gone == there, "it says which versions went with it: {gone:?}");
    assert_eq!(stores.servers.list(ONE, None, 10).await, Ok(vec![]));
    assert_eq!(stores.versions.list(ONE, SERVER, 10).await, Ok(vec![]));
    assert_eq!(stores.secrets.list(ONE, SERVER).await, Ok(vec![]));
    assert_eq!(stores.secrets.list(TWO, SERVER).await.unwrap().len(), 1);
    assert_eq!(stores.servers.list(TWO, None, 10).await.unwrap().len(), 1, "the neighbour's is still there");
    let slug = "srv".parse().unwrap();
    let again = NewServer { tenant: ONE, id: ServerId::from_bytes([7; 16]), slug, created_at: UnixMillis(8) };
    assert_eq!(stores.servers.create(&again).await, Err(StoreError::Taken), "no name is given out twice");
}
