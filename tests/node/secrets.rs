//! Secrets in the clear with the real binary: given when a process starts, and nowhere else.

use std::{fs, path::Path};

use smcp_tests::node::{ADDER, Node};

const SECRET: &str = "correct-horse-battery-staple \"\\ gr\u{fc}\u{df}";

fn module() -> String {
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        "return answer({ content: [{ type: 'text', text: 'it is ' + env.TOKEN }] });",
    );
    assert_ne!(module, ADDER);
    module
}

fn set(node: &Node, how: &str, value: &str) {
    let file = node.folder.path().join("value");
    fs::write(&file, value).unwrap();
    let words = ["secrets", how, "TOKEN", "--server", "keeper", "--from-file", file.to_str().unwrap()];
    let output = node.try_cli(&node.admin, &[&words[..], &["--tenant", "demo"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(file).unwrap();
}

fn call(node: &Node) -> (bool, String) {
    let output = node.try_cli(&node.admin, &["call", "keeper", "add", "--tenant", "demo"]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Files below a folder that hold any of these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(holding(&path, bytes));
        } else if fs::read(&path).is_ok_and(|read| read.windows(bytes.len()).any(|part| part == bytes)) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// Processes whose arguments or environment hold these bytes.
fn processes_showing(bytes: &[u8]) -> Vec<String> {
    let shows =
        |file: &Path| fs::read(file).is_ok_and(|read| read.windows(bytes.len()).any(|part| part == bytes));
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| shows(&path.join("cmdline")) || shows(&path.join("environ")))
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn code_reads_what_it_was_given_by_explicit_choice_and_no_file_has_it() {
    let mut node = Node::start();
    let deployed = node.deploy("keeper", "[secrets]\nplain = [\"TOKEN\"]\n", &module());
    let talk = String::from_utf8_lossy(&deployed.stdout) + String::from_utf8_lossy(&deployed.stderr);
    assert!(deployed.status.success(), "{talk}");
    assert!(talk.contains("can read the secret TOKEN"), "warned of: {talk}");
    let (fine, said) = call(&node);
    assert!(!fine && said.contains("TOKEN") && said.contains("secrets set"), "{said}");
    set(&node, "set", SECRET);
    let escaped = serde_json::Value::from(format!("it is {SECRET}")).to_string();
    let (fine, said) = call(&node);
    assert!(fine && said.contains(&escaped), "{said}");
    set(&node, "rotate", "second-value-of-it");
    let (fine, said) = call(&node);
    assert!(fine && said.contains("it is second-value-of-it"), "{said}");
    for value in ["second-value-of-it", "correct-horse-battery-staple"] {
        assert_eq!(holding(&node.folder.path().join("data"), value.as_bytes()), [""; 0]);
        assert_eq!(processes_showing(value.as_bytes()), [""; 0]);
    }
    node.kill_and_restart();
    assert!(call(&node).1.contains("it is second-value-of-it"), "after kill -9");
    let words = ["secrets", "rm", "TOKEN", "--server", "keeper", "--tenant", "demo"];
    assert!(node.try_cli(&node.admin, &words).status.success());
    assert!(!call(&node).0, "what is gone is given to nobody");
}

/// A process that was given a value may print it after it has been replaced, and nobody has printed anything before.
#[test]
fn a_value_that_is_gone_is_taken_out_of_logs_too() {
    let node = Node::start();
    let slow = ADDER.replace(
        "const { a, b } = params.arguments;",
        "await new Promise((done) => setTimeout(done, 2000)); console.log('late ' + env.TOKEN, { t: env.TOKEN });
         return answer({ content: [{ type: 'text', text: 'done' }] });",
    );
    assert!(node.deploy("keeper", "[secrets]\nplain = [\"TOKEN\"]\n", &slow).status.success());
    set(&node, "set", "first-value-of-it");
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| call(&node));
        set(&node, "rotate", "second-value-of-it");
        assert!(caller.join().unwrap().0);
    });
    let logs = || {
        String::from_utf8(node.try_cli(&node.admin, &["logs", "keeper", "--tenant", "demo"]).stdout).unwrap()
    };
    let log = (0..2_000).map(|_| logs()).find(|log| log.contains("late ")).unwrap();
    assert!(log.contains("late [redacted]") && !log.contains("value-of-it"), "{log}");
}
