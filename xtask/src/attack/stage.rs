//! A platform for cases of capabilities: one hosted server that holds all of them, for the attacker, and the same for its neighbour.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Programs;
use super::case::Case;
use super::outside::{DNS, Outside};
use crate::Result;
use crate::http::{Address, Connection};
use crate::mcp::{self, Target};
use crate::platform::{Platform, Start};
use crate::workspace;

/// Where manifests and what cases share are.
const SHARED: &str = "tests/attack/capabilities";
/// The platform's settings, in the folder of its configuration.
const CONFIG: &str = "smcp/config.toml";
const ATTACKER: &str = "attacker";
const NEIGHBOUR: &str = "neighbour";
/// What is the neighbour's alone.
pub(super) const CANARY: &str = "canary-8Qw3ZtB1nR7kV5xD";
/// What is added on the way out, and what the code itself sends instead in controls. Of the same characters.
pub(super) const SECRET: &str = "sk-Zq7\"R\\vB<2>&x+9Kd/41=LmTw";
pub(super) const DECOY: &str = "sk-Yp6\"Q\\uA<1>&w+8Jc/30=KlSv";

/// Who runs a case's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// The attacker's server, as its manifest has it.
    Hostile,
    /// The attacker's server with a wide manifest, to which the operator opened networks.
    Opened,
    /// The server of the same names, of the neighbour.
    Owner,
}

/// The running platform with its three servers.
pub(super) struct Stage {
    pub(super) platform: Platform,
    pub(super) outside: Outside,
    pub(super) folder: TempDir,
    pub(super) keys: Keys,
    /// What the neighbour knows of its own storage, and an attacker may have learnt.
    pub(super) stolen: Value,
}

/// Keys of both sides.
pub(super) struct Keys {
    pub(super) first: String,
    pub(super) publisher: String,
    pub(super) user: String,
    pub(super) neighbour: String,
    pub(super) neighbour_user: String,
}

impl Stage {
    /// In the network that the thread is in.
    pub(super) fn start(programs: &Programs, cases: &[&Case], prober: bool) -> Result<Self> {
        Self::start_with(programs, cases, prober, (None, ""))
    }

    /// The same with its data in this folder.
    pub(super) fn start_at(programs: &Programs, cases: &[&Case], disk: &Path) -> Result<Self> {
        Self::start_with(programs, cases, false, (Some(disk), ""))
    }

    /// The same with these quotas.
    pub(super) fn start_storing(programs: &Programs, cases: &[&Case], quotas: &str) -> Result<Self> {
        Self::start_with(programs, cases, false, (None, quotas))
    }

    fn start_with(
        programs: &Programs,
        cases: &[&Case],
        prober: bool,
        (disk, quotas): (Option<&Path>, &str),
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
        let outside = Outside::start(programs, folder.path())?;
        let config = folder.path().join("config");
        let data = disk.unwrap_or(folder.path()).join("data");
        fs::create_dir_all(config.join("smcp"))?;
        let runtime =
            if prober { format!("[node]\nworkerd = {:?}\n", programs.prober) } else { String::new() };
        let usual = runtime + &settings(&folder.path().join("roots.pem"));
        fs::write(config.join(CONFIG), usual + quotas)?;
        let platform = platform(programs, &data, &config)?;
        let keys = keys(&platform)?;
        let stage = Self { platform, outside, folder, keys, stolen: Value::Null };
        for (actor, manifest) in
            [(Actor::Hostile, "hostile.toml"), (Actor::Opened, "opened.toml"), (Actor::Owner, "owner.toml")]
        {
            // Races hold a lot at once; what the process may hold is not what they are about.
            let limits = if quotas.is_empty() { "" } else { "[limits]\nmemory_mb = 512\n" };
            stage.deploy(actor, (manifest, limits), cases, prober)?;
        }
        Ok(stage)
    }

    fn deploy(
        &self,
        actor: Actor,
        (manifest, limits): (&str, &str),
        cases: &[&Case],
        prober: bool,
    ) -> Result<()> {
        let (tenant, server) = actor.place();
        let project = self.folder.path().join(format!("{tenant}-{server}"));
        bundle(cases, &project)?;
        let mut text = fs::read_to_string(workspace::root().join(SHARED).join(manifest))?;
        // A native program has no objects that live in the runtime.
        if !prober {
            text.push_str(&fs::read_to_string(workspace::root().join(SHARED).join("durable.toml"))?);
        }
        fs::write(project.join("smcp.toml"), format!("name = \"{server}\"\n{text}{limits}"))?;
        let publisher = if actor == Actor::Owner { &self.keys.neighbour } else { &self.keys.publisher };
        let words = ["deploy", &project.to_string_lossy(), "--tenant", tenant];
        self.platform.cli(Some(publisher), &words)?;
        for name in ["API_KEY", "QUERY_KEY"] {
            let words = ["secrets", "set", name, "--server", server, "--tenant", tenant];
            self.platform.command(Some(publisher), &words).stdout_given(SECRET)?;
        }
        Ok(())
    }

    /// Gives it other quotas than it has, or the usual ones, from its next start on.
    pub(super) fn store(&self, quotas: &str) -> Result<()> {
        let file = self.folder.path().join("config").join(CONFIG);
        let text = fs::read_to_string(&file)?;
        let rest = text.split_once("[storage]").map_or(text.as_str(), |(rest, _)| rest);
        Ok(fs::write(file, format!("{rest}{quotas}"))?)
    }

    /// Where the platform keeps everything.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Stops it, lets its data be changed, and starts it again.
    pub(super) fn restart(
        self,
        programs: &Programs,
        change: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let Self { platform: old, outside, folder, keys, stolen } = self;
        old.stop()?;
        let (data, config) = (folder.path().join("data"), folder.path().join("config"));
        change(&data)?;
        Ok(Self { platform: platform(programs, &data, &config)?, outside, folder, keys, stolen })
    }

    /// Lets the neighbour store what is its alone.
    pub(super) fn plant(&mut self) -> Result<()> {
        let told = self.ask(Actor::Owner, &json!({"case": "plant", "canary": CANARY}))?;
        self.stolen = serde_json::from_str(&told).map_err(|error| format!("{error}: {told}"))?;
        self.stolen["tenant"] = self.id_of(Actor::Owner)?.into();
        Ok(())
    }

    /// The id of an actor's tenant: the name of its folder.
    pub(super) fn id_of(&self, actor: Actor) -> Result<String> {
        let (tenant, _) = actor.place();
        let list = self.platform.cli(Some(&self.keys.first), &["tenants", "list"])?;
        let mut all = list["items"].as_array().into_iter().flatten();
        let found = all.find(|one| one["slug"] == tenant).and_then(|one| one["id"].as_str());
        Ok(found.ok_or_else(|| format!("no tenant {tenant} in {list}"))?.to_owned())
    }

    pub(super) fn target(&self, actor: Actor) -> (Address, Target) {
        let (tenant, server) = actor.place();
        let key = if actor == Actor::Owner { &self.keys.neighbour_user } else { &self.keys.user };
        let host = self.platform.url.trim_start_matches("http://").to_owned();
        let path = format!("/t/{tenant}/{server}/mcp");
        (Address::Tcp(self.platform.listen.clone()), Target { host, path, key: Some(key.clone()) })
    }

    /// Calls the one tool there is, and gives its text, or what went wrong.
    pub(super) fn ask(&self, actor: Actor, arguments: &Value) -> Result<String> {
        self.call(actor, "attack", arguments)
    }

    pub(super) fn call(&self, actor: Actor, tool: &str, arguments: &Value) -> Result<String> {
        let (address, target) = self.target(actor);
        mcp::text(&Connection::open(&address)?.send(&target.modern_call(tool, arguments))?)
    }

    /// What is kept of a server's log.
    pub(super) fn log(&self, actor: Actor) -> Result<String> {
        let (tenant, server) = actor.place();
        let key = if actor == Actor::Owner { &self.keys.neighbour } else { &self.keys.publisher };
        let words = ["logs", server, "--tenant", tenant, "--limit", "10000"];
        Ok(self.platform.cli(Some(key), &words)?.to_string())
    }
}

impl Actor {
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Hostile => (ATTACKER, "hostile"),
            Self::Opened => (ATTACKER, "opened"),
            Self::Owner => (NEIGHBOUR, "hostile"),
        }
    }
}

fn platform(programs: &Programs, data: &Path, config: &Path) -> Result<Platform> {
    Platform::start(&Start {
        binary: programs.smcp.clone(),
        listen: "127.0.0.1:8787",
        data: Some(data),
        config: Some(config),
        show_log: false,
    })
}

fn settings(roots: &Path) -> String {
    let nets =
        ["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10", "198.18.0.0/15"];
    let nets = nets.iter().chain(&["::1/128", "fd00::/16"]).map(|net| format!("{ATTACKER}/opened={net}"));
    let nets: Vec<String> = nets.collect();
    format!("[egress]\nresolver = {DNS:?}\nroots = {roots:?}\nnetworks = {nets:?}\n")
}

fn keys(platform: &Platform) -> Result<Keys> {
    let first = platform.key.clone().ok_or("no first key")?;
    let key = |tenant: &str, role: &str| -> Result<String> {
        let words = ["keys", "create", "--tenant", tenant, "--role", role, "--name", role];
        let made = platform.cli(Some(&first), &words)?;
        Ok(made["key"].as_str().ok_or("no key")?.to_owned())
    };
    for tenant in [ATTACKER, NEIGHBOUR] {
        platform.cli(Some(&first), &["tenants", "create", tenant])?;
    }
    Ok(Keys {
        publisher: key(ATTACKER, "admin")?,
        user: key(ATTACKER, "mcp_user")?,
        neighbour: key(NEIGHBOUR, "admin")?,
        neighbour_user: key(NEIGHBOUR, "mcp_user")?,
        first,
    })
}

/// All cases in one server: a call says which of them is meant.
pub(super) fn bundle(cases: &[&Case], project: &Path) -> Result<()> {
    fs::create_dir_all(project)?;
    let shared = workspace::root().join(SHARED);
    fs::copy(workspace::root().join("tests/attack/mcp.js"), project.join("mcp.js"))?;
    for name in ["plant.js", "ask.js"] {
        fs::copy(shared.join(name), project.join(name))?;
    }
    let mut main = String::from(
        "import { serve } from \"./mcp.js\";\nimport plant from \"./plant.js\";\nexport { Keeper } from \"./plant.js\";\n",
    );
    let mut names = String::from("plant");
    for (number, case) in cases.iter().enumerate().filter(|(_, case)| case.folder.join("attack.js").is_file())
    {
        fs::copy(case.folder.join("attack.js"), project.join(format!("case-{number}.js")))?;
        main.push_str(&format!("import case{number} from \"./case-{number}.js\";\n"));
        names.push_str(&format!(", {:?}: case{number}", case.name));
    }
    main.push_str(&format!(
        "const cases = {{ {names} }};\n\
         export default serve(async (row, context) => {{\n\
           try {{ return await cases[context.told.case](row, context); }} catch (error) {{ return `refused ${{error?.message ?? error}}`; }}\n\
         }});\n"
    ));
    Ok(fs::write(project.join("server.js"), main)?)
}
