//! A node that is killed while it deletes a server: what is left can be deleted again, and then nothing is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use smcp_tests::{
    memory,
    node::{ADDER, Node, command},
};

const MANIFEST: &str =
    "[secrets]\nplain = [\"TOKEN\"]\n[[durable_objects]]\nbinding = \"COUNTERS\"\nclass = \"Counter\"\n";
/// Each is a step of its own.
const VERSIONS: usize = 5;

fn module(version: usize) -> String {
    let class = "import { DurableObject } from 'cloudflare:workers';
        export class Counter extends DurableObject { async keep() { await this.ctx.storage.put('a', 1); return 'kept'; } }\n";
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        &format!(
            "const told = '{version} ' + await env.COUNTERS.getByName('one').keep();
             return answer({{ content: [{{ type: 'text', text: told }}] }});"
        ),
    );
    assert_ne!(module, ADDER);
    class.to_owned() + &module
}

fn call(node: &Node) -> String {
    node.cli(&node.admin, &["call", "gone", "add", "--tenant", "demo"]).to_string()
}

/// A server with everything that a server can have, awake.
fn server(node: &Node) {
    let secret = node.folder.path().join("secret");
    fs::write(&secret, "a-secret-of-the-server").unwrap();
    for version in 0..VERSIONS {
        assert!(node.deploy("gone", MANIFEST, &module(version)).status.success());
        let words = ["secrets", "set", "TOKEN", "--server", "gone", "--tenant", "demo", "--from-file"];
        node.cli(&node.admin, &[&words[..], &[secret.to_str().unwrap()]].concat());
    }
    assert!(call(node).contains(&format!("{} kept", VERSIONS - 1)));
}

/// The command that deletes it, on its way.
fn deleting(node: &Node) -> Child {
    let mut command = command(node.folder.path());
    command.env("SMCP_ENDPOINT", &node.url).env("SMCP_KEY", &node.admin);
    command.args(["servers", "delete", "gone", "--tenant", "demo", "--yes"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Files and folders below a folder whose path has this in it.
fn below(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.to_string_lossy().contains(part) {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(below(&path, part));
        }
    }
    found
}

fn bundles(data: &Path) -> usize {
    below(&data.join("objects"), "bundles").iter().filter(|path| path.is_file()).count()
}

/// Rows about a server, of every table.
fn rows(data: &Path, server: &[u8]) -> Vec<(String, u32)> {
    let control = rusqlite::Connection::open(data.join("control.db")).unwrap();
    let count = |sql: &str| control.query_row(sql, [server], |row| row.get(0)).unwrap();
    ["versions", "sessions", "secrets"]
        .map(|table| (table, "server_id"))
        .into_iter()
        .chain([("servers", "id")])
        .map(|(table, column)| {
            (table.to_owned(), count(&format!("SELECT count(*) FROM {table} WHERE {column} = ?1")))
        })
        .collect()
}

fn id(data: &Path) -> Vec<u8> {
    let control = rusqlite::Connection::open(data.join("control.db")).unwrap();
    control.query_row("SELECT id FROM servers WHERE slug = 'gone'", [], |row| row.get(0)).unwrap()
}

fn yields_until(done: impl Fn() -> bool) -> bool {
    (0..10_000_000).any(|_| {
        std::thread::yield_now();
        done()
    })
}

/// Kills the node as soon as a step of the deletion is seen, and looks at what is left.
fn killed_at(step: &str, seen: impl Fn(&Path, u32) -> bool) {
    let mut node = Node::start();
    let data = node.folder.path().join("data");
    server(&node);
    let id = id(&data);
    assert!(rows(&data, &id).iter().all(|(table, count)| table == "sessions" || *count > 0));
    let objects = || below(&data.join("tenants"), "/do/");
    assert!(bundles(&data) == VERSIONS && !objects().is_empty());
    let hosted = memory::children(node.pid());
    assert_eq!(hosted.len(), 1);
    let mut client = deleting(&node);
    assert!(yields_until(|| seen(&data, hosted[0])), "{step}");
    node.kill_and_restart();
    client.wait().unwrap();
    assert!(yields_until(|| !is_alive(hosted[0])), "{step}: its process ended with the node");
    // Its alarms may be looked at once more; the server itself would stay.
    let alone = || memory::children(node.pid()).is_empty();
    assert!(yields_until(alone), "{step}: nobody starts it again");

    // Either nothing is left, or the server is, and is deleted as ever.
    let left: u32 = rows(&data, &id).iter().map(|(_, count)| count).sum();
    let again = node.try_cli(&node.admin, &["servers", "delete", "gone", "--tenant", "demo", "--yes"]);
    assert_eq!(again.status.success(), left > 0, "{step}: {}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(bundles(&data), 0, "{step}");
    assert_eq!(objects(), Vec::<PathBuf>::new(), "{step}");
    assert!(rows(&data, &id).iter().all(|(_, count)| *count == 0), "{step}: {:?}", rows(&data, &id));
    assert!(
        yields_until(|| below(&data.join("trash"), "").is_empty()),
        "{step}: what was taken away is removed"
    );
    assert!(yields_until(alone), "{step}: nothing of it runs");
    let list = node.cli(&node.admin, &["servers", "list", "--tenant", "demo"]);
    assert_eq!(list["items"], serde_json::json!([]), "{step}");
    let deployed = node.deploy("gone", MANIFEST, &module(0));
    assert!(!deployed.status.success(), "{step}: its name is never given out again");
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn killed_when_its_process_has_ended() {
    killed_at("its process has ended", |_, process| !is_alive(process));
}

#[test]
fn killed_when_its_first_bundle_is_gone() {
    killed_at("a bundle is gone", |data, _| bundles(data) < VERSIONS);
}

#[test]
fn killed_when_all_of_its_bundles_are_gone() {
    killed_at("all bundles are gone", |data, _| bundles(data) == 0);
}

#[test]
fn killed_when_its_objects_are_gone() {
    killed_at("its objects are gone", |data, _| below(&data.join("tenants"), "/do/").is_empty());
}

/// Deploys and deletes that race leave a server with a version, or nothing at all.
#[test]
fn a_deploy_that_races_leaves_nothing_of_a_server_that_is_deleted() {
    let node = Node::start();
    let data = node.folder.path().join("data");
    for round in 0..6 {
        let name = format!("race-{round}");
        assert!(node.deploy(&name, "", ADDER).status.success());
        let changed = ADDER.replace("adder", &format!("adder {round}"));
        std::thread::scope(|scope| {
            let deploy = scope.spawn(|| node.deploy(&name, "", &changed));
            // Trials take longer than deletions: look for the moment in which the second version is stored.
            yields_until(|| bundles(&data) > 1 || deploy.is_finished());
            node.cli(&node.admin, &["servers", "delete", &name, "--tenant", "demo", "--yes"]);
        });
        assert_eq!(bundles(&data), 0, "round {round}: {:?}", below(&data.join("objects"), "bundles"));
    }
}
