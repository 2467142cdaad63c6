//! The example that uses a third party's API client with a secret: it works, and its process never has the secret.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use smcp_tests::{memory, node::Node, outside::Outside};

const HOST: &str = "api.github.com";
const TOKEN: &str = "ghp_Zk3vR8mQ1xW7tY5bN2cD9fH4jL6pS0gA";
/// Comes back from the server in the very text in which it sends the token back.
const MARK: &str = "mark-of-the-answer-7f3a9c";

/// Records what the code asks `fetch` for and what it gets from it. Loaded before the code.
const RECORDER: &str = "
export const seen = [];
const send = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const { method, url, headers } = new Request(input, init);
  const response = await send(input, init);
  seen.push({ method, url, asked: [...headers], status: response.status, got: [...response.headers] });
  seen.push(await response.clone().text());
  return response;
};";

/// The example, which adds all it can see to what its tools answer.
const WITNESS: &str = "
import { seen } from './recorder.js';
import hosted from './index';
export default {
  async fetch(request, env, ctx) {
    const answer = await hosted.fetch(request, env, ctx);
    if (seen.length === 0) return answer;
    const message = await answer.json();
    message.result.content.push({ type: 'text', text: JSON.stringify({ env, seen }) });
    return Response.json(message);
  },
};";

/// In GitHub's place, which sends back what it was sent, in a header and in a title.
fn github(meanwhile: impl Fn() + Send + Sync + 'static) -> Outside {
    Outside::serving(
        HOST,
        Arc::new(move |request| {
            meanwhile();
            let token =
                request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
            let body = format!(r#"[{{"number":7,"title":"{MARK} <{token}>","state":"open","body":null}}]"#);
            let length = body.len();
            format!(
                "200 OK\r\ncontent-type: application/json; charset=utf-8\r\nx-echo: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }),
    )
}

/// The example in a folder of the test's own, for this port.
fn copy_of_the_example(into: &Path, outside: &Outside) -> PathBuf {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/issues");
    let packages = example.join("node_modules");
    assert!(packages.is_dir(), "its packages are not there: npm ci in examples/issues");
    let copy = into.join("issues");
    std::fs::create_dir_all(copy.join("src")).unwrap();
    for file in ["src/index.ts", "src/issues.ts", "package.json", "tsconfig.json"] {
        std::fs::copy(example.join(file), copy.join(file)).unwrap();
    }
    let manifest = std::fs::read_to_string(example.join("smcp.toml")).unwrap();
    std::fs::write(copy.join("smcp.toml"), outside.manifest(&manifest)).unwrap();
    symlink(packages, copy.join("node_modules")).unwrap();
    copy
}

#[test]
fn the_commands_of_its_readme_work() {
    let outside = github(|| ());
    let place = tempfile::tempdir().unwrap();
    let node = Node::start_with(&outside.config(place.path(), "demo", "issues"));
    let folder = copy_of_the_example(place.path(), &outside);
    let readme = include_str!("../../examples/issues/README.md");
    let (_, rest) = readme.split_once("```sh\n").unwrap();
    let (commands, rest) = rest.split_once("```").unwrap();
    let mut said = String::new();
    for line in commands.lines().filter(|line| *line != "npm ci") {
        let output = node.shell(&folder, line, &[("GITHUB_TOKEN", TOKEN)]);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        said = String::from_utf8(output.stdout).unwrap();
    }
    assert_eq!(said.trim(), format!("#7 {MARK} <Bearer [redacted]> (open)"));
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    assert!(
        include_str!("../../examples/issues/smcp.toml").ends_with(shown),
        "the README shows the manifest"
    );
}

#[test]
fn the_server_gets_the_secret_and_the_code_never_sees_it() {
    // While the request is out, with the secret on it, memory is looked through as well.
    let node_id = Arc::new(Mutex::new(None::<u32>));
    let while_out = Arc::new(Mutex::new(Vec::new()));
    let (id, looks) = (Arc::clone(&node_id), Arc::clone(&while_out));
    let outside = github(move || {
        if let Some(node) = *id.lock().unwrap() {
            looks.lock().unwrap().extend(memory::children(node).into_iter().map(look));
        }
    });
    let place = tempfile::tempdir().unwrap();
    let node = Node::start_with(&outside.config(place.path(), "demo", "issues"));
    let folder = copy_of_the_example(place.path(), &outside);
    std::fs::write(folder.join("src/recorder.js"), RECORDER).unwrap();
    std::fs::write(folder.join("src/witness.ts"), WITNESS).unwrap();
    let manifest = std::fs::read_to_string(folder.join("smcp.toml")).unwrap();
    std::fs::write(folder.join("smcp.toml"), manifest.replace("src/index.ts", "src/witness.ts")).unwrap();
    node.cli(&node.admin, &["deploy", folder.to_str().unwrap(), "--tenant", "demo"]);
    let secret = place.path().join("token");
    std::fs::write(&secret, TOKEN).unwrap();
    let words = ["secrets", "set", "GITHUB_TOKEN", "--server", "issues", "--tenant", "demo", "--from-file"];
    node.cli(&node.admin, &[&words[..], &[secret.to_str().unwrap()]].concat());
    *node_id.lock().unwrap() = Some(node.pid());
    let words = ["call", "issues", "list_issues", "--arg", "owner=octocat", "--arg", "repo=hello-world"];
    let answer = node.cli(&node.admin, &[&words[..], &["--tenant", "demo"]].concat());

    // The server received the secret itself.
    let asked = outside.requests().pop().unwrap();
    assert!(asked.starts_with("GET /repos/octocat/hello-world/issues?per_page=20 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{asked}");
    assert!(!asked.contains("smcp-placeholder"), "{asked}");

    // The code has a placeholder, sent a placeholder, and read the echoes without the secret.
    let text = |at: usize| answer["content"][at]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(0), format!("#7 {MARK} <Bearer [redacted]> (open)"));
    let saw: serde_json::Value = serde_json::from_str(&text(1)).unwrap();
    assert_eq!(saw["env"]["GITHUB_TOKEN"], "smcp-placeholder-GITHUB_TOKEN");
    let pair = |name: &str, value: &str| serde_json::json!([name, value]);
    let has = |list: &serde_json::Value, pair| list.as_array().unwrap().contains(&pair);
    assert!(
        has(&saw["seen"][0]["asked"], pair("authorization", "Bearer smcp-placeholder-GITHUB_TOKEN")),
        "{saw}"
    );
    assert!(has(&saw["seen"][0]["got"], pair("x-echo", "Bearer [redacted]")), "{saw}");
    assert!(saw["seen"][1].as_str().unwrap().contains("<Bearer [redacted]>"), "{saw}");
    assert!(!answer.to_string().contains(TOKEN));

    // Nor does it stand anywhere in the memory of the process, whole or in halves, while the answer beside it does.
    assert_eq!(while_out.lock().unwrap().len(), 1, "one process, one request");
    let after: Vec<Look> = memory::children(node.pid()).into_iter().map(look).collect();
    assert_eq!(after.len(), 1);
    assert!(after[0].mark > 0, "what came back is there: {after:?}");
    for look in while_out.lock().unwrap().iter().chain(&after) {
        assert!(look.placeholder > 0 && look.bytes > 1 << 20, "{look:?}");
        assert_eq!(look.secret, 0, "{look:?}");
    }
    // The same look finds it where it is: in the platform.
    assert!(look(node.pid()).secret > 0);
}

/// How often things stand in the memory of a process.
#[derive(Debug)]
struct Look {
    secret: usize,
    placeholder: usize,
    mark: usize,
    bytes: usize,
}

fn look(process: u32) -> Look {
    let (first, second) = TOKEN.split_at(TOKEN.len() / 2);
    let (found, bytes) =
        memory::count(process, &[TOKEN, first, second, "smcp-placeholder-GITHUB_TOKEN", MARK]);
    Look { secret: found[..3].iter().sum(), placeholder: found[3], mark: found[4], bytes }
}
