//! The four official clients, each behind a small driver with one contract (tests/clients/README.md).

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::Call;
use crate::process::Program;
use crate::{Result, workspace};

const FOLDER: &str = "tests/clients";
const PATIENCE: Duration = Duration::from_secs(120);

/// One of them.
pub(super) struct Client {
    pub(super) name: &'static str,
    program: Kind,
}

enum Kind {
    Node(&'static str),
    Python,
    Rust(PathBuf),
}

/// All four; the Rust one has been built as `rmcp`.
pub(super) fn all(rmcp: PathBuf) -> [Client; 4] {
    [
        Client { name: "TypeScript SDK 1", program: Kind::Node("typescript-sdk1.mjs") },
        Client { name: "TypeScript SDK 2", program: Kind::Node("typescript-sdk2.mjs") },
        Client { name: "Python mcp", program: Kind::Python },
        Client { name: "Rust rmcp", program: Kind::Rust(rmcp) },
    ]
}

impl Client {
    /// Connects, lists, makes the calls, and gives what the driver printed.
    pub(super) fn drive(&self, url: &str, key: &str, calls: &[Call]) -> Result<Value> {
        let input: Vec<_> =
            calls.iter().map(|call| json!({"tool": call.tool, "arguments": call.arguments})).collect();
        let program = self.driver().env("MCP_URL", url).env("MCP_KEY", key).within_time(PATIENCE);
        let said = program.stdout_given(&Value::from(input).to_string())?;
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{}: {error} in `{said}`", self.name).into())
    }

    /// None of them can reach another machine: the two guards refuse it, and rmcp is given a local address only.
    fn driver(&self) -> Program {
        let folder = workspace::root().join(FOLDER);
        match &self.program {
            Kind::Node(script) => {
                Program::new("node").args(["--import", "./origin-guard.mjs", script]).within(folder)
            }
            Kind::Python => {
                let program = Program::new(folder.join(".venv/bin/python")).arg("python_mcp.py");
                program.env("MCP_LOCAL_ONLY", "1").within(folder)
            }
            Kind::Rust(path) => Program::new(path).within(folder),
        }
    }
}
