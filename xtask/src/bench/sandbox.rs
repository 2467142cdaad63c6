//! What the sandbox costs: the same servers in all its layers and in none, started and called in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::load::{Figures, Load};
use super::{prepared, row_of_times};
use crate::http::{Address, Connection};
use crate::mcp::Target;
use crate::platform::{Platform, Start};
use crate::processes::Process;
use crate::report::{Columns, median, milliseconds};
use crate::smoke::{TENANT, create_key};
use crate::{Result, workspace};

/// Every layer that can be left out (`smcp doctor` lists them).
const LAYERS: &str = "user-ns mount-ns pid-ns network-ns ipc-ns uts-ns cgroup-ns uid capabilities landlock seccomp rlimits \
                      memory-cgroup cpu-cgroup pids-cgroup";
/// A server that has had no call for this long is stopped, so that it can be started again.
const IDLE: &str = "1s";
/// How long it may take until it is.
const ASLEEP_WITHIN: Duration = Duration::from_secs(20);
const SERVERS: [(&str, &str); 2] =
    [("trivial", "crates/smcp/templates/javascript"), ("sdk", "examples/units")];

/// A platform with its way of starting processes.
struct Side {
    platform: Platform,
    user: String,
    name: &'static str,
    folder: PathBuf,
}

/// What was measured of one server on one side.
#[derive(Default)]
struct Measured {
    starts: Vec<Duration>,
    calls: Figures,
    idle: u64,
    loaded: u64,
}

/// `without` names the layers that the other side is without; all of them when nobody says.
pub(super) fn run(smcp: &Path, quick: bool, without: Option<&str>) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("smcp-bench-").tempdir()?;
    let other = if without.is_some() { "without" } else { "no layer" };
    let sides = [("all layers", ""), (other, without.unwrap_or(LAYERS))]
        .map(|(name, without)| Side::start(smcp, folder.path(), name, without));
    let [sandboxed, plain] = sides;
    let sides = [sandboxed?, plain?];
    let rounds = if quick { 8 } else { 40 };
    let heading = [
        "server",
        "side",
        "start>",
        "start p99>",
        "call p50>",
        "call p99>",
        "idle MiB>",
        "loaded MiB>",
        "per GiB>",
    ];
    let mut table = Columns::new(&heading);
    for (server, project) in SERVERS {
        let project = prepared(server, project, folder.path())?;
        let mut measured = [Measured::default(), Measured::default()];
        for side in &sides {
            side.deploy(&project)?;
        }
        for _ in 0..rounds {
            for (side, measured) in sides.iter().zip(&mut measured) {
                side.measure(server, measured)?;
            }
        }
        for (side, measured) in sides.iter().zip(&mut measured) {
            table.row(&measured.row(server, side.name));
        }
        println!("{}", ratios(server, &measured));
    }
    println!();
    table.print();
    for side in sides {
        println!("{}: {}", side.name, side.time_to_kill()?);
        side.platform.stop()?;
    }
    Ok(())
}

impl Side {
    fn start(smcp: &Path, scratch: &Path, name: &'static str, without: &str) -> Result<Self> {
        let folder = scratch.join(name.replace(' ', "-"));
        let [data, config] = ["data", "config"].map(|name| folder.join(name));
        fs::create_dir_all(config.join("smcp"))?;
        let without: Vec<&str> = without.split([' ', ',']).filter(|name| !name.is_empty()).collect();
        let settings = format!("[node]\nidle_after = \"{IDLE}\"\n[sandbox]\nwithout = {without:?}\n");
        fs::write(config.join("smcp/config.toml"), settings)?;
        let start = Start {
            binary: smcp.to_owned(),
            listen: "127.0.0.1:0",
            data: Some(&data),
            config: Some(&config),
            show_log: false,
        };
        let platform = Platform::start(&start)?;
        let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
        platform.cli(Some(first), &["tenants", "create", TENANT])?;
        let user = create_key(&platform, Some(first), "mcp_user")?;
        Ok(Self { platform, user, name, folder })
    }

    fn deploy(&self, project: &Path) -> Result<()> {
        let key = self.platform.key.as_deref();
        self.platform.cli(key, &["deploy", &project.to_string_lossy(), "--tenant", TENANT]).map(drop)
    }

    fn way(&self, server: &str, tool: &str) -> (Address, Vec<u8>) {
        let name = if server == "sdk" { "units" } else { server };
        let target = Target {
            host: self.platform.url.trim_start_matches("http://").to_owned(),
            path: format!("/t/{TENANT}/{name}/mcp"),
            key: Some(self.user.clone()),
        };
        (Address::Tcp(self.platform.listen.clone()), target.modern_call(tool, &json!({"a": 20, "b": 22})))
    }

    fn hosted(&self) -> Vec<Process> {
        self.platform.children()
    }

    /// One start, then calls, then what it holds in memory.
    fn measure(&self, server: &str, measured: &mut Measured) -> Result<()> {
        let until = Instant::now() + ASLEEP_WITHIN;
        while !self.hosted().is_empty() {
            if Instant::now() > until {
                return Err(format!("{}: its server does not go to sleep", self.name).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let (address, request) = self.way(server, "add");
        let began = Instant::now();
        let answer = Connection::open(&address)?.send(&request)?;
        measured.starts.push(began.elapsed());
        if answer.status != 200 {
            return Err(format!("{}: HTTP {}", self.name, answer.status).into());
        }
        let memory = || self.hosted().iter().filter_map(Process::anonymous).max().unwrap_or_default();
        measured.idle = memory();
        let load = Load { address: &address, request: &request, connections: 1 };
        measured.calls.add(load.run(Duration::from_millis(200))?);
        measured.loaded = memory();
        Ok(())
    }

    /// From the call that loops to the error that says so.
    fn time_to_kill(&self) -> Result<String> {
        let project = self.folder.join("looping");
        fs::create_dir_all(&project)?;
        let template = workspace::root().join("crates/smcp/templates/javascript");
        let server = fs::read_to_string(template.join("server.js"))?.replace("{{name}}", "looping");
        let server = server.replace("return `${a} + ${b} = ${a + b}`;", "for (;;);");
        fs::write(project.join("server.js"), server)?;
        let manifest = fs::read_to_string(template.join("smcp.toml"))?.replace("{{name}}", "looping");
        fs::write(project.join("smcp.toml"), format!("{manifest}\n[limits]\ncpu_ms = 1000\n"))?;
        self.deploy(&project)?;
        let (address, request) = self.way("looping", "add");
        let began = Instant::now();
        let answer = Connection::open(&address)?.send(&request)?;
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        if !said.contains("cpu_ms") {
            return Err(format!("the loop was not ended by its limit: {said}").into());
        }
        Ok(format!("a loop under cpu_ms = 1000 was ended after {}", milliseconds(took)))
    }
}

impl Measured {
    fn row(&mut self, server: &str, side: &str) -> [String; 9] {
        self.starts.sort_unstable();
        self.calls.sort();
        let last = self.starts[(self.starts.len() - 1) * 99 / 100];
        let [p50, p99] = row_of_times(&self.calls);
        let mib = |kib: u64| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024);
        [
            server.to_owned(),
            side.to_owned(),
            milliseconds(median(self.starts.clone())),
            milliseconds(last),
            p50,
            p99,
            mib(self.idle),
            mib(self.loaded),
            ((1 << 20) / self.loaded.max(1)).to_string(),
        ]
    }
}

fn ratios(server: &str, measured: &[Measured; 2]) -> String {
    let start = |measured: &Measured| median(measured.starts.clone()).as_secs_f64();
    let call = |measured: &Measured| measured.calls.at(500).as_secs_f64();
    format!(
        "{server}: start × {:.2}, call p50 × {:.2} of the other side's, in this one run",
        start(&measured[0]) / start(&measured[1]),
        call(&measured[0]) / call(&measured[1])
    )
}
