//! Encryption at rest with the real binary: keys are rotated, replaced and destroyed while it is killed again and again.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use smcp_tests::node::{ADDER, Node, command};

const BINDINGS: &str = "[[kv]]\nbinding = \"NOTES\"\n[[objects]]\nbinding = \"FILES\"\n";

/// Stores when asked to (`a` is 1), then counts what is there and as it was stored: 306 things.
const BODY: &str = "
  const word = (n) => `value ${n} ` + 'x'.repeat(50);
  const told = await (async () => {
    if (params.arguments.a === 1) {
      for (let n = 0; n < 300; n++) await env.NOTES.put('k' + n, word(n), { metadata: { n } });
      for (let n = 0; n < 5; n++) await env.FILES.put('o' + n, word(n), { customMetadata: { n: String(n) } });
      await env.FILES.put('big', 'y'.repeat(2500000));
    }
    let good = 0;
    for (let n = 0; n < 300; n++) {
      const { value, metadata } = await env.NOTES.getWithMetadata('k' + n);
      if (value === word(n) && metadata.n === n) good++;
    }
    for (let n = 0; n < 5; n++) {
      const object = await env.FILES.get('o' + n);
      if (object !== null && object.customMetadata.n === String(n) && (await object.text()) === word(n)) good++;
    }
    const big = await env.FILES.get('big');
    if (big !== null && (await big.text()).length === 2500000) good++;
    return `good ${good}`;
  })().catch((error) => `refused: ${error.message}`);";

fn module() -> String {
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        &format!("{BODY} return answer({{ content: [{{ type: 'text', text: told }}] }});"),
    );
    assert_ne!(module, ADDER);
    module
}

/// A node whose tenant `demo` has stored something of every kind.
fn filled() -> Node {
    let node = Node::start();
    let deployed = node.deploy("keeper", BINDINGS, &module());
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    assert_eq!(call(&node, 1), "good 306");
    let token = node.folder.path().join("token");
    fs::write(&token, "hush").unwrap();
    let token = token.to_str().unwrap();
    let set = ["secrets", "set", "TOKEN", "--server", "keeper", "--from-file", token, "--tenant", "demo"];
    assert!(node.try_cli(&node.admin, &set).status.success());
    node
}

fn call(node: &Node, a: u32) -> String {
    let words = ["call", "keeper", "add", "--arg", &format!("a={a}"), "--arg", "b=0", "--tenant", "demo"];
    let answer = node.cli(&node.admin, &words);
    answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn states(node: &Node) -> Vec<String> {
    let keys = node.cli(&node.admin, &["keys", "status", "--tenant", "demo"]);
    let items = keys["items"].as_array().unwrap_or_else(|| panic!("{keys}")).clone();
    items.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// Asks until the states of the tenant's keys are as wanted.
fn wait_for(node: &Node, wanted: impl Fn(&[String]) -> bool) {
    let found = (0..2_000).map(|_| states(node)).find(|states| wanted(states));
    assert!(found.is_some(), "{:?}", node.cli(&node.admin, &["keys", "status", "--tenant", "demo"]));
}

/// Begins a command and does not wait for it.
fn begin(node: &Node, key: &str, words: &[&str]) -> std::process::Child {
    let mut command = command(node.folder.path());
    command.env("SMCP_ENDPOINT", &node.url).env("SMCP_KEY", key).args(words);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Takes turns away for a moment that grows with the number: when a kill comes is to be different each time.
fn dawdle(number: u32) {
    (0..number * 2_000).for_each(|_| std::thread::yield_now());
}

fn query(database: &Path, sql: &str) -> BTreeSet<String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

/// The folder of the tenant's database: the only one there is.
fn database(data: &Path) -> PathBuf {
    let folders = fs::read_dir(data.join("tenants")).unwrap();
    let folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    let [folder] = folders.as_slice() else { panic!("{folders:?}") };
    folder.join("data.db")
}

/// The keys that KV values are sealed under.
fn keys_of_values(data: &Path) -> BTreeSet<String> {
    query(&database(data), "SELECT DISTINCT hex(substr(value, 2, 16)) FROM kv")
}

/// The ids of data keys, in hexadecimal, that anything of the tenant is sealed under.
fn keys_in_use(data: &Path) -> BTreeSet<String> {
    let database = database(data);
    let tenant = database.parent().unwrap().file_name().unwrap();
    let mut found = query(
        &database,
        "SELECT hex(substr(value, 2, 16)) FROM kv UNION SELECT hex(substr(metadata, 2, 16)) FROM kv
         UNION SELECT hex(substr(head, 2, 16)) FROM objects UNION SELECT hex(substr(layout, 2, 16)) FROM objects",
    );
    found.extend(query(&data.join("control.db"), "SELECT hex(substr(sealed, 2, 16)) FROM secrets"));
    let mut blobs = 0;
    let mut folders = vec![data.join("objects").join(tenant)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let id = &fs::read(&path).unwrap()[1..17];
                found.insert(id.iter().map(|byte| format!("{byte:02X}")).collect());
                blobs += 1;
            }
        }
    }
    assert_eq!(blobs, 5 + 3 + 1, "pieces of objects and a bundle");
    found
}

/// The files below a folder that hold any of these texts.
fn files_with(folder: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        if kind.is_dir() {
            found.extend(files_with(&path, texts));
        } else if kind.is_file() {
            // What has gone meanwhile holds nothing.
            let bytes = fs::read(&path).unwrap_or_default();
            let holds = |text: &&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(texts.iter().any(holds).then_some(path));
        }
    }
    found
}

#[test]
fn nothing_that_a_tenant_stores_lies_in_the_clear() {
    let mut node = filled();
    let data = node.folder.path().join("data");
    let texts = ["value 7 ", "yyyyyyyy", "hush", "getWithMetadata"];
    assert!(files_with(node.folder.path(), &texts).len() >= 2, "the project and the token, outside of it");
    assert_eq!(files_with(&data, &texts), Vec::<PathBuf>::new());
    // Nor what a build from before left: compiled configurations that were not sealed.
    let tenant = database(&data).parent().unwrap().file_name().unwrap().to_owned();
    let old = data.join("cache").join(tenant).join("old.bin");
    fs::write(&old, "getWithMetadata").unwrap();
    assert_eq!(files_with(&data, &texts), [old]);
    node.kill_and_restart();
    assert_eq!(call(&node, 0), "good 306");
    assert_eq!(files_with(&data, &texts), Vec::<PathBuf>::new());
}

#[test]
fn a_rotation_goes_on_after_kill_9_until_the_old_key_is_gone() {
    let mut node = filled();
    let data = node.folder.path().join("data");
    let rotate = ["keys", "rotate-data", "--tenant", "demo"];
    // Killed while it answers, then in the middle of moving: some values are under the new key and some are not.
    let mut rotating = begin(&node, &node.admin, &rotate);
    node.kill_and_restart();
    rotating.wait().unwrap();
    let mut halves = 0;
    for _ in 0..4 {
        let old = keys_of_values(&data);
        node.cli(&node.admin, &rotate);
        assert!((0..20_000).any(|_| keys_of_values(&data) != old), "nothing moves");
        node.kill();
        halves += u32::from(keys_of_values(&data).len() > 1);
        node.kill_and_restart();
        assert_eq!(call(&node, 0), "good 306", "in the middle of it");
    }
    assert!(halves > 0, "it was never killed in the middle");
    // What it has to do it finds by itself, also where nobody has opened the tenant's database yet.
    node.cli(&node.admin, &rotate);
    node.kill_and_restart();
    wait_for(&node, |states| !states.iter().any(|state| state == "retiring"));
    // An hour passes.
    let control = data.join("control.db");
    let connection = rusqlite::Connection::open(&control).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.execute("UPDATE data_keys SET since = since - 3600000 WHERE state = 'retired'", []).unwrap();
    drop(connection);
    node.kill_and_restart();
    wait_for(&node, |states| states == ["active"]);
    let tenant = query(&control, "SELECT lower(hex(id)) FROM tenants WHERE slug = 'demo'");
    let tenant_hex = tenant.first().unwrap();
    let left = query(&control, &format!("SELECT hex(id) FROM data_keys WHERE tenant_id = x'{tenant_hex}'"));
    assert_eq!(left.len(), 1, "the old keys are not in the table any more");
    assert_eq!(keys_in_use(&data), left, "all of it is under the new key");
    assert_eq!(call(&node, 0), "good 306");
}

#[test]
fn the_master_key_is_replaced_and_a_kill_leaves_one_that_fits() {
    let mut node = filled();
    let file = node.folder.path().join("data/master.key");
    let first = fs::read_to_string(&file).unwrap();
    for number in 0..4 {
        let mut replacing = begin(&node, &node.root, &["keys", "rotate-master"]);
        dawdle(number * 3);
        node.kill_and_restart();
        replacing.wait().unwrap();
        assert_eq!(call(&node, 0), "good 306");
    }
    let done = node.cli(&node.root, &["keys", "rotate-master"]);
    assert!(done["data_keys"].as_u64() >= Some(1), "{done}");
    let last = fs::read_to_string(&file).unwrap();
    assert_ne!(first, last);
    assert_eq!(call(&node, 0), "good 306", "nothing stops meanwhile");
    let beside = fs::read_dir(file.parent().unwrap()).unwrap();
    let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let keys: Vec<_> = names.filter(|name| name.starts_with("master.key")).collect();
    assert_eq!(keys, ["master.key"], "no other key is left");
    node.kill_and_restart();
    assert_eq!(call(&node, 0), "good 306");
    let refused = node.try_cli(&node.admin, &["keys", "rotate-master", "--tenant", "demo"]);
    let talk = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && talk.contains("is the platform's, and this key is a tenant's"),
        "{talk}"
    );
}

#[test]
fn destroyed_data_is_unreadable_and_the_refusal_says_why() {
    let mut node = filled();
    let asked = node.try_cli(&node.admin, &["keys", "destroy-data", "--tenant", "demo"]);
    let talk = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.code() == Some(1) && talk.contains("--yes"), "{talk}");
    assert_eq!(call(&node, 0), "good 306");
    node.cli(&node.admin, &["keys", "destroy-data", "--yes", "--tenant", "demo"]);
    let told = call(&node, 0);
    assert!(told.contains("under a key that has been destroyed"), "{told}");
    node.kill_and_restart();
    // The hosted code itself was sealed under it too.
    let refused = node.try_cli(&node.admin, &["call", "keeper", "add", "--tenant", "demo"]);
    let talk = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && talk.contains("under a key that has been destroyed"), "{talk}");
    // What objects there were is known by their keys, so that it can be taken away.
    let list = ["objects", "keys", "keeper-files", "--tenant", "demo"];
    let unreadable = |list: &serde_json::Value| list["unreadable"].as_array().unwrap().clone();
    let lost = node.cli(&node.admin, &list);
    assert!(lost["items"] == serde_json::json!([]) && unreadable(&lost).len() > 1, "{lost}");
    let key = unreadable(&lost)[0].as_str().unwrap().to_owned();
    node.cli(&node.admin, &["objects", "delete", "keeper-files", &key, "--tenant", "demo"]);
    assert_eq!(unreadable(&node.cli(&node.admin, &list)).len(), unreadable(&lost).len() - 1);
    // What is written from now on is under a new key.
    let again = node.deploy("keeper", BINDINGS, &module());
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    // It may be started again once it has been held back for its failures.
    let fill = ["call", "keeper", "add", "--arg", "a=1", "--tenant", "demo"];
    let filled = (0..2_000).any(|_| node.try_cli(&node.admin, &fill).status.success());
    assert!(filled && call(&node, 0) == "good 306");
    assert_eq!(states(&node), ["destroyed", "active"]);
}
