// D1, call by call. Each group makes the tables it needs.

/** What one run counts and another does not is shown by its kind; which names there are has a step of its own. */
function measured({ last_row_id, changes, changed_db, duration, size_after, rows_read, rows_written }) {
  return { last_row_id, changes, changed_db, duration: typeof duration, size_after: size_after > 0, rows_read: typeof rows_read, rows_written: typeof rows_written };
}

/** A result with its `meta` in comparable form. */
const told = ({ meta, ...rest }) => ({ ...rest, meta: measured(meta) });
/** A result of a statement that may fail. */
const run = async (statement) => told(await statement.run());

export async function queries({ DB }, step) {
  await step("exec makes a table", async () => (await DB.exec("CREATE TABLE q (id INTEGER PRIMARY KEY, name TEXT, n REAL)")).count);
  await step("run inserts", () => run(DB.prepare("INSERT INTO q (name, n) VALUES (?, ?)").bind("one", 1.5)));
  await step("run inserts two", () => run(DB.prepare("INSERT INTO q (name, n) VALUES ('two', 2), ('three', NULL)")));
  await step("run selects", () => run(DB.prepare("SELECT * FROM q ORDER BY id")));
  await step("all", async () => told(await DB.prepare("SELECT id, name FROM q ORDER BY id").all()));
  await step("all of none", async () => told(await DB.prepare("SELECT * FROM q WHERE id = 99").all()));
  await step("first", () => DB.prepare("SELECT * FROM q ORDER BY id").first());
  await step("first of a column", () => DB.prepare("SELECT * FROM q ORDER BY id").first("name"));
  await step("first of a column that is not there", () => DB.prepare("SELECT * FROM q ORDER BY id").first("other"));
  await step("first of none", () => DB.prepare("SELECT * FROM q WHERE id = 99").first());
  await step("first of none, a column", () => DB.prepare("SELECT * FROM q WHERE id = 99").first("name"));
  await step("raw", () => DB.prepare("SELECT id, name, n FROM q ORDER BY id").raw());
  await step("raw with names", () => DB.prepare("SELECT id, name, n FROM q ORDER BY id").raw({ columnNames: true }));
  await step("raw of none", () => DB.prepare("SELECT id FROM q WHERE id = 99").raw());
  await step("raw of none with names", () => DB.prepare("SELECT id FROM q WHERE id = 99").raw({ columnNames: true }));
  await step("two columns of one name", async () => (await DB.prepare("SELECT id AS a, name AS a FROM q WHERE id = 1").all()).results);
  await step("two columns of one name, raw", () => DB.prepare("SELECT id AS a, name AS a FROM q WHERE id = 1").raw({ columnNames: true }));
  await step("update", () => run(DB.prepare("UPDATE q SET n = 7 WHERE id < 3")));
  await step("update of none", () => run(DB.prepare("UPDATE q SET n = 7 WHERE id = 99")));
  await step("delete", () => run(DB.prepare("DELETE FROM q WHERE id = 2")));
  await step("returning", () => run(DB.prepare("INSERT INTO q (name) VALUES ('four') RETURNING id, name")));
  await step("upsert", () => run(DB.prepare("INSERT INTO q (id, name) VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = excluded.name")));
  await step("numbered parameters", () => DB.prepare("SELECT ?2 AS b, ?1 AS a").bind("x", "y").first());
  await step("the same parameter twice", () => DB.prepare("SELECT ?1 AS a, ?1 AS b").bind("x").first());
  await step("a statement used twice", async () => {
    const statement = DB.prepare("SELECT ? AS v");
    return [await statement.bind(1).first("v"), await statement.bind(2).first("v")];
  });
  await step("common table expression", () => DB.prepare("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT sum(n) AS s FROM c").first());
  await step("window function", () => DB.prepare("SELECT id, row_number() OVER (ORDER BY id DESC) AS r FROM q").raw());
  await step("JSON functions", () => DB.prepare("SELECT json_extract('{\"a\":[1,2]}', '$.a[1]') AS v, json_group_array(id) AS ids FROM q").first());
  await step("JSON operator", () => DB.prepare("SELECT '{\"a\":{\"b\":3}}' -> 'a' ->> 'b' AS v").first());
  await step("full text", async () => {
    await DB.exec("CREATE VIRTUAL TABLE ft USING fts5(body)");
    await DB.prepare("INSERT INTO ft VALUES ('the quick fox'), ('a slow dog')").run();
    return DB.prepare("SELECT body FROM ft WHERE ft MATCH 'quick'").raw();
  });
  await step("a trailing semicolon", () => DB.prepare("SELECT 1 AS a;").first());
  await step("a comment", () => DB.prepare("-- first\nSELECT 1 AS a /* last */").first());
}

export async function types({ DB }, step) {
  const one = (value) => DB.prepare("SELECT ?1 AS v, typeof(?1) AS t").bind(value).first();
  const values = {
    "text": "h\u00e9llo \u2713 \ud83d\ude00",
    "an empty text": "",
    "text with a zero": "a\u0000b",
    "an integer": 42,
    "a negative integer": -7,
    "a large integer": 2 ** 40,
    "the greatest safe integer": Number.MAX_SAFE_INTEGER,
    "a real": 1.25,
    "a small real": 5e-324,
    "a great real": 1.7976931348623157e308,
    "minus zero": -0,
    "null": null,
    "true": true,
    "false": false,
    "bytes": new Uint8Array([0, 1, 255]),
    "a buffer": new Uint8Array([9, 8]).buffer,
    "no bytes": new Uint8Array(0),
    "a view of numbers": new Uint16Array([1, 2]),
    "a list of numbers": [1, 2, 3],
    "undefined": undefined,
    "bigint": 5n,
    "not a number": Number.NaN,
    "infinity": Number.POSITIVE_INFINITY,
    "a date": new Date(0),
    "an object": { a: 1 },
    "a function": () => 1,
    "a symbol": Symbol("s"),
  };
  for (const [name, value] of Object.entries(values)) await step(name, () => one(value));
  await step("an integer beyond", () => DB.prepare("SELECT 9007199254740993 AS v").first());
  await step("the greatest of 64 bits", () => DB.prepare("SELECT 9223372036854775807 AS v, typeof(9223372036854775807) AS t").first());
  await step("a blob literal", () => DB.prepare("SELECT x'00ff10' AS v").first());
  await step("an infinite result", () => DB.prepare("SELECT 1e999 AS v").first());
  await step("columns with types", async () => {
    await DB.exec("CREATE TABLE ty (i INTEGER, r REAL, t TEXT, b BLOB, x, n NUMERIC)");
    await DB.prepare("INSERT INTO ty VALUES (?, ?, ?, ?, ?, ?)").bind("12", "1.5", 7, "text", null, "3.0").run();
    return DB.prepare("SELECT *, typeof(i) ti, typeof(r) tr, typeof(t) tt, typeof(b) tb, typeof(n) tn FROM ty").first();
  });
  await step("blob in a table", async () => {
    await DB.prepare("INSERT INTO ty (b) VALUES (?)").bind(new Uint8Array([1, 2, 3])).run();
    return DB.prepare("SELECT b, length(b) AS l, typeof(b) AS t FROM ty WHERE i IS NULL").first();
  });
  await step("a strict table", async () => {
    await DB.exec("CREATE TABLE st (i INTEGER) STRICT");
    return run(DB.prepare("INSERT INTO st VALUES ('x')"));
  });
}

export async function batches({ DB }, step) {
  await DB.exec("CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT UNIQUE)");
  const insert = (v) => DB.prepare("INSERT INTO b (v) VALUES (?)").bind(v);
  const rows = () => DB.prepare("SELECT id, v FROM b ORDER BY id").raw();
  await step("two inserts and a select", async () => (await DB.batch([insert("a"), insert("b"), DB.prepare("SELECT count(*) AS n FROM b")])).map(told));
  await step("what is there", rows);
  await step("one that breaks a constraint", () => DB.batch([insert("c"), insert("a"), insert("d")]));
  await step("nothing of it is there", rows);
  await step("one that does not parse", () => DB.batch([insert("e"), DB.prepare("SELEC 1")]));
  await step("nothing of that either", rows);
  await step("none", () => DB.batch([]));
  await step("sees what it wrote", async () => (await DB.batch([insert("f"), DB.prepare("SELECT v FROM b WHERE v = 'f'")]))[1].results);
  await step("many", async () => (await DB.batch(Array.from({ length: 50 }, (_, n) => insert(`m${n}`)))).length);
  await step("what is no statement", () => DB.batch(["SELECT 1"]));
  await step("transaction in words", () => DB.batch([DB.prepare("BEGIN"), insert("g"), DB.prepare("COMMIT")]));
  await step("savepoint in words", () => run(DB.prepare("SAVEPOINT s")));
}

export async function scripts({ DB }, step) {
  const exec = async (sql) => {
    const { count, duration } = await DB.exec(sql);
    return [count, typeof duration];
  };
  await step("one statement", () => exec("CREATE TABLE s (a)"));
  await step("a line each", () => exec("INSERT INTO s VALUES (1)\nINSERT INTO s VALUES (2);\n"));
  await step("two on a line", () => exec("INSERT INTO s VALUES (3); INSERT INTO s VALUES (4);"));
  await step("what is there", () => DB.prepare("SELECT a FROM s ORDER BY a").raw());
  await step("over two lines", () => exec("INSERT INTO s\nVALUES (5)"));
  await step("with a mistake in line 2", () => exec("INSERT INTO s VALUES (6)\nNONSENSE"));
  await step("what stays of it", () => DB.prepare("SELECT a FROM s ORDER BY a").raw());
  await step("nothing", () => exec(""));
  await step("white space", () => exec("  \n "));
  await step("prepare of two statements", () => run(DB.prepare("SELECT 1; SELECT 2")));
  await step("prepare of nothing", () => run(DB.prepare("")));
  await step("prepare of a comment", () => run(DB.prepare("-- nothing")));
  await step("a trigger", async () => {
    await DB.prepare("CREATE TRIGGER tr AFTER INSERT ON s BEGIN UPDATE s SET a = a + 100 WHERE a = new.a; END").run();
    await DB.prepare("INSERT INTO s VALUES (50)").run();
    return DB.prepare("SELECT a FROM s WHERE a > 99").raw();
  });
  await step("a view", async () => {
    await exec("CREATE VIEW vw AS SELECT max(a) AS m FROM s");
    return DB.prepare("SELECT m FROM vw").first("m");
  });
  await step("dump", async () => (await DB.dump()).byteLength > 0);
}

export async function errors({ DB }, step) {
  await DB.exec("CREATE TABLE e (id INTEGER PRIMARY KEY, u TEXT UNIQUE, nn TEXT NOT NULL DEFAULT 'x', c INTEGER CHECK (c > 0))");
  await DB.exec("CREATE TABLE child (e INTEGER REFERENCES e (id))");
  await DB.prepare("INSERT INTO e (id, u) VALUES (1, 'a')").run();
  const cases = {
    "syntax": "SELEC 1",
    "incomplete": "SELECT",
    "no such table": "SELECT * FROM missing",
    "no such column": "SELECT missing FROM e",
    "no such function": "SELECT missing(1)",
    "primary key": "INSERT INTO e (id) VALUES (1)",
    "unique": "INSERT INTO e (u) VALUES ('a')",
    "not null": "INSERT INTO e (nn) VALUES (NULL)",
    "check": "INSERT INTO e (c) VALUES (0)",
    "foreign key": "INSERT INTO child VALUES (99)",
    "table is there": "CREATE TABLE e (a)",
    "wrong number of values": "INSERT INTO child VALUES (1, 2)",
    "ambiguous": "SELECT id FROM e, e AS f",
    "a literal that is open": "SELECT 'open",
    "raise": "SELECT raise(ABORT, 'x')",
    "overflow": "SELECT abs(-9223372036854775808)",
    "JSON": "SELECT json('{')",
    "a string as a column": 'SELECT "no such column" FROM e',
  };
  for (const [name, sql] of Object.entries(cases)) await step(name, () => run(DB.prepare(sql)));
  await step("first, with a mistake", () => DB.prepare("SELEC 1").first());
  await step("raw, with a mistake", () => DB.prepare("SELEC 1").raw());
  await step("too few parameters", () => run(DB.prepare("SELECT ?, ?").bind(1)));
  await step("too many parameters", () => run(DB.prepare("SELECT ?").bind(1, 2)));
  await step("none bound", () => run(DB.prepare("SELECT ? AS a")));
  await step("named parameters", () => run(DB.prepare("SELECT :a").bind(1)));
  await step("a hundred parameters", async () => (await DB.prepare(`SELECT 1 AS s WHERE 1 IN (${Array(100).fill("?")})`).bind(...Array(100).fill(1)).first()).s);
  await step("a hundred and one", () => run(DB.prepare(`SELECT 1 AS s WHERE 1 IN (${Array(101).fill("?")})`).bind(...Array(101).fill(1))))
  await step("a hundred terms", () => DB.prepare(`SELECT ${Array(100).fill("1").join("+")} AS s`).first())
  await step("a hundred and ten terms", () => DB.prepare(`SELECT ${Array(110).fill("1").join("+")} AS s`).first());
  await step("a parameter numbered 101", () => run(DB.prepare("SELECT ?101").bind(1)));
  await step("a hundred columns", async () => Object.keys(await DB.prepare(`SELECT ${Array.from({ length: 100 }, (_, n) => `${n} AS c${n}`).join()}`).first()).length);
  await step("a hundred and one columns", () => run(DB.prepare(`SELECT ${Array.from({ length: 101 }, (_, n) => `${n} AS c${n}`).join()}`)));
  await step("100 KB of SQL", () => run(DB.prepare(`SELECT '${"x".repeat(99_000)}' AS a`)));
  await step("more than 100 KB of SQL", () => run(DB.prepare(`SELECT '${"x".repeat(101_000)}' AS a`)));
  await step("a pattern of 50 bytes", () => DB.prepare("SELECT 'x' LIKE ? AS a").bind("%".repeat(50)).first());
  await step("a pattern of 51 bytes", () => DB.prepare("SELECT 'x' LIKE ? AS a").bind("%".repeat(51)).first());
  await step("text of 1 MB", async () => (await DB.prepare("SELECT length(?) AS l").bind("x".repeat(1_000_000)).first()).l);
  await step("text of more than 2 MB", async () => (await DB.prepare("SELECT length(?) AS l").bind("x".repeat(2_100_000)).first()).l);
  await step("a result of more than 2 MB", async () => (await DB.prepare("SELECT length(zeroblob(2100000)) AS l").first()).l);
  await step("it still works", () => DB.prepare("SELECT count(*) AS n FROM e").first());
}

export async function bounds({ DB }, step) {
  await DB.exec("CREATE TABLE p (a INTEGER, b TEXT)");
  const statements = [
    "PRAGMA table_info(p)", "PRAGMA table_list", "PRAGMA table_xinfo(p)", "PRAGMA index_list(p)", "PRAGMA foreign_keys", "PRAGMA foreign_keys = ON", "PRAGMA defer_foreign_keys = ON",
    "PRAGMA foreign_key_check", "PRAGMA quick_check", "PRAGMA optimize", "PRAGMA case_sensitive_like = ON", "PRAGMA case_sensitive_like = OFF", "PRAGMA user_version", "PRAGMA user_version = 3",
    "PRAGMA journal_mode", "PRAGMA journal_mode = DELETE", "PRAGMA synchronous = OFF", "PRAGMA page_size", "PRAGMA cache_size = 1", "PRAGMA database_list", "PRAGMA compile_options", "PRAGMA writable_schema = ON",
    "PRAGMA integrity_check", "PRAGMA nonsense", "PRAGMA function_list", "PRAGMA pragma_list", "PRAGMA encoding", "PRAGMA max_page_count = 1", "PRAGMA temp_store = 2", "PRAGMA legacy_alter_table = ON", "PRAGMA recursive_triggers = ON",
    "ATTACH 'x' AS y", "DETACH main", "VACUUM", "VACUUM INTO 'x'", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "ANALYZE", "REINDEX",
    "SELECT sqlite_version()", "SELECT load_extension('x')", "SELECT changes(), total_changes()", "SELECT last_insert_rowid()", "SELECT sqlite_source_id()", "SELECT sqlite_compileoption_used('X')",
    "CREATE TABLE _cf_x (a)", "SELECT * FROM _cf_KV", "SELECT * FROM sqlite_schema WHERE name = 'none'", "DELETE FROM sqlite_schema", "UPDATE sqlite_sequence SET seq = 1", "CREATE TEMP TABLE t (a)",
    "SELECT * FROM sqlite_dbpage", "SELECT * FROM dbstat", "SELECT readfile('x')", "SELECT writefile('x', 'y')", "CREATE VIRTUAL TABLE r USING rtree(id, a, b)", "CREATE VIRTUAL TABLE f USING fts3(a)", "SELECT * FROM pragma_table_info('p')",
    "SELECT length(randomblob(3)) AS l", "SELECT upper('\u00fc'), lower('A'), hex('a'), unhex('61')", "SELECT printf('%05.2f', 3.14159) AS f", "SELECT strftime('%Y', 0, 'unixepoch') AS y", "SELECT datetime('2020-01-01', '+1 day') AS d",
    "SELECT sqrt(4), pow(2, 3), pi() > 3, ln(1)", "SELECT group_concat(v, '-') AS g FROM (SELECT 1 AS v UNION SELECT 2)", "SELECT 'abc' REGEXP 'b'", "SELECT 'abc' GLOB 'a*' AS g", "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT * FROM p",
  ];
  for (const sql of statements) {
    await step(sql, async () => {
      const { success, results, meta } = await DB.prepare(sql).all();
      // Lists of what is built in, and programs of the virtual machine, are as long as the build makes them.
      const long = /list|EXPLAIN|compile_options|last_insert|changes/.test(sql);
      return [success, long ? typeof results.length : results, meta.changed_db];
    });
  }
}

export async function meta({ DB }, step) {
  await DB.exec("CREATE TABLE m (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT)");
  await DB.exec("CREATE INDEX mi ON m (a)");
  const fields = async (sql, ...values) => {
    const { meta } = await DB.prepare(sql).bind(...values).run();
    return measured(meta);
  };
  const counts = async (sql, ...values) => {
    const { meta } = await DB.prepare(sql).bind(...values).run();
    return [meta.rows_read, meta.rows_written];
  };
  await step("of an insert", () => fields("INSERT INTO m (a) VALUES (?)", "x"));
  await step("of a select", () => fields("SELECT * FROM m"));
  await step("of a table", () => fields("CREATE TABLE m2 (a)"));
  await step("of a table that is there", () => fields("CREATE TABLE IF NOT EXISTS m2 (a)"));
  await step("of an update", () => fields("UPDATE m SET a = 'y'"));
  await step("of a delete of all", () => fields("DELETE FROM m"));
  await step("of an insert after that", () => fields("INSERT INTO m (a) VALUES ('z')"));
  await step("names", async () => Object.keys((await DB.prepare("SELECT 1").run()).meta).sort());
  await step("rows of an insert with an index", () => counts("INSERT INTO m (a) VALUES ('i')"));
  await step("rows of an insert without", () => counts("INSERT INTO m2 (a) VALUES (1)"));
  await step("rows of a select by key", () => counts("SELECT * FROM m WHERE id = 1"));
  await step("rows of a select of all", () => counts("SELECT * FROM m"));
  await step("success", async () => (await DB.prepare("SELECT 1").run()).success);
}

export async function sessions({ DB }, step) {
  await DB.exec("CREATE TABLE ses (a)");
  for (const constraint of [undefined, "first-primary", "first-unconstrained"]) {
    await step(`with ${constraint}`, async () => {
      const session = DB.withSession(constraint);
      const before = session.getBookmark();
      await session.prepare("INSERT INTO ses VALUES (1)").run();
      return [before, typeof session.getBookmark(), await session.prepare("SELECT count(*) > 0 AS n FROM ses").first("n")];
    });
  }
  await step("with a bookmark", async () => {
    const session = DB.withSession("first-primary");
    await session.prepare("INSERT INTO ses VALUES (2)").run();
    const next = DB.withSession(session.getBookmark());
    return next.prepare("SELECT max(a) AS m FROM ses").first("m");
  });
  await step("a bookmark moves on", async () => {
    const session = DB.withSession();
    await session.prepare("INSERT INTO ses VALUES (3)").run();
    const one = session.getBookmark();
    await session.prepare("INSERT INTO ses VALUES (4)").run();
    return one < session.getBookmark();
  });
  await step("batch in a session", async () => {
    const session = DB.withSession();
    return (await session.batch([session.prepare("SELECT 1 AS a"), session.prepare("SELECT 2 AS a")])).map(({ results }) => results);
  });
  await step("an empty constraint", () => typeof DB.withSession("").getBookmark());
  await step("what is no bookmark", async () => DB.withSession("nonsense").prepare("SELECT 1 AS a").first("a"));
}
