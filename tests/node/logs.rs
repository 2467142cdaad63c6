//! What hosted code prints, with the real runtime: where an exception comes from, by level, as it comes, without secrets.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
};

use smcp_tests::node::{Node, command};

/// Nothing of the types is left in the bundle: its lines are others.
const SOURCE: &str = r#"import { fail } from "./fail";

interface Message {
  id?: number;
  method: string;
}

const tool = { name: "fail", inputSchema: { type: "object" } };

export default {
  async fetch(request: Request): Promise<Response> {
    const { id, method } = (await request.json()) as Message;
    const answer = (result: object): Response => Response.json({ jsonrpc: "2.0", id, result });
    if (method === "initialize") {
      const serverInfo = { name: "failing", version: "1" };
      return answer({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
    }
    if (method === "tools/list") return answer({ tools: [tool] });
    if (method === "tools/call") fail("on purpose");
    return new Response(null, { status: 202 });
  },
};
"#;
const FAIL: &str = "type Why = string;\n\nexport function fail(why: Why): never {\n  console.debug(\"about to fail\");\n  throw new Error(why);\n}\n";

fn project(node: &Node) -> PathBuf {
    let folder = node.folder.path().join("failing");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest =
        "manifest = 1\nname = \"failing\"\nmain = \"src/main.ts\"\ncompatibility_date = \"2026-11-01\"\n";
    std::fs::write(folder.join("smcp.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.ts"), SOURCE).unwrap();
    std::fs::write(folder.join("src/fail.ts"), FAIL).unwrap();
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/issues/node_modules");
    assert!(packages.is_dir(), "its packages are not there: npm ci in examples/issues");
    symlink(packages, folder.join("node_modules")).unwrap();
    folder
}

fn deploy(node: &Node) {
    let folder = project(node);
    node.cli(&node.admin, &["deploy", folder.to_str().unwrap(), "--tenant", "demo"]);
    // It fails, as it is meant to.
    node.try_cli(&node.admin, &["call", "failing", "fail", "--tenant", "demo"]);
}

#[test]
fn an_exception_is_shown_where_it_stands_in_the_sources() {
    let node = Node::start();
    deploy(&node);
    let page = node.cli(&node.admin, &["logs", "failing", "--tenant", "demo", "--level", "error"]);
    let message = page["items"][0]["message"].as_str().unwrap();
    assert!(message.contains("Error: on purpose"), "{message}");
    assert!(message.contains("src/fail.ts:5:9") && message.contains("src/main.ts:19:"), "{message}");
    assert!(page["items"][0]["request_id"].is_string() && page["items"][0]["trace_id"].is_string(), "{page}");
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "nothing quieter: {page}");
    // Who has not deployed it sees the position in the bundle; a map that is broken is as good as none.
    let maps = node.folder.path().join(".cache/smcp/maps");
    let map = std::fs::read_dir(&maps).unwrap().next().unwrap().unwrap().path();
    for spoilt in ["{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"!\"}", "{", ""] {
        std::fs::write(&map, spoilt).unwrap();
        let page = node.cli(&node.admin, &["logs", "failing", "--tenant", "demo", "--level", "error"]);
        let message = page["items"][0]["message"].as_str().unwrap();
        assert!(message.contains("index.js:") && !message.contains(".ts:"), "{message}");
    }
}

#[test]
fn a_refused_deploy_says_where_in_the_sources() {
    let node = Node::start();
    let folder = project(&node);
    std::fs::write(folder.join("src/main.ts"), format!("{SOURCE}\nfail('at the start');\n")).unwrap();
    let said = node.try_cli(&node.admin, &["deploy", folder.to_str().unwrap(), "--tenant", "demo"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("at the start") && said.contains("src/fail.ts:5:9"), "{said}");
}

#[test]
fn a_log_is_followed_from_a_level_on() {
    let node = Node::start();
    deploy(&node);
    let mut follow = command(node.folder.path());
    follow.env("SMCP_ENDPOINT", &node.url).env("SMCP_KEY", &node.admin).stdout(Stdio::piped());
    follow.args(["logs", "-f", "--server", "failing", "--level", "error", "--tenant", "demo"]);
    let mut child = follow.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || loop {
        let line = lines.next().unwrap().unwrap();
        assert!(!line.contains("about to fail"), "{line}");
        if line.contains("on purpose") {
            return line;
        }
    };
    let old = next();
    node.try_cli(&node.admin, &["call", "failing", "fail", "--tenant", "demo"]);
    let new = next();
    assert!(new.contains("error server   request=") && new.contains(" trace="), "{new}");
    assert_ne!(old, new);
    child.kill().unwrap();
    child.wait().unwrap();
}
