//! What hosted SQL may try, against the database as its process opens it.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    database::{Database, Stopped},
    dump::dump,
    execute::{Shape, import, run},
    frame::{FILE, Hello},
};

struct Bench {
    database: Database,
    _folder: tempfile::TempDir,
}

const QUOTA: u64 = 1 << 20;

fn hello(request_ms: u64) -> Hello {
    Hello { protocol: 1, folder: None, quota: QUOTA, request_ms }
}

fn open(folder: &Path) -> Result<Database, Stopped> {
    Database::open(&hello(5_000), Some(&folder.join(FILE)))
}

impl Bench {
    fn new() -> Self {
        Self::within(5_000)
    }

    fn within(request_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&hello(request_ms), Some(&folder.path().join(FILE))).unwrap();
        Self { database, _folder: folder }
    }

    fn send(&mut self, request: &Value) -> Result<Value, String> {
        let answer = run(&mut self.database, request.to_string().as_bytes(), Shape::Rows);
        answer.map(|answer| serde_json::from_slice(&answer).unwrap()).map_err(|stopped| stopped.message)
    }

    /// The rows of one statement.
    fn rows(&mut self, sql: &str) -> Value {
        self.with(sql, &json!([]))
    }

    fn with(&mut self, sql: &str, params: &Value) -> Value {
        let mut answer = self.send(&json!({ "sql": sql, "params": params })).unwrap();
        answer[0]["results"]["rows"].take()
    }

    fn refused(&mut self, sql: &str) -> String {
        self.send(&json!({ "sql": sql })).expect_err(sql)
    }
}

#[test]
fn statements_and_their_results_are_those_of_d1() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c REAL)");
    let row = json!([1, "é'\"\n", [0, 255], 0.5]);
    let answer = bench.send(&json!({ "sql": "INSERT INTO t VALUES (?, ?, ?, ?)", "params": row })).unwrap();
    let meta = &answer[0]["meta"];
    assert_eq!([&meta["changes"], &meta["last_row_id"], &meta["rows_written"]], [1, 1, 1]);
    assert_eq!(meta["changed_db"], true);
    assert!(meta["size_after"].as_i64().unwrap() > 0 && meta["duration"].is_f64());
    assert_eq!(bench.rows("SELECT * FROM t"), json!([row]));
    assert_eq!(
        bench.rows("SELECT 9223372036854775807, -1, 1e999, NULL, true, x'', 1 AS a, 2 AS a"),
        json!([[i64::MAX, -1, null, null, 1, [], 1, 2]])
    );
    let answer = bench.send(&json!({ "sql": "SELECT 1 AS a, 2 AS a" })).unwrap();
    assert_eq!(answer[0]["results"]["columns"], json!(["a", "a"]));
    assert_eq!(answer[0]["success"], true);
    let objects = run(&mut bench.database, br#"{"sql":"SELECT 1 AS a, 'x' AS b"}"#, Shape::Objects).unwrap();
    let objects: Value = serde_json::from_slice(&objects).unwrap();
    assert_eq!(objects[0]["results"], json!([{ "a": 1, "b": "x" }]));
    // A number is a JavaScript number.
    assert_eq!(bench.with("SELECT typeof(?1), ?1 / 2", &json!([1])), json!([["real", 0.5]]));
    assert_eq!(bench.rows("SELECT 1; SELECT 2; -- done\n"), json!([[2]]));
    assert_eq!(
        bench.rows("SELECT sqrt(16), json_extract('{\"a\":[1]}', '$.a[0]'), upper('a')"),
        json!([[4.0, 1, "A"]])
    );
}

#[test]
fn errors_are_worded_as_d1_does() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (a UNIQUE, b REFERENCES t (a)); INSERT INTO t VALUES (1, NULL)");
    for (sql, message) in [
        ("SELECT x", "no such column: x at offset 7: SQLITE_ERROR"),
        ("SELECT * FROM x", "no such table: x: SQLITE_ERROR"),
        ("SELEC", "near \"SELEC\": syntax error at offset 0: SQLITE_ERROR"),
        (
            "INSERT INTO t (a) VALUES (1)",
            "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        ),
        (
            "INSERT INTO t VALUES (2, 9)",
            "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)",
        ),
        ("SELECT ?", "Wrong number of parameter bindings for SQL query."),
        ("", "No SQL statements detected."),
        (" -- nothing\n/* at all */ ;", "No SQL statements detected."),
    ] {
        assert_eq!(bench.refused(sql), message);
    }
    let two = json!({ "sql": "SELECT ?; SELECT 1", "params": [1] });
    assert!(bench.send(&two).unwrap_err().contains("only the last statement can have parameters"));
    let many: Vec<_> = (0..101).collect();
    let sql = format!("SELECT {}", vec!["?"; 101].join(","));
    assert!(
        bench.send(&json!({ "sql": sql, "params": many })).unwrap_err().contains("too many SQL variables")
    );
    let stopped = run(&mut bench.database, b"{", Shape::Rows).unwrap_err();
    assert!(stopped.message.starts_with("The request is not what D1's binding sends"));
}

#[test]
fn a_request_is_one_transaction() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (a UNIQUE)");
    let batch = json!([
        { "sql": "INSERT INTO t VALUES (?)", "params": [1] },
        { "sql": "-- nothing" },
        { "sql": "INSERT INTO t VALUES (?)", "params": [1] },
    ]);
    bench.send(&batch).unwrap_err();
    assert_eq!(bench.rows("SELECT count(*) FROM t"), json!([[0]]));
    let batch = json!([{ "sql": "INSERT INTO t VALUES (1)" }, { "sql": "SELECT a FROM t" }]);
    let answer = bench.send(&batch).unwrap();
    assert_eq!(answer[1]["results"]["rows"], json!([[1]]));
    for sql in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "END TRANSACTION", "RELEASE a"] {
        assert!(bench.refused(sql).starts_with("To execute a transaction, please use"), "{sql}");
    }
    // What is checked at the end may fail there.
    bench.rows("CREATE TABLE u (a REFERENCES t (a))");
    let deferred =
        json!([{ "sql": "PRAGMA defer_foreign_keys = ON" }, { "sql": "INSERT INTO u VALUES (7)" }]);
    assert!(bench.send(&deferred).unwrap_err().starts_with("FOREIGN KEY constraint failed"));
    assert_eq!(bench.rows("SELECT count(*) FROM u"), json!([[0]]));
}

#[test]
fn nothing_reaches_out_of_the_file() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    for sql in [
        "ATTACH '/etc/passwd' AS x",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "SELECT load_extension('/state/x.so')",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/state/x', 'y')",
        "SELECT edit('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_version()",
        "SELECT sqlite_compileoption_get(0)",
        "VACUUM INTO '/state/copy'",
        "VACUUM",
        "PRAGMA writable_schema = ON",
        "PRAGMA journal_mode = OFF",
        "PRAGMA synchronous = OFF",
        "PRAGMA max_page_count = 1000000",
        "PRAGMA main.max_page_count = 1000000",
        "SELECT * FROM pragma_max_page_count(1000000)",
        "SELECT * FROM pragma_database_list",
        "PRAGMA database_list",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA temp_store = FILE",
        "PRAGMA temp_store_directory = '/state'",
        "PRAGMA mmap_size = 1000000",
        "PRAGMA locking_mode = NORMAL",
        "PRAGMA module_list",
        "PRAGMA key = 'x'",
        "CREATE TEMP TABLE x (a)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE x USING fts4(a)",
        "CREATE VIRTUAL TABLE x USING dbstat",
        "CREATE VIRTUAL TABLE x USING csv(filename='/etc/passwd')",
        "SELECT * FROM dbstat",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (b)'",
        "DELETE FROM sqlite_schema",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, '')",
        "CREATE TABLE _cf_KV (a)",
        "CREATE TABLE sqlite_x (a)",
        "CREATE VIEW _CF_v AS SELECT 1",
        "PRAGMA table_info(_cf_KV)",
    ] {
        let why = bench.refused(sql);
        assert!(!why.contains("SQLITE_INTERNAL"), "{sql}: {why}");
    }
    assert_eq!(bench.rows("SELECT a FROM t"), json!([[1]]), "all is as it was");
    for sql in [
        "PRAGMA table_list",
        "PRAGMA table_info(t)",
        "PRAGMA table_xinfo('t')",
        "PRAGMA index_list(t)",
        "PRAGMA foreign_key_list(t)",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_keys",
        "PRAGMA quick_check",
        "PRAGMA optimize",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA recursive_triggers = true",
        "SELECT name FROM pragma_table_info('t')",
        "ANALYZE",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
    ] {
        bench.rows(sql);
    }
}

#[test]
fn what_never_ends_is_ended() {
    let mut bench = Bench::within(200);
    bench.rows("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)";
    for sql in [
        format!("{endless} SELECT count(*) FROM n"),
        format!("INSERT INTO t {endless} SELECT x FROM n WHERE x < 0"),
        format!("{endless} SELECT max(length(hex(randomblob(100000)))) FROM n"),
    ] {
        let began = bench.database.elapsed();
        assert_eq!(bench.refused(&sql), "The request took longer than 200 ms: SQLITE_INTERRUPT");
        assert!(bench.database.elapsed() - began < Duration::from_secs(2), "{sql}");
    }
    assert_eq!(bench.rows("SELECT a FROM t"), json!([[1]]));
}

#[test]
fn memory_is_bounded_whatever_it_is_taken_for() {
    let mut bench = Bench::new();
    for sql in [
        "SELECT zeroblob(1000000000)",
        "SELECT length(randomblob(1000000000))",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT printf('%1000000000d', 1)",
        "SELECT replace(hex(zeroblob(900000)), '0', '00000000')",
        "SELECT group_concat(hex(zeroblob(900000))) FROM (SELECT 1 UNION ALL SELECT 2)",
        "SELECT json_group_array(hex(zeroblob(900000))) FROM (SELECT 1 UNION ALL SELECT 2)",
        "SELECT concat(hex(zeroblob(900000)), hex(zeroblob(900000)))",
    ] {
        assert!(bench.refused(sql).contains("too big"), "{sql}: {}", bench.refused(sql));
    }
    let many = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 400)";
    let sorted = bench.refused(&format!(
        "{many} SELECT count(*) FROM (SELECT DISTINCT randomblob(500000) AS b FROM n ORDER BY b)"
    ));
    assert!(sorted.contains("SQLITE_NOMEM"), "{sorted}");
    let listed = bench.refused(&format!("{many} SELECT hex(zeroblob(500000)) FROM n"));
    assert!(listed.contains("at most 32 MiB"), "{listed}");
    assert_eq!(bench.rows("SELECT 1"), json!([[1]]), "it goes on");
}

#[test]
fn what_is_too_deep_or_too_wide_is_refused() {
    let mut bench = Bench::new();
    let columns: Vec<String> = (0..2000).map(|n| format!("c{n}")).collect();
    let selects = ["SELECT 1"; 10].join(" UNION ALL ");
    for (sql, why) in [
        (format!("SELECT {}1{}", "(1+".repeat(1000), ")".repeat(1000)), "SQLITE_ERROR"),
        (format!("SELECT {}1", "- ".repeat(5000)), "SQLITE_ERROR"),
        (format!("SELECT {}", vec!["1"; 5000].join("+")), "Expression tree is too large"),
        (format!("CREATE TABLE t ({})", columns.join(",")), "too many columns"),
        (format!("SELECT {}", vec!["1"; 101].join(",")), "too many columns"),
        (selects, "too many terms in compound SELECT"),
        (format!("SELECT '{}'", "x".repeat(100_001)), "statement too long"),
        (format!("SELECT max({})", vec!["1"; 128].join(",")), "too many arguments"),
        (format!("SELECT 'x' LIKE '{}'", "%_".repeat(40)), "pattern too complex"),
        (format!("SELECT json('{}')", "[".repeat(50_000)), "malformed JSON"),
        (format!("SELECT json_extract('[1]', '{}')", "$[0]".repeat(20_000)), "JSON"),
    ] {
        let said = bench.refused(&sql);
        assert!(said.contains(why), "{}: {said}", &sql[..40]);
    }
    bench.rows(
        "CREATE TABLE r (a); CREATE TRIGGER tr AFTER INSERT ON r BEGIN INSERT INTO r VALUES (new.a + 1); END",
    );
    let loops = json!([{ "sql": "PRAGMA recursive_triggers = ON" }, { "sql": "INSERT INTO r VALUES (1)" }]);
    let said = bench.send(&loops).unwrap_err();
    assert!(said.contains("triggers nested too deep"), "{said}");
}

#[test]
fn a_quota_is_a_bound_and_its_end_is_clean() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (a)");
    let mut stored = 0;
    let said = loop {
        match bench.send(&json!({ "sql": "INSERT INTO t VALUES (zeroblob(100000))" })) {
            Ok(_) => stored += 1,
            Err(said) => break said,
        }
    };
    assert_eq!(said, format!("Exceeded maximum DB size of {QUOTA} bytes (storage.database_mb): SQLITE_FULL"));
    assert!((8..=10).contains(&stored), "{stored}");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), json!([[stored]]));
    bench.rows("DELETE FROM t");
    bench.rows("INSERT INTO t VALUES (zeroblob(100000))");
}

#[test]
fn a_quota_that_is_lowered_takes_nothing_away() {
    let mut bench = Bench::new();
    bench.rows("CREATE TABLE t (a)");
    for _ in 0..8 {
        bench.rows("INSERT INTO t VALUES (zeroblob(100000))");
    }
    let Bench { database, _folder } = bench;
    drop(database);
    let hello = Hello { quota: QUOTA / 4, ..hello(5_000) };
    let database = Database::open(&hello, Some(&_folder.path().join(FILE))).unwrap();
    let mut bench = Bench { database, _folder };
    assert_eq!(bench.rows("SELECT count(*) FROM t"), json!([[8]]));
    let said = bench.refused("INSERT INTO t VALUES (zeroblob(1000000))");
    assert_eq!(
        said,
        format!("Exceeded maximum DB size of {} bytes (storage.database_mb): SQLITE_FULL", QUOTA / 4)
    );
    bench.rows("DELETE FROM t WHERE rowid > 1");
    assert_eq!(bench.rows("SELECT count(*) FROM t"), json!([[1]]));
}

#[test]
fn full_text_and_spatial_indices_work() {
    let mut bench = Bench::new();
    bench.rows("CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f VALUES ('hello world')");
    assert_eq!(bench.rows("SELECT a FROM f WHERE f MATCH 'world' ORDER BY rank"), json!([["hello world"]]));
    bench.rows("CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); INSERT INTO r VALUES (1, 2, 3)");
    assert_eq!(bench.rows("SELECT id FROM r WHERE x0 < 2.5"), json!([[1]]));
    bench.refused("UPDATE f_data SET block = x'00'");
    bench.rows("DROP TABLE f");
    let many = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9)";
    assert_eq!(bench.rows(&format!("{many} SELECT count(*) FROM n")), json!([[9]]));
}

#[test]
fn damage_is_found_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    std::fs::write(&file, "no database at all, however long it may be".repeat(100)).unwrap();
    let stopped = open(folder.path()).err().unwrap();
    assert!(stopped.damaged && stopped.message == "file is not a database: SQLITE_NOTADB", "{stopped:?}");
    std::fs::remove_file(&file).unwrap();
    let mut database = open(folder.path()).unwrap();
    let fill = br#"{"sql":"CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1), (2)"}"#;
    run(&mut database, fill, Shape::Rows).unwrap();
    drop(database);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..4200].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let stopped = open(folder.path()).err().unwrap();
    assert!(stopped.damaged && stopped.message.contains("malformed"), "{stopped:?}");
}

#[test]
fn a_dump_makes_the_same_database() {
    let mut bench = Bench::new();
    bench.rows(
        "CREATE TABLE \"a b\" (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, b BLOB, r REAL, \
         g AS (t || 'x')); CREATE INDEX i ON \"a b\" (t); CREATE VIEW v AS SELECT t FROM \"a b\"; \
         CREATE TABLE log (a); \
         CREATE TRIGGER tr AFTER UPDATE ON \"a b\" BEGIN INSERT INTO log VALUES (old.id); END",
    );
    for n in 0..3 {
        let params = json!([format!("it's\n{n}"), [n, 1], 0.5]);
        bench.with("INSERT INTO \"a b\" (t, b, r) VALUES (?, ?, ?)", &params);
    }
    bench.rows("ANALYZE");
    let script = dumped(&mut bench.database);
    assert!(script.starts_with("PRAGMA defer_foreign_keys=TRUE;\n"));
    let mut copy = Bench::new();
    let said = import(&mut copy.database, script.as_bytes()).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(said["statements"], script.lines().count(), "{script}");
    assert_eq!(dumped(&mut copy.database), script);
    let all = "SELECT * FROM \"a b\"";
    assert_eq!(copy.rows(all), bench.rows(all));
    // What an import breaks off is not there.
    assert!(import(&mut copy.database, b"CREATE TABLE half (a); SELEC").is_err());
    assert!(copy.refused("SELECT * FROM half").contains("no such table"));
    assert!(import(&mut copy.database, b"ATTACH 'x' AS y").is_err());
}

fn dumped(database: &mut Database) -> String {
    let mut script = Vec::new();
    dump(database, &mut |piece| {
        script.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    String::from_utf8(script).unwrap()
}
