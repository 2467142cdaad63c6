//! Durable Objects with the real runtime: they stay, one process has them, their alarms wake a server that sleeps.

use smcp_tests::node::{ADDER, Node};

const BINDING: &str = "[[durable_objects]]\nbinding = \"COUNTERS\"\nclass = \"Counter\"\n";

/// Counts in SQL, and writes a line when its alarm rings.
const CLASS: &str = "
import { DurableObject } from 'cloudflare:workers';
export class Counter extends DurableObject {
  add() {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS t (n INTEGER)');
    this.ctx.storage.sql.exec('INSERT INTO t VALUES (1)');
    return this.ctx.storage.sql.exec('SELECT count(*) AS n FROM t').one().n;
  }
  async wake(ms) { await this.ctx.storage.setAlarm(Date.now() + ms); return 'set'; }
  async alarm() { console.log('RANG ' + await this.add()); }
}
";

fn module(version: &str) -> String {
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        &format!(
            "const counter = env.COUNTERS.get(env.COUNTERS.idFromName('one'));
             const told = params.arguments.a ? await counter.wake(params.arguments.a) : await counter.add();
             return answer({{ content: [{{ type: 'text', text: '{version}:' + told + ';' }}] }});"
        ),
    );
    assert_ne!(module, ADDER);
    CLASS.to_owned() + &module
}

fn call(node: &Node, server: &str, a: &str) -> String {
    node.cli(&node.admin, &["call", server, "add", "--arg", a, "--tenant", "demo"]).to_string()
}

/// Asks for a server's log until a line is there.
#[allow(clippy::disallowed_methods, reason = "a test that waits for a real process has a deadline")]
fn wait_for(node: &Node, server: &str, text: &str) -> String {
    for _ in 0..5_000 {
        let output = node.try_cli(&node.admin, &["logs", "--server", server, "--tenant", "demo"]);
        let log = String::from_utf8(output.stdout).unwrap();
        if log.contains(text) {
            return log;
        }
    }
    let log = node.try_cli(&node.admin, &["logs", "--server", server, "--tenant", "demo"]).stdout;
    panic!("no {text} in {}", String::from_utf8(log).unwrap());
}

#[test]
fn objects_stay_over_kill_9_and_over_an_update_and_are_the_servers_alone() {
    let mut node = Node::start();
    let deployed = node.deploy("counter", BINDING, &module("one"));
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    assert!(call(&node, "counter", "b=1").contains("one:1;"));
    node.kill_and_restart();
    assert!(call(&node, "counter", "b=1").contains("one:2;"));
    assert!(node.deploy("counter", BINDING, &module("two")).status.success());
    let third = call(&node, "counter", "b=1");
    assert!(third.contains("two:3;"), "{third}");
    assert!(node.deploy("other", BINDING, &module("one")).status.success());
    assert!(call(&node, "other", "b=1").contains("one:1;"), "the same class and name, another server");
    // Gone with the server; a trial leaves nothing behind.
    let folder = node.folder.path().join("data/tenants");
    let kept = || {
        let tenant = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        std::fs::read_dir(tenant.join("do")).unwrap().count()
    };
    assert_eq!(kept(), 2);
    node.cli(&node.admin, &["servers", "delete", "other", "--tenant", "demo", "--yes"]);
    assert_eq!(kept(), 1);
    let scratch = std::fs::read_dir(node.folder.path().join("data/run")).unwrap();
    assert!(!scratch.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".s")));
}

#[test]
fn no_increment_is_lost_or_doubled_while_versions_change() {
    let node = Node::start();
    assert!(node.deploy("counter", BINDING, &module("v0")).status.success());
    let done = std::sync::atomic::AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut counts = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                counts.push(call(&node, "counter", "b=1"));
            }
            counts
        });
        for number in 1..4 {
            assert!(node.deploy("counter", BINDING, &module(&format!("v{number}"))).status.success());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        caller.join().unwrap()
    });
    let numbers: Vec<usize> = (counts.iter())
        .map(|text| text.split_once(':').unwrap().1)
        .map(|text| text.split([':', ';']).find_map(|part| part.parse().ok()).unwrap())
        .collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{counts:?}");
}

#[test]
fn an_alarm_wakes_a_server_that_sleeps_and_one_whose_node_was_killed() {
    let mut node = Node::start_with("[node]\nidle_after = \"1s\"\n");
    assert!(node.deploy("counter", BINDING, &module("one")).status.success());
    assert!(call(&node, "counter", "a=3000").contains("one:set;"));
    let log = wait_for(&node, "counter", "RANG 1");
    assert!(log.contains("process 1 ended"), "it slept meanwhile: {log}");
    assert!(call(&node, "counter", "a=3000").contains("one:set;"));
    node.kill_and_restart();
    wait_for(&node, "counter", "RANG 2");
}

/// A deploy looks at a version with a folder that is thrown away; it must not fill the disk meanwhile.
#[test]
fn a_trial_keeps_no_more_than_it_may() {
    let node = Node::start();
    let fill = "
      add() {
        for (let n = 0; n < 4000; n++) this.ctx.storage.kv.put('k' + n, new Uint8Array(100000));
        return 'filled';
      }";
    let filling = ADDER.replace(
        "if (method === \"initialize\") {",
        "if (method === \"initialize\") {
           await Promise.all(Array.from({ length: 8 }, (_, n) => env.COUNTERS.getByName('o' + n).add()));",
    );
    let class = CLASS.replace("wake(ms)", "unused(ms)");
    let (head, tail) = class.split_once("  add() {").unwrap();
    let tail = tail.split_once("  }\n").unwrap().1;
    let module = format!("{head}{fill}\n{tail}{filling}");
    let deployed = node.deploy("filler", BINDING, &module);
    let talk = String::from_utf8_lossy(&deployed.stderr);
    assert!(!deployed.status.success(), "{talk}");
    let scratch = std::fs::read_dir(node.folder.path().join("data/run")).unwrap();
    assert!(!scratch.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".s")));
}

/// An alarm of a class that the active version does not have is nobody's: it starts no process.
#[test]
fn an_alarm_of_a_class_that_is_gone_wakes_nobody() {
    let node = Node::start_with("[node]\nidle_after = \"1s\"\n");
    assert!(node.deploy("counter", BINDING, &module("one")).status.success());
    assert!(call(&node, "counter", "a=2000").contains("one:set;"));
    let renamed = module("two").replace("class Counter", "class Other");
    let deployed = node.deploy("counter", &BINDING.replace("Counter", "Other"), &renamed);
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    assert!(call(&node, "counter", "b=1").contains("two:1;"));
    // A second alarm, of the class that is there, rings after the first would have: nothing was started before it.
    assert!(call(&node, "counter", "a=6000").contains("two:set;"));
    let log = wait_for(&node, "counter", "RANG 2");
    let started = log.matches("ended:").count();
    assert_eq!(started, 2, "one process for each version, and the one that rings: {log}");
}
