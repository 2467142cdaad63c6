//! SQL databases in processes of their own: in every layer of the sandbox, killed, damaged, full, and side by side.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use smcp_core::ports::{
    BindingService as _, Budgets, Clock, Databases as _, HostedBody, Isolates as _, Purpose, Target,
    VersionRef, Workload,
};
use smcp_manifest::Manifest;
use smcp_types::{Digest, Error, ServerId, TenantId, UnixMillis};
use smcp_workerd::{
    capability::{Services, d1::D1Service},
    sql::{SqlDatabases, SqlLimits},
};

use crate::{
    parent::children,
    support::{RealClock, Stage, bundle_of, read, request, sandbox, settings, target},
};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const TWO: TenantId = TenantId::from_bytes([2; 16]);

/// A clock on which everything takes a fiftieth of its time.
struct Hurried(Arc<RealClock>);

#[async_trait]
impl Clock for Hurried {
    fn now(&self) -> UnixMillis {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 50
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration / 50).await;
    }
}

fn trash(folder: &Path) -> smcp_workerd::Trash {
    smcp_workerd::Trash::open(folder.join("trash")).unwrap()
}

struct Bench {
    databases: SqlDatabases,
    service: D1Service,
    folder: tempfile::TempDir,
    clock: Arc<dyn Clock>,
}

fn workload(tenant: TenantId, purpose: Purpose) -> Arc<Workload> {
    let text = "manifest = 1\nname = \"a\"\nmain = \"index.js\"\ncompatibility_date = \"2026-01-01\"\n";
    let version =
        VersionRef { tenant, server: ServerId::from_bytes([3; 16]), digest: Digest::from_bytes([4; 32]) };
    Arc::new(Workload {
        version,
        manifest: Arc::new(Manifest::parse(text).unwrap().lock("index.js")),
        purpose,
        networks: Arc::from([]),
        budgets: Budgets::new(),
    })
}

impl Bench {
    fn new(limits: SqlLimits) -> Self {
        Self::with(limits, RealClock::new())
    }

    fn with(limits: SqlLimits, clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let jail = Arc::new(sandbox(folder.path()));
        let tenants = folder.path().join("tenants");
        let databases =
            SqlDatabases::new(tenants, limits, (jail, trash(folder.path())), Arc::clone(&clock)).unwrap();
        let service = D1Service::new(databases.clone(), Arc::clone(&clock));
        Self { databases, service, folder, clock }
    }

    /// As the binding of a process sends it.
    async fn send(&self, from: &Arc<Workload>, database: &str, request: &Value) -> Value {
        let request = request.to_string();
        let length = request.len();
        let body: HostedBody = Box::pin(stream::iter([Ok(Bytes::from(request))]));
        let request = http::Request::post("http://d1/query?resultsFormat=ROWS_AND_COLUMNS")
            .header("content-length", length)
            .body(body)
            .unwrap();
        let mut body = self.service.serve(from, database, request).await.into_body();
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The rows of a statement of tenant one.
    async fn rows(&self, database: &str, sql: &str) -> Value {
        let mut answer = self.send(&workload(ONE, Purpose::Serving), database, &json!({ "sql": sql })).await;
        assert!(answer[0]["success"] == true, "{sql}: {answer}");
        answer[0]["results"]["rows"].take()
    }

    /// Why a statement of tenant one is not carried out.
    async fn refused(&self, database: &str, sql: &str) -> String {
        let answer = self.send(&workload(ONE, Purpose::Serving), database, &json!({ "sql": sql })).await;
        answer["error"].as_str().unwrap_or_else(|| panic!("{sql}: {answer}")).to_owned()
    }

    fn file(&self, tenant: TenantId, database: &str) -> PathBuf {
        self.folder.path().join(format!("tenants/{tenant}/d1/{database}/db.sqlite"))
    }

    /// Asks again until the pause after a failure is over.
    async fn rows_again(&self, database: &str, sql: &str) -> Value {
        for _ in 0..100 {
            let request = json!({ "sql": sql });
            let mut answer = self.send(&workload(ONE, Purpose::Serving), database, &request).await;
            if answer[0]["success"] == true {
                return answer[0]["results"]["rows"].take();
            }
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not come back");
    }
}

/// The processes of databases that this process has.
fn processes() -> Vec<u32> {
    let is_sql =
        |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"smcp\0__sql\0");
    children(std::process::id()).into_iter().filter(is_sql).collect()
}

/// The one process that is not among these.
fn new_process(before: &[u32]) -> u32 {
    let new: Vec<u32> = processes().into_iter().filter(|pid| !before.contains(pid)).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    new[0]
}

fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_served_in_every_layer_and_sees_its_folder_alone() {
    let bench = Bench::new(SqlLimits::default());
    bench.rows("notes", "CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    assert_eq!(bench.rows("notes", "SELECT a FROM t").await, json!([[1]]));
    let pid = new_process(&[]);
    for (name, value) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Seccomp_filters", "3"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("Threads", "1"),
    ] {
        assert_eq!(status(pid, name), value, "{name}");
    }
    for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
        assert_ne!(link(&pid.to_string()), link("self"), "{namespace}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    for line in mounts.lines() {
        let (place, options) = (line.split(' ').nth(4).unwrap(), line.split(' ').nth(5).unwrap());
        let expected = if place == "/state" { "rw,nosuid,nodev,noexec" } else { "ro,nosuid" };
        assert!(options.starts_with(expected), "{line}");
    }
    let seen: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/root")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!seen.iter().any(|name| name == "out" || name == "etc" || name == "tmp"), "{seen:?}");
    let files: BTreeSet<_> = fs::read_dir(format!("/proc/{pid}/root/state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, BTreeSet::from(["db.sqlite".to_owned(), "db.sqlite-wal".to_owned()]));
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    assert!(maps.lines().all(|line| !line.split(' ').nth(1).unwrap().contains("wx")), "{maps}");
    // Two databases are two users, also of one tenant.
    bench.rows("other", "SELECT 1").await;
    assert_ne!(status(pid, "Uid"), status(new_process(&[pid]), "Uid"));
    bench.databases.shutdown().await;
    assert!(processes().is_empty());
    assert!(!bench.file(ONE, "notes").with_extension("sqlite-wal").exists(), "it was closed in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_databases_do_not_meet() {
    let bench = Bench::new(SqlLimits::default());
    bench.rows("notes", "CREATE TABLE t (a); INSERT INTO t VALUES ('one')").await;
    let two = workload(TWO, Purpose::Serving);
    let answer = bench.send(&two, "notes", &json!({ "sql": "SELECT a FROM t" })).await;
    assert_eq!(answer["error"], "no such table: t: SQLITE_ERROR");
    assert!(bench.refused("other", "SELECT a FROM t").await.contains("no such table"));
    for name in ["../notes", "..", "", "A", "a/b", "a\0", &"a".repeat(64)] {
        let answer = bench.send(&two, name, &json!({ "sql": "SELECT 1" })).await;
        assert!(answer["error"].as_str().unwrap().contains("1 to 63 characters"), "{name:?}: {answer}");
    }
    let names = |tenant| {
        let databases = bench.databases.clone();
        async move {
            let list = databases.list(tenant).await.unwrap();
            list.into_iter().map(|record| record.name).collect::<Vec<_>>()
        }
    };
    assert_eq!(names(ONE).await, ["notes", "other"]);
    assert_eq!(names(TWO).await, ["notes"]);
    bench.databases.delete(TWO, "notes").await.unwrap();
    assert_eq!(bench.databases.delete(TWO, "notes").await, Err(Error::NotFound("database")));
    assert!(names(TWO).await.is_empty());
    assert_eq!(bench.rows("notes", "SELECT a FROM t").await, json!([["one"]]));
    // Deleted and made anew: empty.
    let answer = bench.send(&two, "notes", &json!({ "sql": "SELECT a FROM t" })).await;
    assert_eq!(answer["error"], "no such table: t: SQLITE_ERROR");
}

/// Waits until a file has so many bytes: written by another process, so there is nothing to be told by.
async fn grown(clock: &dyn Clock, file: &Path, bytes: u64) {
    for _ in 0..2_000 {
        if fs::metadata(file).is_ok_and(|found| found.len() >= bytes) {
            return;
        }
        clock.sleep(Duration::from_millis(5)).await;
    }
    panic!("{} does not grow", file.display());
}

const ENDLESS: &str = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)";

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_a_transaction_loses_that_one_and_no_other() {
    let bench = Bench::new(SqlLimits { quota: 1 << 30, ..SqlLimits::default() });
    bench.rows("notes", "CREATE TABLE t (a, b)").await;
    for n in 0..5 {
        bench.rows("notes", &format!("INSERT INTO t VALUES ({n}, randomblob(10000))")).await;
    }
    let pid = new_process(&[]);
    let log = bench.file(ONE, "notes").with_extension("sqlite-wal");
    let before = fs::metadata(&log).unwrap().len();
    let sql = format!("INSERT INTO t {ENDLESS} SELECT x, randomblob(10000) FROM n");
    let (said, ()) = tokio::join!(bench.refused("notes", &sql), async {
        grown(&*bench.clock, &log, before + (8 << 20)).await;
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    });
    assert_eq!(said, "D1 DB was reset because its process ended.");
    assert_eq!(bench.rows_again("notes", "SELECT count(*), sum(a) FROM t").await, json!([[5, 10]]));
    assert_eq!(bench.rows("notes", "PRAGMA quick_check").await, json!([["ok"]]));
    // One that dies while nobody asks is not missed.
    let pid = new_process(&[]);
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(bench.rows_again("notes", "SELECT count(*) FROM t").await, json!([[5]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_is_stopped_and_others_are_not() {
    let bench = Bench::new(SqlLimits { request: Duration::from_millis(300), ..SqlLimits::default() });
    bench.rows("slow", "CREATE TABLE t (a)").await;
    let endless = format!("{ENDLESS} SELECT count(*) FROM n");
    let (slow, fast) = tokio::join!(bench.refused("slow", &endless), bench.rows("fast", "SELECT 1"));
    assert_eq!(
        (slow.as_str(), fast),
        ("The request took longer than 300 ms: SQLITE_INTERRUPT", json!([[1]]))
    );
    bench.rows("slow", "INSERT INTO t VALUES (1)").await;
    // One that does not even look at the clock is killed.
    let others = processes();
    bench.rows("stuck", "CREATE TABLE t (a)").await;
    let pid = new_process(&others);
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGSTOP).unwrap();
    assert_eq!(bench.refused("stuck", "SELECT 1").await, "D1 DB exceeded its CPU time limit and was reset.");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(bench.rows_again("stuck", "SELECT count(*) FROM t").await, json!([[0]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_has_one_process_however_many_ask() {
    let bench = Bench::new(SqlLimits::default());
    let asked = (0..40).map(|n| {
        let bench = &bench;
        async move {
            let sql = "CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t SELECT count(*) FROM t";
            let answer =
                bench.send(&workload(ONE, Purpose::Serving), "notes", &json!({ "sql": sql, "n": n })).await;
            assert!(answer[0]["success"] == true, "{answer}");
            processes().len()
        }
    });
    let counts = join_all(asked).await;
    assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    assert_eq!(bench.rows("notes", "SELECT count(DISTINCT a), max(a) FROM t").await, json!([[40, 39]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_bounded_shared_and_taken_from_who_idles() {
    let limits = SqlLimits { processes: 4, wait: Duration::from_secs(1), ..SqlLimits::default() };
    let bench = Bench::new(limits);
    // A quarter of four: one process for each tenant.
    bench.rows("a", "CREATE TABLE t (a)").await;
    let first = new_process(&[]);
    bench.rows("b", "SELECT 1").await;
    assert!(!Path::new(&format!("/proc/{first}")).exists(), "the tenant's own idle one made room");
    let two = workload(TWO, Purpose::Serving);
    bench.send(&two, "a", &json!({ "sql": "SELECT 1" })).await;
    assert_eq!(processes().len(), 2);
    // A busy one is not stopped: who comes waits, and then hears why.
    let limits = SqlLimits { request: Duration::from_secs(3), ..limits };
    let bench = Bench::new(limits);
    bench.rows("busy", "SELECT 1").await;
    let endless = format!("{ENDLESS} SELECT count(*) FROM n");
    let late = async {
        // Once the other is at work.
        bench.clock.sleep(Duration::from_millis(300)).await;
        bench.refused("late", "SELECT 1").await
    };
    let (_, said) = tokio::join!(bench.refused("busy", &endless), late);
    assert_eq!(said, "D1 DB is overloaded. Too many requests queued.");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_asked_ends_and_comes_back() {
    let clock = Arc::new(Hurried(RealClock::new()));
    let bench = Bench::with(SqlLimits::default(), clock);
    bench.rows("notes", "CREATE TABLE t (a); INSERT INTO t VALUES (7)").await;
    assert_eq!(processes().len(), 1);
    let idle = async {
        for _ in 0..500 {
            if processes().is_empty() {
                return;
            }
            bench.clock.sleep(Duration::from_secs(1)).await;
        }
        panic!("it stays");
    };
    tokio::select! {
        () = bench.databases.run() => {}
        () = idle => {}
    }
    assert_eq!(bench.rows("notes", "SELECT a FROM t").await, json!([[7]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named_and_harms_no_other() {
    let bench = Bench::new(SqlLimits::default());
    for name in ["good", "bad", "none"] {
        bench.rows(name, "CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1), (2)").await;
    }
    bench.databases.shutdown().await;
    let bench = Bench { databases: bench.databases, ..bench };
    let jail = Arc::new(sandbox(bench.folder.path()));
    let tenants = bench.folder.path().join("tenants");
    let databases = SqlDatabases::new(
        tenants,
        SqlLimits::default(),
        (jail, trash(bench.folder.path())),
        Arc::clone(&bench.clock),
    )
    .unwrap();
    let service = D1Service::new(databases.clone(), Arc::clone(&bench.clock));
    let bench = Bench { databases, service, ..bench };
    let damage = |name: &str, with: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(bench.file(ONE, name)).unwrap();
        with(&mut bytes);
        fs::write(bench.file(ONE, name), bytes).unwrap();
    };
    damage("bad", &|bytes| bytes[4096..4200].fill(0xff));
    damage("none", &|bytes| bytes.fill(b'x'));
    for (name, why) in [("bad", "SQLITE_CORRUPT"), ("none", "file is not a database: SQLITE_NOTADB")] {
        let said = bench.refused(name, "SELECT a FROM t").await;
        assert!(said.contains(why), "{said}");
        assert_eq!(bench.refused(name, "SELECT a FROM t").await, said, "for a while nothing else is tried");
        let answer = bench.databases.query(ONE, name, Bytes::from_static(b"{\"sql\":\"SELECT 1\"}")).await;
        assert!(matches!(&answer, Err(Error::Damaged(_) | Error::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(bench.rows("good", "SELECT count(*) FROM t").await, json!([[2]]));
    bench.databases.delete(ONE, "none").await.unwrap();
    assert!(bench.refused("none", "SELECT a FROM t").await.contains("no such table"), "made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_bound_what_is_stored() {
    let limits = SqlLimits { quota: 200_000, per_tenant: 2, ..SqlLimits::default() };
    let bench = Bench::new(limits);
    bench.rows("a", "CREATE TABLE t (a)").await;
    let said = bench.refused("a", "INSERT INTO t VALUES (zeroblob(300000))").await;
    assert_eq!(said, "Exceeded maximum DB size of 200000 bytes (storage.database_mb): SQLITE_FULL");
    bench.rows("a", "INSERT INTO t VALUES (zeroblob(100000))").await;
    bench.rows("b", "SELECT 1").await;
    let said = bench.refused("c", "SELECT 1").await;
    assert!(said.contains("the tenant has 2 databases, as many as it may"), "{said}");
    let two = workload(TWO, Purpose::Serving);
    let answer = bench.send(&two, "c", &json!({ "sql": "SELECT 1" })).await;
    assert_eq!(answer[0]["success"], true);
    // Those who race make no more of them either.
    let bench = Bench::new(limits);
    let names = ["c", "d", "e", "f", "g", "h"];
    let one = workload(ONE, Purpose::Serving);
    let select = json!({ "sql": "SELECT 1" });
    let race = names.map(|name| bench.send(&one, name, &select));
    let made = futures_util::future::join_all(race).await;
    let made = made.iter().filter(|answer| answer[0]["success"] == true).count();
    assert_eq!((made, bench.databases.list(ONE).await.unwrap().len()), (2, 2));
    // More than a tenant's share of memory is not even read.
    let bench = Bench::new(SqlLimits { memory: 4 << 20, ..limits });
    let said = bench.refused("a", &format!("SELECT '{}'", "x".repeat(2 << 20))).await;
    assert_eq!(said, "D1 DB is overloaded. Too many requests queued.");
    bench.rows("a", "SELECT 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_has_a_database_that_is_thrown_away() {
    let bench = Bench::new(SqlLimits::default());
    bench.rows("notes", "CREATE TABLE t (a)").await;
    let (trial, other) = (workload(ONE, Purpose::Trial), workload(ONE, Purpose::Trial));
    let make = json!({ "sql": "CREATE TABLE x (a)" });
    for from in [&trial, &other] {
        let answer = bench.send(from, "notes", &make).await;
        assert!(answer[0]["success"] == true, "{answer}");
    }
    let answer = bench.send(&trial, "notes", &json!({ "sql": "SELECT * FROM t" })).await;
    assert_eq!(answer["error"], "no such table: t: SQLITE_ERROR");
    assert!(bench.refused("notes", "SELECT * FROM x").await.contains("no such table"));
    assert_eq!(bench.databases.list(ONE).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_goes_out_and_comes_in_as_a_script() {
    let bench = Bench::new(SqlLimits::default());
    bench.rows("a", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BLOB)").await;
    let fill = format!("INSERT INTO t {ENDLESS} SELECT x, 'it''s ' || x, randomblob(900) FROM n LIMIT 500");
    bench.rows("a", &fill).await;
    let script = exported(&bench, "a").await;
    assert!(script.len() > 900_000 && script.ends_with("\n"));
    let did = bench.databases.import(ONE, "b", Bytes::from(script.clone())).await.unwrap();
    assert_eq!((did.statements, did.changes), (502, 500));
    assert_eq!(exported(&bench, "b").await, script);
    let Err(Error::Invalid(refusal)) = bench.databases.import(ONE, "b", script.into()).await else {
        panic!("it is there already")
    };
    assert!(refusal.message.contains("already exists"), "{refusal:?}");
    let query = |sql: &str| bench.databases.query(ONE, "a", json!({ "sql": sql }).to_string().into());
    let Err(Error::Invalid(refusal)) = query("SELECT * FROM x").await else { panic!("no such table") };
    assert_eq!(refusal.message, "no such table: x: SQLITE_ERROR");
    assert!(query("SELECT 1").await.is_ok());
    let missing = bench.databases.query(ONE, "missing", Bytes::new()).await;
    assert_eq!(missing, Err(Error::NotFound("database")));
    assert!(matches!(bench.databases.export(ONE, "missing").await, Err(Error::NotFound("database"))));
    // Who stops reading does not hold the database up.
    drop(bench.databases.export(ONE, "a").await.unwrap());
    assert_eq!(bench.rows_again("a", "SELECT count(*) FROM t").await, json!([[500]]));
}

async fn exported(bench: &Bench, database: &str) -> String {
    let mut body = bench.databases.export(ONE, database).await.unwrap();
    let mut script = Vec::new();
    while let Some(piece) = body.next().await {
        script.extend_from_slice(&piece.unwrap());
    }
    String::from_utf8(script).unwrap()
}

/// Everything at once: a hosted server with a binding, in its own process, and its database in another.
const SERVER: &str = r#"
export default { async fetch(request, env) {
  const out = [];
  const attempt = async (name, work) => {
    try { out.push([name, await work()]); } catch (error) { out.push([name, String(error.message)]); }
  };
  const db = env.DB;
  await attempt("exec", async () => (await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b BLOB)")).count);
  await attempt("run", async () => {
    const { success, results, meta } = await db.prepare("INSERT INTO t (a, b) VALUES (?, ?)").bind("é", new Uint8Array([1, 2])).run();
    return [success, results, meta.changes, meta.last_row_id];
  });
  await attempt("all", async () => (await db.prepare("SELECT * FROM t").all()).results);
  await attempt("first", () => db.prepare("SELECT count(*) AS n FROM t").first("n"));
  await attempt("raw", () => db.prepare("SELECT id, a FROM t").raw({ columnNames: true }));
  await attempt("batch", async () => {
    const insert = db.prepare("INSERT INTO t (id) VALUES (?)");
    return (await db.batch([insert.bind(5), insert.bind(6)])).map(one => one.meta.last_row_id);
  });
  await attempt("batch fails", () => db.batch([db.prepare("DELETE FROM t"), db.prepare("SELECT * FROM x")]));
  await attempt("left", () => db.prepare("SELECT count(*) AS n FROM t").first("n"));
  await attempt("session", async () => {
    const session = db.withSession();
    await session.prepare("SELECT 1").all();
    return typeof session.getBookmark();
  });
  await attempt("begin", () => db.prepare("BEGIN").run());
  await attempt("attach", () => db.prepare("ATTACH '/etc/passwd' AS x").run());
  await attempt("dump", () => db.dump());
  return Response.json(out);
} };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn hosted_code_uses_its_binding_as_on_cloudflare() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = RealClock::new();
    let jail = Arc::new(sandbox(folder.path()));
    let tenants = folder.path().join("tenants");
    let databases =
        SqlDatabases::new(tenants, SqlLimits::default(), (jail, trash(folder.path())), Arc::clone(&clock))
            .unwrap();
    let services = Services { d1: Arc::new(D1Service::new(databases, clock)), ..Services::closed() };
    let stage = Stage::offering(settings(), services).await;
    let bundle = bundle_of(
        "compatibility_date = \"2026-11-01\"\n[[d1]]\nbinding = \"DB\"\ndatabase = \"notes\"",
        SERVER,
    );
    let manifest = Arc::new(bundle.manifest().clone());
    let version = stage.add_bundle(1, bundle);
    let target = Target { manifest, ..target(version) };
    let answer = stage.supervisor.call(&stage.permit(&version), &target, request("/")).await.unwrap();
    let said: Value = serde_json::from_str(&read(answer).await.unwrap()).unwrap();
    let expected = json!([
        ["exec", 1],
        ["run", [true, [], 1, 1]],
        ["all", [{ "id": 1, "a": "é", "b": [1, 2] }]],
        ["first", 1],
        ["raw", [["id", "a"], [1, "é"]]],
        ["batch", [5, 6]],
        ["batch fails", "D1_ERROR: no such table: x: SQLITE_ERROR"],
        ["left", 3],
        ["session", "string"],
        ["begin", said[9][1]],
        ["attach", said[10][1]],
        ["dump", "D1_DUMP_ERROR: Status + 404"],
    ]);
    assert_eq!(said, expected);
    assert!(said[9][1].as_str().unwrap().starts_with("D1_ERROR: To execute a transaction"), "{said}");
    assert!(said[10][1].as_str().unwrap().starts_with("D1_ERROR: not authorized"), "{said}");
}
