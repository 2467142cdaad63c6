//! The life of a node: refusals at its start, kill -9, stop.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
    time::Duration,
};

use smcp_tests::node::{ADDER, Node, command};

fn start_refused(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = command(folder);
    command.args(["up", "--listen", "127.0.0.1:0"]).arg("--data").arg(folder.join("data")).args(more);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Processes whose parent is the node: hosted ones.
fn children(pid: u32) -> Vec<u32> {
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|child: &u32| {
        // The parent's id stands second after the name, which is in parentheses.
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(&pid.to_string())
    })
    .collect()
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let mut node = Node::start();
    assert!(node.deploy("adder", "[vars]\nWORD = \"still\"\n", ADDER).status.success());
    let call = ["call", "adder", "add", "--arg", "a=1", "--arg", "b=2", "--tenant", "demo"];
    node.cli(&node.admin, &call);
    let hosted = children(node.pid());
    assert_eq!(hosted.len(), 1);
    let key =
        node.cli(&node.root, &["keys", "create", "--tenant", "demo", "--role", "mcp_user", "--name", "late"]);
    node.cli(&node.root, &["tenants", "create", "late"]);
    node.kill_and_restart();
    for _ in 0..500 {
        if !hosted.iter().any(|pid| is_alive(*pid)) {
            break;
        }
        std::thread::yield_now();
    }
    assert!(!hosted.iter().any(|pid| is_alive(*pid)), "the kernel ended the hosted process with its parent");
    let cells = fs::read_to_string(node.folder.path().join("data/run/cgroups")).unwrap();
    assert!(!cells.is_empty());
    for folder in cells.lines() {
        let left =
            fs::read_dir(folder).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(left, 0, "{folder} has no cell of the node that was killed");
    }
    let answer = node.cli(key["key"].as_str().unwrap(), &call);
    assert_eq!(answer["content"][0]["text"], "still 3");
    let tenants = node.cli(&node.root, &["tenants", "list"]).to_string();
    assert!(tenants.contains("late"), "{tenants}");
}

#[test]
fn a_stop_ends_everything_and_says_so() {
    let mut node = Node::start();
    assert!(node.deploy("adder", "[vars]\nWORD = \"x\"\n", ADDER).status.success());
    node.cli(&node.admin, &["call", "adder", "add", "--tenant", "demo"]);
    let hosted = children(node.pid());
    assert_eq!(node.stop(), Some(0));
    assert!(!hosted.iter().any(|pid| is_alive(*pid)));
    let left = fs::read_dir(node.folder.path().join("data/run")).unwrap();
    let left: BTreeSet<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        left,
        BTreeSet::from(["cgroups", "health", "root"].map(str::to_owned)),
        "no socket of a hosted process"
    );
}

#[test]
fn the_doctor_finds_every_layer_or_says_what_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |more: &[&str]| {
        let output = command(folder.path()).args(["doctor", "--json"]).args(more).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), document, String::from_utf8(output.stderr).unwrap())
    };
    let (code, found, talk) = doctor(&[]);
    assert_eq!(code, Some(0), "{talk}");
    let layers = found["layers"].as_array().unwrap();
    assert!(layers.len() >= 17 && layers.iter().all(|layer| layer["state"] == "on"), "{found}");
    let (code, found, talk) = doctor(&["--sandbox-without", "uid,landlock"]);
    assert_eq!(code, Some(1));
    assert!(talk.contains("uid, landlock") && talk.contains("sandbox.without"), "{talk}");
    let off = found["layers"].as_array().unwrap().iter().filter(|layer| layer["state"] == "off").count();
    assert_eq!((off, &found["ready"]), (2, &serde_json::Value::Bool(true)));
    let (code, talk) = start_refused(folder.path(), &["--sandbox-without", "walls"]);
    assert!(code == Some(1) && talk.contains("is no layer of the sandbox"), "{talk}");
}

/// Connections that ask for nothing, or only half, do not stay.
#[test]
fn silent_connections_are_let_go() {
    let node = Node::start();
    let address = node.url.replace("http://localhost", "127.0.0.1");
    let mut connections: Vec<TcpStream> = ["", "PRI * HT", "GET / HTTP/1.1\r\nHost: "]
        .into_iter()
        .map(|begin| {
            let mut connection = TcpStream::connect(&address).unwrap();
            connection.write_all(begin.as_bytes()).unwrap();
            connection
        })
        .collect();
    for connection in &mut connections {
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // An answer such as 408 may come first; then the end.
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
    }
}

#[test]
fn starts_that_are_refused() {
    let node = Node::start();
    let (code, talk) = start_refused(node.folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(
        talk.contains(&format!("another smcp (process {})", node.pid())) && talk.contains("--data"),
        "{talk}"
    );

    let folder = tempfile::tempdir().unwrap();
    let (code, talk) = start_refused(folder.path(), &["--workerd", "/nonexistent"]);
    assert!(code != Some(0) && talk.contains("npm ci"), "{talk}");
    let (code, talk) = start_refused(folder.path(), &["--external-url", "http://example.com"]);
    assert!(code == Some(1) && talk.contains("https"), "{talk}");
    let mut exposed = command(folder.path());
    let exposed = exposed.args(["up", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(exposed.status.code() == Some(1), "nothing listens on every address without TLS in front");
}

#[test]
fn the_master_key_is_guarded() {
    let mut node = Node::start();
    assert_eq!(node.stop(), Some(0));
    let folder = node.folder.path();
    let key = folder.join("data/master.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(folder.join("data")).unwrap().permissions().mode() & 0o777, 0o700);

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, talk) = start_refused(folder, &[]);
    assert!(code == Some(1) && talk.contains("chmod 600"), "{talk}");

    let text = fs::read_to_string(&key).unwrap();
    fs::write(&key, text.replace(&text[..1], if text.starts_with('0') { "1" } else { "0" })).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, talk) = start_refused(folder, &[]);
    assert!(code == Some(1) && talk.contains("does not fit"), "{talk}");

    fs::remove_file(&key).unwrap();
    let (code, talk) = start_refused(folder, &[]);
    assert!(code == Some(1) && talk.contains("is missing"), "no new key over old data: {talk}");
}
