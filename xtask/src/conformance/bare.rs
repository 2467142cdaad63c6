//! The server under test, bare: workerd alone, without the platform and without its sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::VARIANTS;
use crate::process::Program;
use crate::{Result, setup, workspace};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A workerd that serves every variant; it ends when this is dropped.
pub(super) struct Bare {
    process: Child,
    ports: BTreeMap<String, u64>,
}

impl Bare {
    /// Starts it with the bundles in `folder`.
    pub(super) fn start(config: &Path, folder: &Path) -> Result<Self> {
        let copy = folder.join("bare.capnp");
        fs::copy(config, &copy)?;
        let program = Program::new(workspace::root().join(setup::RUNTIME))
            .arg("serve")
            .arg(&copy)
            .args(["config", "--control-fd=1"]);
        let mut command = program.into_command();
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut bare = Self { process, ports: BTreeMap::new() };
        let (line, lines) = mpsc::channel();
        let control = bare.process.stdout.take();
        thread::spawn(move || {
            let control = control.map(BufReader::new).into_iter().flat_map(BufReader::lines);
            control.map_while(std::result::Result::ok).for_each(|text| drop(line.send(text)));
        });
        while bare.ports.len() < VARIANTS.len() {
            let text = lines.recv_timeout(READY_WITHIN).map_err(|_| "workerd did not listen in time")?;
            let event: Value = serde_json::from_str(&text)?;
            if let (Some(socket), Some(port)) = (event["socket"].as_str(), event["port"].as_u64()) {
                bare.ports.insert(socket.to_owned(), port);
            }
        }
        Ok(bare)
    }

    /// Where a variant answers MCP.
    pub(super) fn url(&self, variant: &str) -> Result<String> {
        let port = self.ports.get(variant).ok_or_else(|| format!("no socket for {variant}"))?;
        Ok(format!("http://127.0.0.1:{port}/mcp"))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
