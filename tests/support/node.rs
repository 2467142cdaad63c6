//! The real binary: a node as a child process with a data directory of its own, and the command line beside it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The binary that `cargo build --workspace` made.
///
/// # Panics
/// When it is not there: a test that did not run is not a test that passed.
pub fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let target = here.ancestors().find(|folder| folder.join("smcp").is_file());
    target
        .map(|folder| folder.join("smcp"))
        .unwrap_or_else(|| panic!("no smcp binary: cargo build --workspace"))
}

/// A command with nothing of this machine's configuration.
#[allow(clippy::disallowed_methods, reason = "tests start the binary they test")]
pub fn command(home: &Path) -> Command {
    bare(Command::new(binary()), home)
}

fn bare(mut command: Command, home: &Path) -> Command {
    command
        .env_clear()
        .env("SMCP_SANDBOX_STRICT", "true")
        .env("HOME", home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir(home);
    command.stdin(Stdio::null());
    command
}

/// A running node. Killed when dropped.
pub struct Node {
    child: Child,
    /// Its folder: `data/`, and projects that tests write.
    pub folder: TempDir,
    /// Where it is reached.
    pub url: String,
    /// The administrator's key, as the first start showed it.
    pub root: String,
    /// The key of tenant `demo`'s administrator.
    pub admin: String,
}

impl Node {
    /// A first start, with a tenant `demo`.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with a configuration file.
    pub fn start_with(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        if !config.is_empty() {
            std::fs::create_dir_all(folder.path().join(".config/smcp")).unwrap();
            std::fs::write(folder.path().join(".config/smcp/config.toml"), config).unwrap();
        }
        let (child, url, root) = launch(folder.path(), &[]);
        let mut node = Self { child, folder, url, root: root.unwrap(), admin: String::new() };
        let root = node.root.clone();
        node.cli(&root, &["tenants", "create", "demo"]);
        let key =
            node.cli(&root, &["keys", "create", "--tenant", "demo", "--role", "admin", "--name", "test"]);
        node.admin = key["key"].as_str().unwrap().to_owned();
        node
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it as `kill -9` does, and starts it again on the same data and with the same address.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        let address = self.url.replace("http://localhost", "127.0.0.1");
        let (child, url, key) = launch(self.folder.path(), &["--listen", &address]);
        assert_eq!((url.as_str(), key), (self.url.as_str(), None), "the administrator's key is shown once");
        self.child = child;
    }

    /// Asks it to stop as a service manager does, and returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        #[allow(clippy::disallowed_methods, reason = "a signal by process id")]
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command that must succeed; returns what it prints.
    pub fn cli(&self, key: &str, words: &[&str]) -> Value {
        let output = self.try_cli(key, words);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "smcp {words:?}: {talk}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("smcp {words:?}: {error}: {talk}"))
    }

    /// Runs a command.
    pub fn try_cli(&self, key: &str, words: &[&str]) -> Output {
        let mut command = command(self.folder.path());
        command.env("SMCP_ENDPOINT", &self.url).env("SMCP_KEY", key);
        command.arg("--json").args(words).output().unwrap()
    }

    /// Runs a line of a README in a shell that finds the binary by its name.
    #[allow(clippy::disallowed_methods, reason = "a shell as the reader of the README has it")]
    pub fn shell(&self, folder: &Path, line: &str, variables: &[(&str, &str)]) -> Output {
        let mut shell = bare(Command::new("/bin/sh"), self.folder.path());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binary().parent().unwrap().display());
        shell.env("PATH", path).env("SMCP_ENDPOINT", &self.url).env("SMCP_KEY", &self.admin);
        shell.env("SMCP_TENANT", "demo").envs(variables.iter().copied());
        shell.current_dir(folder).args(["-ec", line]).output().unwrap()
    }

    /// Calls the tool `add` as a client does that has a trace of its own; returns the answer with its head.
    pub fn call_traced(&self, server: &str, traceparent: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{}}}"#;
        let head = [
            format!("POST /t/demo/{server}/mcp HTTP/1.1\r\nhost: {address}"),
            format!("authorization: Bearer {}\r\ntraceparent: {traceparent}", self.admin),
            format!("content-type: application/json\r\ncontent-length: {}", body.len()),
            "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25".to_owned(),
            "connection: close\r\n\r\n".to_owned(),
        ];
        let mut stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
        stream.write_all((head.join("\r\n") + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Writes a project of one JavaScript module and deploys it.
    pub fn deploy(&self, name: &str, manifest: &str, module: &str) -> Output {
        let project = self.folder.path().join(name);
        std::fs::create_dir_all(&project).unwrap();
        let head = format!(
            "manifest = 1\nname = \"{name}\"\nmain = \"main.js\"\ncompatibility_date = \"2026-11-01\"\n"
        );
        std::fs::write(project.join("smcp.toml"), head + manifest).unwrap();
        std::fs::write(project.join("main.js"), module).unwrap();
        self.try_cli(&self.admin, &["deploy", project.to_str().unwrap(), "--tenant", "demo"])
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        clear_cgroups(&self.folder.path().join("data/run/cgroups"));
    }
}

/// Removes the empty cgroups of a node that was killed and will not be started again.
fn clear_cgroups(note: &Path) {
    for folder in std::fs::read_to_string(note).unwrap_or_default().lines() {
        clear_cgroup(Path::new(folder));
    }
}

fn clear_cgroup(folder: &Path) {
    let inner = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inner.filter(|path| path.is_dir()).for_each(|path| clear_cgroup(&path));
    // Processes of the node take a moment to go; what stays is empty.
    let _ = (0..1_000).find(|_| {
        std::thread::yield_now();
        std::fs::remove_dir(folder).is_ok() || !folder.exists()
    });
}

/// Starts a node and waits until it serves: the process, its URL, and the administrator's key of a first start.
fn launch(folder: &Path, more: &[&str]) -> (Child, String, Option<String>) {
    let mut command = command(folder);
    command.args(["up", "--json", "--drain", "5"]).arg("--data").arg(folder.join("data"));
    if more.is_empty() {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let mut child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut key = None;
    loop {
        let Some(Ok(line)) = lines.next() else {
            let mut talk = String::new();
            child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
            panic!("the node did not start: {talk}");
        };
        let event: Value = serde_json::from_str(&line).unwrap();
        match event["event"].as_str() {
            Some("first_key") => key = event["key"].as_str().map(str::to_owned),
            Some("ready") => return (child, event["url"].as_str().unwrap().to_owned(), key),
            other => panic!("{other:?}"),
        }
    }
}

/// A hand-written server with one tool, `add`, which answers with the var `WORD` and the sum.
pub const ADDER: &str = r#"
const tool = { name: "add", inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } } };
export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const { id, method, params } = await request.json();
    const answer = (result) => Response.json({ jsonrpc: "2.0", id, result });
    console.log("method " + method);
    if (method === "initialize") {
      return answer({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "adder", version: "1" } });
    }
    if (method === "tools/list") return answer({ tools: [tool] });
    if (method === "tools/call") {
      const { a, b } = params.arguments;
      return answer({ content: [{ type: "text", text: `${env.WORD} ${a + b}` }] });
    }
    return new Response(null, { status: 202 });
  },
};
"#;
