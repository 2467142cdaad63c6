//! Storage that hosted code is given, with the real runtime and the real stores: it stays, and it is the tenant's alone.

use smcp_tests::node::{ADDER, Node};

const BINDINGS: &str = "[[kv]]\nbinding = \"NOTES\"\n[[objects]]\nbinding = \"FILES\"\n";

/// Counts in KV, keeps a line in an object, and says what is there.
const BODY: &str = "
  const seen = Number((await env.NOTES.get('count')) ?? 0) + 1;
  await env.NOTES.put('count', String(seen), { metadata: { by: 'test' } });
  const { metadata } = await env.NOTES.getWithMetadata('count');
  const before = await env.FILES.get('a/b');
  const text = before === null ? 'nothing' : await before.text();
  await env.FILES.put('a/b', 'line ' + seen, { customMetadata: { n: String(seen) } });
  const part = await (await env.FILES.get('a/b', { range: { offset: 5, length: 1 } })).text();
  const listed = (await env.FILES.list({ prefix: 'a/' })).objects.map((object) => object.key).join();
  const keys = (await env.NOTES.list()).keys.map((key) => key.name).join();
  const told = [seen, metadata.by, text, part, listed, keys].join('|');";

fn module() -> String {
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        &format!("{BODY} return answer({{ content: [{{ type: 'text', text: told }}] }});"),
    );
    assert_ne!(module, ADDER);
    module
}

fn call(node: &Node, tenant: &str) -> String {
    node.cli(&node.admin, &["call", "keeper", "add", "--tenant", tenant]).to_string()
}

#[test]
fn what_hosted_code_stores_stays_and_survives_kill_9() {
    let mut node = Node::start();
    assert!(node.deploy("keeper", BINDINGS, &module()).status.success());
    assert!(call(&node, "demo").contains("1|test|nothing|1|a/b|count"));
    node.kill_and_restart();
    let second = call(&node, "demo");
    assert!(second.contains("2|test|line 1|2|a/b|count"), "{second}");
    let home = node.folder.path();
    let put = node.shell(home, "printf 'from a pipe' | smcp kv put keeper-notes piped --file -", &[]);
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    let get = node.shell(home, "smcp kv get keeper-notes piped", &[]);
    assert_eq!(get.stdout, b"from a pipe", "{}", String::from_utf8_lossy(&get.stderr));
}

const DATABASE: &str = "[[d1]]\nbinding = \"DB\"\ndatabase = \"notes\"\n";

/// Adds a row and says how many there are, whose text they are, and what SQL cannot reach.
const SQL: &str = "
  await env.DB.exec('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)');
  const { meta } = await env.DB.prepare('INSERT INTO t (a) VALUES (?)').bind('row').run();
  const rows = await env.DB.prepare('SELECT count(*) AS n, max(a) AS a FROM t').first();
  const reach = await env.DB.prepare(\"ATTACH '/etc/passwd' AS x\").run().then(() => 'reached', () => 'refused');
  const told = [meta.last_row_id, rows.n, rows.a, reach].join('|');";

#[test]
fn databases_stay_are_seen_from_outside_and_survive_kill_9() {
    let mut node = Node::start();
    let module = module().replace(BODY, SQL);
    assert!(node.deploy("keeper", DATABASE, &module).status.success());
    assert!(call(&node, "demo").contains("1|1|row|refused"));
    node.kill_and_restart();
    let second = call(&node, "demo");
    assert!(second.contains("2|2|row|refused"), "{second}");
    let d1 = |words: &[&str]| node.cli(&node.admin, &[&["d1"], words, &["--tenant", "demo"]].concat());
    let list = d1(&["list"]);
    assert_eq!(list["items"][0]["name"], "notes");
    assert!(list["items"][0]["bytes"].as_u64().unwrap() > 4096);
    let result = d1(&["query", "notes", "SELECT a, id, ? AS p FROM t ORDER BY id", "--param", "[1,2]"]);
    assert_eq!(result["results"][0]["columns"], serde_json::json!(["a", "id", "p"]));
    assert_eq!(result["results"][0]["rows"][1], serde_json::json!(["row", 2, [1, 2]]));
    let script = node.folder.path().join("notes.sql");
    d1(&["export", "notes", "--output", script.to_str().unwrap()]);
    assert!(
        std::fs::read_to_string(&script)
            .unwrap()
            .contains("INSERT INTO \"t\" (\"id\",\"a\") VALUES(2,'row');")
    );
    let did = d1(&["import", "copy", script.to_str().unwrap()]);
    assert_eq!((did["statements"].as_u64(), did["changes"].as_u64()), (Some(4), Some(2)));
    let copied = d1(&["query", "copy", "SELECT count(*) FROM t"]);
    assert_eq!(copied["results"][0]["rows"], serde_json::json!([[2]]));
    let printed = node.try_cli(&node.admin, &["d1", "export", "copy", "--tenant", "demo"]).stdout;
    assert_eq!(printed, std::fs::read(&script).unwrap());
    d1(&["delete", "copy", "--yes"]);
    assert_eq!(d1(&["list"])["items"].as_array().unwrap().len(), 1);
    // The platform's administrator runs the platform; what a tenant's servers have stored is the tenant's.
    let root = node.try_cli(&node.root, &["d1", "list", "--tenant", "demo"]);
    assert!(!root.status.success());
}

#[test]
fn namespaces_and_buckets_are_seen_from_outside_and_moved() {
    let node = Node::start();
    assert!(node.deploy("keeper", BINDINGS, &module()).status.success());
    assert!(call(&node, "demo").contains("1|test|nothing|1|a/b|count"));
    let cli = |words: &[&str]| node.cli(&node.admin, &[words, &["--tenant", "demo"]].concat());
    assert_eq!(cli(&["kv", "list"])["items"][0]["name"], "keeper-notes");
    assert_eq!(cli(&["kv", "keys", "keeper-notes"])["items"][0]["metadata"]["by"], "test");
    cli(&["kv", "put", "keeper-notes", "count", "41"]);
    assert!(call(&node, "demo").contains("42|test|line 1|4"), "the code sees what was put from outside");
    let printed = |words: &[&str]| {
        let mut command = smcp_tests::node::command(node.folder.path());
        command.env("SMCP_ENDPOINT", &node.url).env("SMCP_KEY", &node.admin);
        command.args(words).args(["--tenant", "demo"]).output().unwrap().stdout
    };
    assert_eq!(printed(&["kv", "get", "keeper-notes", "count"]), b"42");
    assert_eq!(printed(&["objects", "get", "keeper-files", "a/b"]), b"line 42");
    let file = node.folder.path().join("notes.json");
    let folder = node.folder.path().join("files");
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    cli(&[
        "kv",
        "put",
        "keeper-notes",
        "bytes",
        "--file",
        &node.folder.path().join("data/master.key").display().to_string(),
    ]);
    assert_eq!(cli(&["kv", "export", "keeper-notes", "--output", file])["entries"], 2);
    assert_eq!(cli(&["kv", "import", "copy", file])["entries"], 2);
    assert_eq!(printed(&["kv", "get", "copy", "count"]), b"42");
    assert_eq!(cli(&["objects", "export", "keeper-files", folder])["objects"], 1);
    assert_eq!(cli(&["objects", "import", "copies", folder])["objects"], 1);
    assert_eq!(printed(&["objects", "get", "copies", "a/b"]), b"line 42");
    assert_eq!(cli(&["objects", "keys", "copies"])["items"][0]["metadata"]["n"], "42");
    cli(&["kv", "delete", "copy", "count"]);
    cli(&["objects", "delete", "copies", "a/b"]);
    assert_eq!(cli(&["objects", "keys", "copies"])["items"], serde_json::json!([]));
    let root = node.try_cli(&node.root, &["kv", "list", "--tenant", "demo"]);
    assert!(!root.status.success());
}

/// The runtime has connections of its own for each kind of storage, keeps them for a while, and asks for as many at once as
/// the code does; the platform serves 64.
#[test]
fn a_burst_of_storage_is_served_whatever_stands_open_from_the_last() {
    let node = Node::start();
    let body = "
      const { kind, many } = params.arguments;
      const ways = { kv: (n) => env.NOTES.put('k' + n, 'x'), objects: (n) => env.FILES.head('k' + n),
        sql: () => env.DB.prepare('SELECT 1').run() };
      const tried = await Promise.allSettled(Array.from({ length: many }, (_, n) => ways[kind](n)));
      const told = tried.filter(({ status }) => status === 'fulfilled').length + ' of ' + many + ';' + [...new Set(tried.map(({ reason }) => reason?.message))].join(';');";
    let module = module().replace(BODY, body).replace(
        "properties: { a:",
        "properties: { kind: { type: \"string\" }, many: { type: \"number\" }, a:",
    );
    let manifest = BINDINGS.to_owned() + DATABASE;
    assert!(node.deploy("keeper", &manifest, &module).status.success());
    for (kind, many) in [("kv", 40), ("objects", 30), ("sql", 60), ("kv", 100), ("objects", 30), ("kv", 100)]
    {
        let words =
            ["call", "keeper", "add", "--arg", &format!("kind={kind}"), "--arg", &format!("many={many}")];
        let answer = node.cli(&node.admin, &[&words[..], &["--tenant", "demo"]].concat()).to_string();
        assert!(answer.contains(&format!("\"{many} of {many};\"")), "{kind}: {answer}");
    }
}
