//! The control of what the platform never lets out: the same worker in a bare workerd, in a network of the suite's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cap::Cap;
use super::case::Case;
use super::node::project_of;
use super::stage;
use crate::http::Address;
use crate::mcp::Target;
use crate::processes::{self, Process};
use crate::{Result, workspace};

/// What is attacked, all of it ours: loopback and addresses that loopback is given.
const PLACES: [&str; 4] = ["127.0.0.1:8099", "169.254.169.254:80", "10.0.0.1:8099", "hold:127.0.0.1:8098"];
const READY_WITHIN: Duration = Duration::from_secs(5);
const RUNTIME: &str = "runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd";

/// A bare workerd. Dropping it ends it.
pub(super) struct Bare {
    child: Child,
    socket: std::path::PathBuf,
    _folder: TempDir,
}

impl Bare {
    pub(super) fn start(case: &Case, prober: &Path, cap: &Cap) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
        project_of(case, folder.path())?;
        let socket = folder.path().join("in.sock");
        fs::write(folder.path().join("config.capnp"), config(folder.path(), &socket)?)?;
        let mut command = Command::new(prober);
        command.arg("in-network").args(PLACES).arg("--").arg(workspace::root().join(RUNTIME));
        command.args(["serve"]).arg(folder.path().join("config.capnp"));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take();
        let bare = Self { child, socket, _folder: folder };
        cap.hold(bare.child.id())?;
        let mut line = String::new();
        BufReader::new(out.ok_or("no output")?).read_line(&mut line)?;
        bare.listens()?;
        Ok(bare)
    }

    /// One with all cases of capabilities, in the network that the thread is in.
    pub(super) fn in_this_network(cases: &[&Case]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
        stage::bundle(cases, folder.path())?;
        let socket = folder.path().join("in.sock");
        fs::write(folder.path().join("config.capnp"), config(folder.path(), &socket)?)?;
        let mut command = Command::new(workspace::root().join(RUNTIME));
        let child =
            command.arg("serve").arg(folder.path().join("config.capnp")).stderr(Stdio::null()).spawn()?;
        let bare = Self { child, socket, _folder: folder };
        bare.listens()?;
        Ok(bare)
    }

    fn listens(&self) -> Result<()> {
        let until = Instant::now() + READY_WITHIN;
        while !self.socket.exists() {
            if Instant::now() > until {
                return Err("a bare workerd does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn attacked(&self) -> (Address, Target) {
        let target = Target { host: "x".to_owned(), path: "/mcp".to_owned(), key: None };
        (Address::Unix(self.socket.clone()), target)
    }

    /// The process that holds what is attacked.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn attackers(&self) -> Vec<Process> {
        processes::descendants(self.child.id())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for process in self.attackers() {
            let _ = processes::end(process.id);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with an open network, as none of the platform's is.
fn config(folder: &Path, socket: &Path) -> Result<String> {
    let mut modules = String::new();
    let mut names: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.file_name()).collect();
    // The first module is the main one.
    names.sort_by_key(|name| (name != "server.js", name.clone()));
    for name in names.iter().map(|name| name.to_string_lossy()).filter(|name| name.ends_with(".js")) {
        modules.push_str(&format!("( name = \"{name}\", esModule = embed \"{name}\" ), "));
    }
    Ok(format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\n\
         const config :Workerd.Config = ( services = [\n\
           ( name = \"main\", worker = ( modules = [ {modules} ], compatibilityDate = \"2026-11-01\",\n\
             compatibilityFlags = [ \"nodejs_compat\" ], globalOutbound = \"out\" ) ),\n\
           ( name = \"out\", network = ( allow = [ \"public\", \"private\", \"local\" ] ) ) ],\n\
         sockets = [ ( name = \"in\", address = \"unix:{}\", http = (), service = \"main\" ) ] );\n",
        socket.display()
    ))
}
