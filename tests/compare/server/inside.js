// What an object is told to do, by name: each has the object's context, and may rely on what stands above it.

const rows = (cursor) => cursor.toArray();

const sql = {
  "make a table": ({ storage }) => rows(storage.sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB)")),
  "insert": ({ storage }) => rows(storage.sql.exec("INSERT INTO t (a) VALUES (?), (?)", "one", "two")),
  "rows": ({ storage }) => rows(storage.sql.exec("SELECT id, a FROM t ORDER BY id")),
  "one": ({ storage }) => storage.sql.exec("SELECT a FROM t WHERE id = ?", 1).one(),
  "one of two": ({ storage }) => storage.sql.exec("SELECT a FROM t").one(),
  "one of none": ({ storage }) => storage.sql.exec("SELECT a FROM t WHERE id = 9").one(),
  "next": ({ storage }) => {
    const cursor = storage.sql.exec("SELECT a FROM t ORDER BY id");
    return [cursor.next(), cursor.next(), cursor.next()];
  },
  "iterated": ({ storage }) => [...storage.sql.exec("SELECT a FROM t ORDER BY id")],
  "raw": ({ storage }) => [...storage.sql.exec("SELECT id, a FROM t ORDER BY id").raw()],
  "raw to a list": ({ storage }) => storage.sql.exec("SELECT id FROM t ORDER BY id").raw().toArray(),
  "names of columns": ({ storage }) => storage.sql.exec("SELECT id, a AS x FROM t").columnNames,
  "rows read": ({ storage }) => {
    const cursor = storage.sql.exec("SELECT a FROM t");
    cursor.toArray();
    return cursor.rowsRead;
  },
  "rows written": ({ storage }) => storage.sql.exec("INSERT INTO t (a) VALUES ('three')").rowsWritten,
  "several statements": ({ storage }) => rows(storage.sql.exec("INSERT INTO t (a) VALUES ('four'); SELECT count(*) AS n FROM t")),
  "types": ({ storage }) => storage.sql.exec("SELECT ?1 AS t, ?2 AS i, ?3 AS r, ?4 AS n, ?5 AS b", "text", 5, 1.5, null, new Uint8Array([1, 255])).one(),
  "true": ({ storage }) => storage.sql.exec("SELECT ? AS v", true).one(),
  "undefined": ({ storage }) => storage.sql.exec("SELECT ? AS v", undefined).one(),
  "bigint": ({ storage }) => storage.sql.exec("SELECT ? AS v", 5n).one(),
  "an object": ({ storage }) => storage.sql.exec("SELECT ? AS v", {}).one(),
  "64 bits": ({ storage }) => storage.sql.exec("SELECT 9223372036854775807 AS v").one(),
  "too few parameters": ({ storage }) => rows(storage.sql.exec("SELECT ?, ?", 1)),
  "too many parameters": ({ storage }) => rows(storage.sql.exec("SELECT ?", 1, 2)),
  "syntax": ({ storage }) => rows(storage.sql.exec("SELEC 1")),
  "no such table": ({ storage }) => rows(storage.sql.exec("SELECT * FROM missing")),
  "constraint": ({ storage }) => rows(storage.sql.exec("INSERT INTO t (id) VALUES (1)")),
  "begin": ({ storage }) => rows(storage.sql.exec("BEGIN")),
  "attach": ({ storage }) => rows(storage.sql.exec("ATTACH 'x' AS y")),
  "pragma": ({ storage }) => rows(storage.sql.exec("PRAGMA table_info(t)")),
  "forbidden pragma": ({ storage }) => rows(storage.sql.exec("PRAGMA journal_mode")),
  "version": ({ storage }) => rows(storage.sql.exec("SELECT sqlite_version()")),
  "tables of its own": ({ storage }) => rows(storage.sql.exec("SELECT * FROM _cf_KV")),
  "full text": ({ storage }) => rows(storage.sql.exec("CREATE VIRTUAL TABLE ft USING fts5(x); INSERT INTO ft VALUES ('quick fox'); SELECT x FROM ft WHERE ft MATCH 'fox'")),
  "JSON": ({ storage }) => storage.sql.exec("SELECT json_extract('{\"a\":1}', '$.a') AS v").one(),
  "size": ({ storage }) => storage.sql.databaseSize > 0,
  "a cursor used up": ({ storage }) => {
    const cursor = storage.sql.exec("SELECT a FROM t");
    cursor.toArray();
    return cursor.toArray();
  },
};

const values = {
  "get none": ({ storage }) => storage.get("none"),
  "put": ({ storage }) => storage.put("a", { text: "x", list: [1, null], when: new Date(0), map: new Map([[1, 2]]) }),
  "get": ({ storage }) => storage.get("a"),
  "put many": ({ storage }) => storage.put({ b: 1, c: "two", d: new Uint8Array([3]), "\u00fc": 5n }),
  "get many": ({ storage }) => storage.get(["b", "d", "none", "\u00fc"]),
  "list": ({ storage }) => storage.list(),
  "list with a prefix": async ({ storage }) => (await storage.put({ "p/1": 1, "p/2": 2, "p/3": 3 }), storage.list({ prefix: "p/" })),
  "list from a start": ({ storage }) => storage.list({ start: "c" }),
  "list after a start": ({ storage }) => storage.list({ startAfter: "c" }),
  "list to an end": ({ storage }) => storage.list({ end: "c" }),
  "list with a limit": ({ storage }) => storage.list({ limit: 2 }),
  "list backwards": ({ storage }) => storage.list({ reverse: true, limit: 3 }),
  "list both ends": ({ storage }) => storage.list({ start: "c", startAfter: "c" }),
  "delete": ({ storage }) => storage.delete("b"),
  "delete none": ({ storage }) => storage.delete("b"),
  "delete many": ({ storage }) => storage.delete(["c", "d", "none"]),
  "put undefined": ({ storage }) => storage.put("u", undefined),
  "put a function": ({ storage }) => storage.put("f", () => 1),
  "put without a key": ({ storage }) => storage.put(undefined, 1),
  "a key of 2048 bytes": async ({ storage }) => (await storage.put("k".repeat(2048), 1), storage.get("k".repeat(2048))),
  "a key of 2049 bytes": ({ storage }) => storage.put("k".repeat(2049), 1),
  "a value of 1 MiB": async ({ storage }) => (await storage.put("large", new Uint8Array(1 << 20)), (await storage.get("large")).length),
  "a value of 3 MB": ({ storage }) => storage.put("larger", new Uint8Array(3_000_000)),
  "128 keys": async ({ storage }) => (await storage.get(Array.from({ length: 128 }, (_, n) => `n${n}`))).size,
  "129 keys": async ({ storage }) => (await storage.get(Array.from({ length: 129 }, (_, n) => `n${n}`))).size,
  "synchronous put and get": ({ storage }) => (storage.kv.put("s", [1]), storage.kv.get("s")),
  "synchronous list": ({ storage }) => [...storage.kv.list({ prefix: "s" })],
  "synchronous delete": ({ storage }) => storage.kv.delete("s"),
  "sync": ({ storage }) => storage.sync(),
  "delete all": ({ storage }) => storage.deleteAll(),
  "nothing is left": ({ storage }) => storage.list(),
};

const transactions = {
  "one that ends well": async ({ storage }) => {
    await storage.transaction(async (txn) => {
      await txn.put("a", 1);
      await txn.put("b", 2);
    });
    return storage.list();
  },
  "one that throws": ({ storage }) => storage.transaction(async (txn) => {
    await txn.put("a", 99);
    throw new Error("not this time");
  }),
  "what it left": ({ storage }) => storage.list(),
  "one that rolls back": async ({ storage }) => {
    await storage.transaction(async (txn) => {
      await txn.put("a", 77);
      txn.rollback();
    });
    return storage.get("a");
  },
  "its result": ({ storage }) => storage.transaction(async (txn) => (await txn.get("a")) + 1),
  "synchronous": ({ storage }) => storage.transactionSync(() => (storage.sql.exec("CREATE TABLE x (a)"), storage.sql.exec("INSERT INTO x VALUES (1)"), "done")),
  "synchronous that throws": ({ storage }) => storage.transactionSync(() => {
    storage.sql.exec("INSERT INTO x VALUES (2)");
    throw new RangeError("no");
  }),
  "what that left": ({ storage }) => storage.sql.exec("SELECT a FROM x").toArray(),
  "a bookmark": async ({ storage }) => typeof (await storage.getCurrentBookmark()),
};

const LATER = 4_102_444_800_000;

const alarms = {
  "none is set": ({ storage }) => storage.getAlarm(),
  "set": ({ storage }) => storage.setAlarm(LATER),
  "get": ({ storage }) => storage.getAlarm(),
  "set by a date": ({ storage }) => storage.setAlarm(new Date(LATER + 1000)),
  "the later counts": ({ storage }) => storage.getAlarm(),
  "set within a transaction": async ({ storage }) => (await storage.transaction(async (txn) => txn.setAlarm(LATER + 5)), storage.getAlarm()),
  "delete": ({ storage }) => storage.deleteAlarm(),
  "none is left": ({ storage }) => storage.getAlarm(),
  "delete none": ({ storage }) => storage.deleteAlarm(),
  "set before 1970": ({ storage }) => storage.setAlarm(-1),
  "set for no time": ({ storage }) => storage.setAlarm(Number.NaN),
  "set for text": ({ storage }) => storage.setAlarm("soon"),
  "delete all": async ({ storage }) => {
    await storage.setAlarm(LATER);
    await storage.deleteAll();
    return storage.getAlarm();
  },
  "delete at the end": ({ storage }) => storage.deleteAlarm(),
};

const fired = {
  "seen": async ({ storage }) => (await storage.get("fired")) ?? [],
  "set": ({ storage }) => storage.getAlarm(),
  "soon": ({ storage }) => storage.setAlarm(Date.now() + 10),
  "past": ({ storage }) => storage.setAlarm(Date.now() - 60_000),
  "fails": async ({ storage }) => (await storage.put("fails", 1), storage.setAlarm(Date.now())),
  "deleted": async ({ storage }) => (await storage.setAlarm(Date.now() + 100), storage.deleteAlarm()),
};

export const inside = { sql, values, transactions, alarms, fired };
