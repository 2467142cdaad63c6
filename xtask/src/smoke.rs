//! `cargo xtask smoke`: deploy both examples and call them with four real clients, as a newcomer would.

mod calls;
mod timing;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use calls::Call;
use timing::Timing;

use crate::drivers::{self, Client, Era, Order};
use crate::mcp::Target;
use crate::platform::{Platform, Start};
use crate::processes::{self, Process};
use crate::programs::{self, Profile};
use crate::random::Random;
use crate::report::{Columns, Outcome, milliseconds};
use crate::{Result, setup, signals};

/// The tenant of the examples.
pub(crate) const TENANT: &str = "demo";
/// A key of the right form that nobody has.
pub(crate) const WRONG_KEY: &str =
    "smcp_aaaaaaaaaaaaaaaaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The examples, by folder.
pub(crate) const EXAMPLES: [&str; 2] = ["examples/notes", "examples/units"];
/// Every server must offer at least this many tools.
const LEAST_TOOLS: usize = 5;

/// One deployed example.
struct Server {
    name: String,
    url: String,
    deploy_took: Duration,
    timing: Timing,
    /// Of the process it runs in, in KiB: all, and what only it holds.
    memory: [Option<u64>; 2],
}

/// What has been checked so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failures: Vec<String>,
}

impl Tally {
    fn check(&mut self, what: &str, complaint: Option<String>) {
        match complaint {
            None => self.passed += 1,
            Some(complaint) => self.failures.push(format!("{what}: {complaint}")),
        }
    }
}

pub(crate) fn run(profile: Profile, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", "tests/clients"])?;
    setup::npm(&EXAMPLES)?;
    setup::python()?;
    println!("building smcp and the Rust client");
    let smcp = programs::smcp(profile)?;
    let clients = drivers::libraries(programs::rmcp_client()?);
    let seed = seed.unwrap_or_else(Random::seed);
    println!("seed {seed}: repeat this run with `cargo xtask smoke --seed {seed}`");

    let folder = tempfile::Builder::new().prefix("smcp-smoke-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp,
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let mut tally = Tally::default();
    if let Err(error) = first_light(&platform, &clients, &mut Random::new(seed), &mut tally) {
        tally.check("first light", Some(error.to_string()));
    }
    if !tally.failures.is_empty() {
        println!("\n{}\n", platform.with_log("something failed"));
    }
    end(platform, &mut tally);
    for failure in &tally.failures {
        println!("FAILED {failure}");
    }
    Ok(Outcome::Checks { passed: tally.passed, failed: tally.failures.len() })
}

fn first_light(
    platform: &Platform,
    clients: &[Client],
    random: &mut Random,
    tally: &mut Tally,
) -> Result<()> {
    let idle = Process::of(platform.id()).and_then(|process| process.resident());
    let (publisher, user) = keys(platform)?;
    let mut servers = Vec::new();
    for folder in EXAMPLES {
        println!("deploying {folder}");
        servers.push(deploy(platform, folder, &publisher, &user)?);
    }
    let mut table = Columns::new(&["client", "server", "revision", "tools>", "calls>", "ok>", "answered"]);
    for server in &servers {
        for client in clients {
            println!("calling {} with {}", server.name, client.name);
            let calls = if server.name == "notes" { calls::notes(random) } else { calls::units(random) };
            table.row(&visit(client, server, &user, &calls, tally));
        }
    }
    println!();
    table.print();
    println!();
    print_timings(platform, idle, &servers);
    Ok(())
}

/// A tenant, a key to deploy with, and one to call with.
fn keys(platform: &Platform) -> Result<(String, String)> {
    let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
    platform.cli(Some(first), &["tenants", "create", TENANT])?;
    Ok((create_key(platform, Some(first), "admin")?, create_key(platform, Some(first), "mcp_user")?))
}

/// A new key of the examples' tenant.
pub(crate) fn create_key(platform: &Platform, with: Option<&str>, role: &str) -> Result<String> {
    let made = platform.cli(with, &["keys", "create", "--tenant", TENANT, "--role", role, "--name", role])?;
    made["key"].as_str().map(str::to_owned).ok_or_else(|| format!("no key in {made}").into())
}

fn deploy(platform: &Platform, folder: &str, publisher: &str, user: &str) -> Result<Server> {
    let began = Instant::now();
    let deployed = platform.cli(Some(publisher), &["deploy", folder, "--tenant", TENANT])?;
    let deploy_took = began.elapsed();
    let text = |name: &str| {
        deployed[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {deployed}"))
    };
    let (name, url) = (text("server")?, text("url")?);
    let path = url.strip_prefix(&platform.url).ok_or_else(|| format!("{url} is not at {}", platform.url))?;
    let host = platform.url.trim_start_matches("http://").to_owned();
    let target = Target { host, path: path.to_owned(), key: Some(user.to_owned()) };

    let before = platform.children();
    let measure = if name == "notes" { timing::session } else { timing::stateless };
    let timing = measure(&platform.listen, &target)?;
    let fresh = platform.children().into_iter().filter(|process| !before.contains(process));
    let process = fresh.max_by_key(|process| process.resident());
    let memory = [process.as_ref().and_then(Process::resident), process.as_ref().and_then(Process::private)];
    Ok(Server { name, url, deploy_took, timing, memory })
}

/// Lets one client call one server, checks every answer, and gives a row for the table.
fn visit(client: &Client, server: &Server, key: &str, calls: &[Call], tally: &mut Tally) -> [String; 7] {
    let what = format!("{} × {}", client.name, server.name);
    let input: Value =
        calls.iter().map(|call| json!({"tool": call.tool, "arguments": call.arguments})).collect();
    let order =
        Order { url: &server.url, key, era: Era::Auto, answer: "yes", calls: &input, listen_after: "" };
    let answer = match client.drive(&order) {
        Ok(answer) => answer,
        Err(error) => {
            tally.check(&what, Some(error.to_string()));
            let none = String::new;
            return [
                client.name.to_owned(),
                server.name.clone(),
                none(),
                none(),
                calls.len().to_string(),
                none(),
                none(),
            ];
        }
    };
    let before = tally.passed;
    tally.check(&what, tools_complaint(server, &answer, calls));
    for (index, call) in calls.iter().enumerate() {
        tally.check(&what, call.complaint(&answer["results"][index]));
    }
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let tools = answer["tools"].as_array().map(Vec::len).unwrap_or_default();
    let shown = |index: usize| text(&answer["results"][index]["text"]);
    [
        text(&answer["client"]),
        server.name.clone(),
        text(&answer["protocol"]),
        tools.to_string(),
        calls.len().to_string(),
        (tally.passed - before).saturating_sub(1).to_string(),
        format!("{} · {}", shown(0), shown(1)),
    ]
}

fn tools_complaint(server: &Server, answer: &Value, calls: &[Call]) -> Option<String> {
    let tools: Vec<_> = answer["tools"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if answer["server"]["name"] != server.name.as_str() {
        return Some(format!("the server calls itself {}", answer["server"]));
    }
    if let Some(call) = calls.iter().find(|call| !tools.contains(&call.tool)) {
        return Some(format!("{} is not listed: {tools:?}", call.tool));
    }
    (tools.len() < LEAST_TOOLS).then(|| format!("only {} tools are listed", tools.len()))
}

fn print_timings(platform: &Platform, idle: Option<u64>, servers: &[Server]) {
    let memory =
        |kib: Option<u64>| kib.map_or("?".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0));
    println!("start to ready {}, {} idle", milliseconds(platform.start_took), memory(idle));
    let mut table =
        Columns::new(&["server", "deploy>", "first call>", "later calls>", "memory>", "of its own>"]);
    for server in servers {
        let [resident, private] = server.memory.map(memory);
        let times = [server.deploy_took, server.timing.cold, server.timing.warm].map(milliseconds);
        let [deploy, cold, warm] = times;
        table.row(&[server.name.clone(), deploy, cold, warm, resident, private]);
    }
    table.print();
}

/// SIGTERM must end it well, and leave nothing behind.
fn end(platform: Platform, tally: &mut Tally) {
    let (status, left) = match platform.stop() {
        Ok(ended) => ended,
        Err(error) => return tally.check("SIGTERM", Some(error.to_string())),
    };
    tally.check("exit after SIGTERM", (!status.success()).then(|| status.to_string()));
    let names: Vec<_> = left.iter().map(|process| format!("{} ({})", process.name, process.id)).collect();
    tally.check("processes left behind", (!names.is_empty()).then(|| names.join(", ")));
    for process in left {
        // It may have ended by itself by now.
        let _ = processes::end(process.id);
    }
}
