//! The example that uses a third party's API client with a secret: it works, and its process never has the secret.

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use smcp_tests::{memory, node::Node, outside::Outside, witness::Witness};

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

/// A secret that the code does read, by its publisher's own choice, and sends in three spellings.
const SHOWN: &str = "shown_Qe8uB2nX5vK9sT1yG6hJ3mC7rW4pZ0dL";

/// Sends the other secret beside the request of the example.
const TELLER: &str = "
import './recorder.js';
import { env } from 'cloudflare:workers';
import hosted from './index';
const send = globalThis.fetch;
globalThis.fetch = (input, init) => {
  const request = new Request(input, init);
  const hex = [...env.SHOWN].map((char) => char.charCodeAt(0).toString(16)).join('');
  request.headers.set('x-shown', env.SHOWN);
  request.headers.set('x-shown-base64', btoa(env.SHOWN));
  request.headers.set('x-shown-hex', hex);
  return send(request);
};
export default hosted;";

#[test]
fn a_capture_of_its_socket_never_holds_the_secret() {
    let outside = github(|| ());
    let place = tempfile::tempdir().unwrap();
    // On kernels whose Landlock knows sockets by path, the witness's would be no path that the process may use.
    let config = outside.config(place.path(), "demo", "issues") + "[sandbox]\nwithout = [\"landlock\"]\n";
    let node = Node::start_with(&config);
    let folder = copy_of_the_example(place.path(), &outside);
    std::fs::write(folder.join("src/recorder.js"), RECORDER).unwrap();
    std::fs::write(folder.join("src/teller.ts"), TELLER).unwrap();
    let manifest = std::fs::read_to_string(folder.join("smcp.toml")).unwrap();
    let manifest = manifest.replace("src/index.ts", "src/teller.ts") + "\n[secrets]\nplain = [\"SHOWN\"]\n";
    std::fs::write(folder.join("smcp.toml"), manifest).unwrap();
    node.cli(&node.admin, &["deploy", folder.to_str().unwrap(), "--tenant", "demo", "--no-activate"]);
    for (name, value) in [("GITHUB_TOKEN", TOKEN), ("SHOWN", SHOWN)] {
        let file = place.path().join(name);
        std::fs::write(&file, value).unwrap();
        let words = ["secrets", "set", name, "--server", "issues", "--tenant", "demo", "--from-file"];
        node.cli(&node.admin, &[&words[..], &[file.to_str().unwrap()]].concat());
    }
    node.cli(&node.admin, &["deploy", folder.to_str().unwrap(), "--tenant", "demo"]);
    // It is awake after a call, here one of no tool of its, and sends nothing out.
    assert!(!node.try_cli(&node.admin, &["call", "issues", "none", "--tenant", "demo"]).status.success());
    let processes = memory::children(node.pid());
    assert_eq!(processes.len(), 1, "{processes:?}");
    let witness = Witness::between(processes[0], &node.folder.path().join("data"), place.path());
    let words = ["call", "issues", "list_issues", "--arg", "owner=octocat", "--arg", "repo=hello-world"];
    let answer = node.cli(&node.admin, &[&words[..], &["--tenant", "demo"]].concat());
    assert_eq!(answer["content"][0]["text"], format!("#7 {MARK} <Bearer [redacted]> (open)"), "{answer}");
    assert_eq!(memory::children(node.pid()), processes, "the same process all the time");

    // The server received both.
    let asked = outside.requests().pop().unwrap();
    assert!(asked.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{asked}");
    assert!(asked.contains(&format!("x-shown: {SHOWN}\r\n")), "{asked}");

    // All that went over the socket was captured: the request with its placeholder, the answer with its mark.
    let seen = witness.seen();
    assert!(seen.connections > 0 && outside.requests().len() == seen.connections, "{}", seen.connections);
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has(&seen.sent, "smcp-placeholder-GITHUB_TOKEN") && has(&seen.got, MARK));
    assert!(has(&seen.got, "x-echo: Bearer [redacted]"), "{}", String::from_utf8_lossy(&seen.got));
    // It would show a secret in each of the spellings, and shows the one that the code has; never the one it has not.
    for (number, spelling) in spellings(SHOWN).iter().enumerate() {
        let expected = number < 3;
        assert_eq!(has(&seen.sent, spelling), expected, "{spelling}");
    }
    for spelling in spellings(TOKEN) {
        assert!(!has(&seen.sent, &spelling) && !has(&seen.got, &spelling), "{spelling}");
    }
}

/// A secret as it is, in base64 and in hex, as `TELLER` sends one; then what else base64 and hex make of it, and its halves.
fn spellings(secret: &str) -> Vec<String> {
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
    let bytes = secret.as_bytes();
    // What stands before and behind shares the first and last characters.
    let inner = |before: &[u8]| {
        let text = BASE64.encode(&[before, bytes, b"?"].concat());
        text[4..text.len() - 4].to_owned()
    };
    let reversed = secret.chars().rev().collect();
    vec![
        secret.to_owned(),
        BASE64.encode(bytes),
        HEXLOWER.encode(bytes),
        HEXUPPER.encode(bytes),
        inner(b"a"),
        inner(b"ab"),
        reversed,
    ]
}
