//! `cargo xtask bench`: the same hosted process called on its own socket and through the platform, in turns.

mod load;
mod sandbox;

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::http::{Address, Connection};
use crate::mcp::{self, Target};
use crate::platform::{Platform, Start};
use crate::programs::{self, Profile};
use crate::report::{Columns, Outcome};
use crate::smoke::{TENANT, create_key};
use crate::{Result, setup, signals, workspace};
use load::{Figures, Load};

/// The example on the official SDK, and one file without packages: the least a server can do.
const SERVERS: [(&str, &str); 2] =
    [("units", "examples/units"), ("plain", "crates/smcp/templates/javascript")];
const CONNECTIONS: [usize; 2] = [1, 8];
/// Each side takes this many turns, so that a slow moment of the machine hits both.
const TURNS: u32 = 6;

/// A hosted server, and its two ways in.
struct Server {
    name: &'static str,
    bare: (Address, Vec<u8>),
    platform: (Address, Vec<u8>),
}

/// What the sandbox costs, in turns with no sandbox.
pub(crate) fn run_sandbox(quick: bool, profile: Profile, without: Option<&str>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", "examples/units"])?;
    sandbox::run(&programs::smcp(profile)?, quick, without)?;
    Ok(Outcome::Nothing)
}

pub(crate) fn run(quick: bool, profile: Profile) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", "examples/units"])?;
    let smcp = programs::smcp(profile)?;
    let folder = tempfile::Builder::new().prefix("smcp-bench-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp,
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let outcome = compare(&platform, &data, folder.path(), quick);
    let outcome = outcome.map_err(|error| platform.with_log(&error.to_string()))?;
    let (status, left) = platform.stop()?;
    if status.success() && left.is_empty() {
        return Ok(outcome);
    }
    Err(format!("smcp ended with {status} and left {} processes", left.len()).into())
}

fn compare(platform: &Platform, data: &Path, scratch: &Path, quick: bool) -> Result<Outcome> {
    let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
    platform.cli(Some(first), &["tenants", "create", TENANT])?;
    let [publisher, user] = ["admin", "mcp_user"].map(|role| create_key(platform, Some(first), role));
    let (publisher, user) = (publisher?, user?);
    let round = Duration::from_millis(if quick { 350 } else { 2000 });
    let headings = [
        "server",
        "connections>",
        "bare/s>",
        "platform/s>",
        "kept>",
        "bare p50>",
        "p50>",
        "bare p99>",
        "p99>",
    ];
    let mut table = Columns::new(&headings);
    let mut closing = Vec::new();
    for (name, project) in SERVERS {
        let project = prepared(name, project, scratch)?;
        platform.cli(Some(&publisher), &["deploy", &project.to_string_lossy(), "--tenant", TENANT])?;
        let server = wake(platform, name, &user, data)?;
        for connections in CONNECTIONS {
            let [bare, through] = take_turns(&server, connections, round)?;
            table.row(&row(name, connections, &bare, &through));
            closing.push(summary(name, connections, &bare, &through));
        }
    }
    println!();
    table.print();
    println!("\n{}", closing.join("\n"));
    Ok(Outcome::Nothing)
}

/// A project to deploy; the template is filled in as `smcp init` does.
fn prepared(name: &str, project: &str, scratch: &Path) -> Result<PathBuf> {
    let from = workspace::root().join(project);
    if !project.contains("template") {
        return Ok(from);
    }
    let to = scratch.join(name);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(from)? {
        let file = entry?.path();
        let text = fs::read_to_string(&file)?.replace("{{name}}", name);
        fs::write(to.join(file.file_name().unwrap_or_default()), text)?;
    }
    Ok(to)
}

/// Calls the server once through the platform, and finds the socket of the process that this started.
fn wake(platform: &Platform, name: &'static str, key: &str, data: &Path) -> Result<Server> {
    let host = platform.url.trim_start_matches("http://").to_owned();
    let target =
        Target { host: host.clone(), path: format!("/t/{TENANT}/{name}/mcp"), key: Some(key.to_owned()) };
    // workerd's socket speaks the proxy form: the whole URL in the first line.
    let bare = Target { path: format!("http://{host}/mcp"), host, key: None };
    let arguments = json!({"a": 20, "b": 22});
    let before = sockets(data);
    let way_in = (Address::Tcp(platform.listen.clone()), target.modern_call("add", &arguments));
    expect_sum(&way_in)?;
    let fresh: Vec<_> = sockets(data).into_iter().filter(|path| !before.contains(path)).collect();
    for path in &fresh {
        let bare = (Address::Unix(path.clone()), bare.modern_call("add", &arguments));
        if expect_sum(&bare).is_ok() {
            return Ok(Server { name, bare, platform: way_in });
        }
    }
    Err(format!("no socket of {name} among the {} new ones in {}", fresh.len(), data.display()).into())
}

fn expect_sum((address, request): &(Address, Vec<u8>)) -> Result<()> {
    let text = mcp::text(&Connection::open(address)?.send(request)?)?;
    if text == "20 + 22 = 42" { Ok(()) } else { Err(format!("answered `{text}`").into()) }
}

/// Every Unix socket below a folder.
pub(crate) fn sockets(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(sockets(&entry.path())),
            Ok(kind) if kind.is_socket() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Bare, platform, bare, platform…: what each side did in all its turns.
fn take_turns(server: &Server, connections: usize, round: Duration) -> Result<[Figures; 2]> {
    println!("{} with {connections} connections: {TURNS} turns each of {round:?}", server.name);
    let sides =
        [&server.bare, &server.platform].map(|(address, request)| Load { address, request, connections });
    let mut figures = [Figures::default(), Figures::default()];
    for side in &sides {
        side.run(round / 4)?;
    }
    for _ in 0..TURNS {
        for (side, figures) in sides.iter().zip(&mut figures) {
            figures.add(side.run(round)?);
        }
    }
    figures.iter_mut().for_each(Figures::sort);
    Ok(figures)
}

/// The middle and the slow end; sort first.
fn row_of_times(figures: &Figures) -> [String; 2] {
    [500, 990].map(|permille| format!("{:.3} ms", figures.at(permille).as_secs_f64() * 1000.0))
}

fn row(name: &str, connections: usize, bare: &Figures, through: &Figures) -> [String; 9] {
    let ([bare_p50, bare_p99], [p50, p99]) = (row_of_times(bare), row_of_times(through));
    [
        name.to_owned(),
        connections.to_string(),
        format!("{:.0}", bare.per_second()),
        format!("{:.0}", through.per_second()),
        format!("{:.0} %", 100.0 * through.per_second() / bare.per_second()),
        bare_p50,
        p50,
        bare_p99,
        p99,
    ]
}

fn summary(name: &str, connections: usize, bare: &Figures, through: &Figures) -> String {
    let ratio = |permille| through.at(permille).as_secs_f64() / bare.at(permille).as_secs_f64();
    let added = |permille| (through.at(permille).as_secs_f64() - bare.at(permille).as_secs_f64()) * 1000.0;
    format!(
        "{name} × {connections}: {:.2} of the bare calls/s; p50 × {:.2} ({:+.3} ms), p99 × {:.2} ({:+.3} ms)",
        through.per_second() / bare.per_second(),
        ratio(500),
        added(500),
        ratio(990),
        added(990),
    )
}
