//! A platform to attack: `smcp up` with chosen layers, one tenant for the attacker and one for the neighbour.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::cap::Cap;
use super::case::Case;
use super::neighbour::Neighbour;
use crate::Result;
use crate::http::Address;
use crate::mcp::Target;
use crate::platform::{Platform, Start};
use crate::process::Program;
use crate::processes::{self, Process};
use crate::workspace;

const ATTACKER: &str = "attacker";
const NEIGHBOUR: &str = "neighbour";
/// A well-behaved server without packages.
const TEMPLATE: &str = "crates/smcp/templates/javascript";

/// What a node is started with.
pub(super) struct Setting<'a> {
    pub(super) smcp: &'a Path,
    /// In the place of the runtime.
    pub(super) prober: Option<&'a Path>,
    pub(super) without: &'a [&'a str],
    pub(super) cap: Option<&'a Cap>,
}

/// A running platform.
pub(super) struct Node {
    pub(super) platform: Platform,
    pub(super) data: PathBuf,
    folder: TempDir,
    publisher: String,
    user: String,
    neighbour_key: String,
    /// Hosted processes that are not the attacker's.
    others: Vec<Process>,
    made: usize,
}

impl Node {
    pub(super) fn start(setting: &Setting<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
        let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
        fs::create_dir_all(config.join("smcp"))?;
        let prober = setting.prober.map(|path| format!("[node]\nworkerd = {path:?}\n")).unwrap_or_default();
        let settings = format!("{prober}[sandbox]\nwithout = {:?}\n", setting.without);
        fs::write(config.join("smcp/config.toml"), settings)?;
        let platform = Platform::start(&Start {
            binary: setting.smcp.to_owned(),
            listen: "127.0.0.1:0",
            data: Some(&data),
            config: Some(&config),
            show_log: false,
        })?;
        if let Some(cap) = setting.cap {
            cap.hold(platform.id())?;
        }
        let first = platform.key.clone().ok_or("no first key")?;
        for tenant in [ATTACKER, NEIGHBOUR] {
            platform.cli(Some(&first), &["tenants", "create", tenant])?;
        }
        let key = |tenant: &str, role: &str| -> Result<String> {
            let words = ["keys", "create", "--tenant", tenant, "--role", role, "--name", role];
            let made = platform.cli(Some(&first), &words)?;
            Ok(made["key"].as_str().ok_or("no key")?.to_owned())
        };
        let (publisher, user) = (key(ATTACKER, "admin")?, key(ATTACKER, "mcp_user")?);
        let neighbour_key = key(NEIGHBOUR, "mcp_user")?;
        let neighbour_publisher = key(NEIGHBOUR, "admin")?;
        let others = Vec::new();
        let mut node = Self { platform, data, folder, publisher, user, neighbour_key, others, made: 0 };
        node.deploy_neighbour(&neighbour_publisher)?;
        Ok(node)
    }

    fn deploy_neighbour(&mut self, publisher: &str) -> Result<()> {
        let project = self.folder.path().join("good");
        fs::create_dir_all(&project)?;
        for entry in fs::read_dir(workspace::root().join(TEMPLATE))? {
            let file = entry?.path();
            let text = fs::read_to_string(&file)?.replace("{{name}}", "good");
            fs::write(project.join(file.file_name().unwrap_or_default()), text)?;
        }
        let words = ["deploy", &project.to_string_lossy(), "--tenant", NEIGHBOUR];
        self.platform.cli(Some(publisher), &words)?;
        Ok(())
    }

    /// Begins to call the neighbour; its process is known from now on.
    pub(super) fn neighbour(&mut self) -> Result<Neighbour> {
        let target = self.target(NEIGHBOUR, "good", &self.neighbour_key);
        let request = target.modern_call("add", &json!({"a": 20, "b": 22}));
        let address = Address::Tcp(self.platform.listen.clone());
        let neighbour = Neighbour::start(address, request);
        neighbour.quiet(std::time::Duration::from_millis(500));
        self.others = self.platform.children();
        Ok(neighbour)
    }

    fn target(&self, tenant: &str, server: &str, key: &str) -> Target {
        let host = self.platform.url.trim_start_matches("http://").to_owned();
        Target { host, path: format!("/t/{tenant}/{server}/mcp"), key: Some(key.to_owned()) }
    }

    /// Where an attacker's server is called.
    pub(super) fn attacked(&self, server: &str) -> (Address, Target) {
        (Address::Tcp(self.platform.listen.clone()), self.target(ATTACKER, server, &self.user))
    }

    /// Its processes that may be the attacker's.
    pub(super) fn attackers(&self) -> Vec<Process> {
        let mut children = self.platform.children();
        children.retain(|process| !self.others.contains(process) && process.is_alive());
        children
    }

    /// Writes a project with these limits, under a name that was not used yet.
    pub(super) fn prepare(
        &mut self,
        case: &Case,
        limits: &BTreeMap<String, u32>,
    ) -> Result<(String, PathBuf)> {
        self.made += 1;
        let name = format!("bad-{}", self.made);
        let project = self.folder.path().join(&name);
        project_of(case, &project)?;
        let mut manifest = format!(
            "manifest = 1\nname = \"{name}\"\nmain = \"server.js\"\ncompatibility_date = \"2026-11-01\"\n"
        );
        if !limits.is_empty() {
            manifest.push_str("\n[limits]\n");
        }
        limits.iter().for_each(|(key, value)| manifest.push_str(&format!("{key} = {value}\n")));
        fs::write(project.join("smcp.toml"), manifest)?;
        Ok((name, project))
    }

    /// The command that deploys a project.
    pub(super) fn deploy(&self, project: &Path) -> Program {
        let words = ["deploy", &project.to_string_lossy(), "--tenant", ATTACKER];
        self.platform.command(Some(&self.publisher), &words)
    }

    /// Bytes of messages that were kept of a server's log.
    pub(super) fn log_bytes(&self, server: &str) -> Result<usize> {
        let page = self
            .platform
            .cli(Some(&self.publisher), &["logs", server, "--tenant", ATTACKER, "--limit", "10000"])?;
        let lines = page["items"].as_array().into_iter().flatten();
        Ok(lines.filter_map(|line| line["message"].as_str()).map(str::len).sum())
    }

    /// Removes a server, and ends what is left of its processes.
    pub(super) fn clear(&self, server: &str) {
        let words = ["servers", "delete", server, "--yes", "--tenant", ATTACKER];
        // One that was refused is not there.
        let _ = self.platform.cli(Some(&self.publisher), &words);
        self.end_attackers();
    }

    /// Ends what is the attacker's.
    pub(super) fn end_attackers(&self) {
        for process in self.attackers() {
            let _ = processes::end(process.id);
        }
    }
}

/// The files of a hosted case, in a folder of its own; a case without any gets a server that does nothing.
pub(super) fn project_of(case: &Case, project: &Path) -> Result<()> {
    fs::create_dir_all(project)?;
    if !case.folder.join("server.js").is_file() {
        return Ok(fs::write(project.join("server.js"), "export default {};\n")?);
    }
    for entry in fs::read_dir(&case.folder)? {
        let file = entry?.path();
        fs::copy(&file, project.join(file.file_name().unwrap_or_default()))?;
    }
    let shared = case.folder.parent().map(|parent| parent.join("mcp.js")).unwrap_or_default();
    fs::copy(shared, project.join("mcp.js"))?;
    Ok(())
}
