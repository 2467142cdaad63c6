//! `cargo xtask clients`: real clients call servers made with real frameworks, each with each, through the platform.

mod cell;
mod gaps;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use cell::{Cell, Server, Visitor};
use gaps::Gaps;

use crate::drivers::{self, Era, Order};
use crate::platform::{Platform, Start};
use crate::programs::{self, Profile};
use crate::random::Random;
use crate::report::{Columns, Outcome};
use crate::smoke::{TENANT, WRONG_KEY, create_key};
use crate::{Result, interrupted, setup, signals, workspace};

/// Where the hosted servers are.
const FOLDER: &str = "tests/servers";

/// How soon a platform stops that nobody calls any more.
const SOON: Duration = Duration::from_secs(5);

/// A server by its folder, and whether it speaks 2026-07-28.
type Made = (&'static str, bool);

const SERVERS: [Made; 7] = [
    ("sdk1-sessions", false),
    ("sdk1-stateless", false),
    ("sdk2", true),
    ("agents", true),
    ("mcp-agent", false),
    ("hono", false),
    ("handwritten", true),
];

/// Which cells of the table are filled.
#[derive(Clone, Copy)]
pub(crate) enum Size<'a> {
    /// Each client calls some servers, by a rule.
    Some,
    All,
    /// All of the client or the server that this names.
    Only(&'a str),
}

/// Each client calls the servers that stand so many places after its own, in a circle: so each pair of servers is called by one
/// client at least, each client calls one server with sessions, and each server is called by several clients.
const PLACES: [usize; 3] = [0, 1, 3];

/// Calls with a `smcp` that is there already, or a new one.
pub(crate) fn run(built: Option<PathBuf>, size: Size<'_>, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", drivers::FOLDER, drivers::PROGRAMS, FOLDER])?;
    setup::python()?;
    let gaps = Gaps::read()?;
    let (smcp, rmcp) = programs(built)?;
    let seed = seed.unwrap_or_else(Random::seed);
    println!("seed {seed}: repeat this run with `cargo xtask clients --seed {seed}`");
    let folder = tempfile::Builder::new().prefix("smcp-clients-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp,
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let (visitors, servers) = chosen(visitors(rmcp), size)?;
    let cells = deploy(&platform, &servers)
        .and_then(|deployed| visit((&visitors, size), &deployed, &gaps, &mut Random::new(seed)));
    let cells = cells.map_err(|error| platform.with_log(&error.to_string()))?;
    if cells.iter().any(|cell| !cell.failures.is_empty()) {
        println!("\n{}", platform.with_log("something failed"));
    }
    let stopping = Instant::now();
    let (status, left) = platform.stop()?;
    if stopping.elapsed() > SOON {
        println!("smcp took {:.0} s to stop: a call was still open", stopping.elapsed().as_secs_f64());
    }
    if !status.success() || !left.is_empty() {
        return Err(format!("smcp ended with {status} and left {} processes", left.len()).into());
    }
    print(&visitors, &servers, &cells);
    let unused = match size {
        Size::All => gaps.unused(&cells),
        Size::Some | Size::Only(_) => Vec::new(),
    };
    Ok(close(&cells, &unused))
}

/// `smcp` and the client on `rmcp`, which is built with it.
fn programs(built: Option<PathBuf>) -> Result<(PathBuf, PathBuf)> {
    let Some(smcp) = built else {
        println!("building smcp and the Rust client");
        return Ok((programs::smcp(Profile::Dev)?, programs::rmcp_client()?));
    };
    // Drivers run in a folder of their own.
    let found = |path: PathBuf| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let rmcp = smcp.with_file_name("rmcp-client");
    Ok((found(smcp)?, found(rmcp)?))
}

/// Every client in every era it has.
fn visitors(rmcp: PathBuf) -> Vec<Visitor> {
    let clients = drivers::all(rmcp).into_iter().map(std::rc::Rc::new);
    clients
        .flat_map(|client| {
            // SDK 1 was there before the newest revision.
            let eras: &[Era] =
                if client.name == "TypeScript SDK 1" { &[Era::Legacy] } else { &[Era::Auto, Era::Legacy] };
            eras.iter().map(move |era| Visitor { client: client.clone(), era: *era })
        })
        .collect()
}

/// Those of this size: clients whose name contains what it names with all servers, or that server with all clients.
fn chosen(visitors: Vec<Visitor>, size: Size<'_>) -> Result<(Vec<Visitor>, Vec<Made>)> {
    let Size::Only(only) = size else { return Ok((visitors, SERVERS.to_vec())) };
    let servers: Vec<_> = SERVERS.into_iter().filter(|(name, _)| *name == only).collect();
    if !servers.is_empty() {
        return Ok((visitors, servers));
    }
    let some: Vec<_> = visitors.into_iter().filter(|visitor| visitor.client.name.contains(only)).collect();
    if some.is_empty() {
        return Err(format!("no client and no server is called `{only}`").into());
    }
    Ok((some, SERVERS.to_vec()))
}

/// Deploys each server with the command line, as its author would; gives them with the key of a user.
fn deploy(platform: &Platform, servers: &[Made]) -> Result<(String, Vec<Server>)> {
    let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
    platform.cli(Some(first), &["tenants", "create", TENANT])?;
    let [publisher, user] = ["admin", "mcp_user"].map(|role| create_key(platform, Some(first), role));
    let (publisher, user) = (publisher?, user?);
    let mut deployed = Vec::new();
    for (name, modern) in servers {
        println!("deploying {name}");
        let folder = prepared(name)?;
        let said = platform.cli(Some(&publisher), &["deploy", &folder, "--tenant", TENANT])?;
        let url = said["url"].as_str().ok_or_else(|| format!("no url in {said}"))?.to_owned();
        deployed.push(Server { name, url, modern: *modern });
    }
    Ok((user, deployed))
}

/// A server's folder, as `npm install` in it would leave it: all share the packages of the folder above.
fn prepared(name: &str) -> Result<String> {
    let folder = workspace::root().join(FOLDER).join(name);
    let packages = folder.join("node_modules");
    if fs::symlink_metadata(&packages).is_err() {
        symlink("../node_modules", &packages)?;
    }
    Ok(folder.to_string_lossy().into_owned())
}

/// Whether the client at `place` calls the server at `other`.
fn calls(size: Size<'_>, place: usize, other: usize) -> bool {
    match size {
        Size::Some => PLACES.iter().any(|after| (place + after) % SERVERS.len() == other),
        Size::All | Size::Only(_) => true,
    }
}

/// Lets every client call its servers.
fn visit(
    (visitors, size): (&[Visitor], Size<'_>),
    (key, servers): &(String, Vec<Server>),
    gaps: &Gaps,
    random: &mut Random,
) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (place, visitor) in visitors.iter().enumerate() {
        let own = servers.iter().enumerate().filter(|(other, _)| calls(size, place, *other));
        let own: Vec<_> = own.map(|(_, server)| server).collect();
        let names: Vec<_> = own.iter().map(|server| server.name).collect();
        println!("calling with {}: {}", visitor.name(), names.join(", "));
        for server in own {
            interrupted()?;
            cells.push(Cell::visit(visitor, server, key, gaps, random));
        }
        let works = cells.iter().any(|cell| cell.visitor == visitor.name() && cell.passed > 0);
        cells.push(stranger(visitor, servers, works));
    }
    Ok(cells)
}

/// With a wrong key nothing works, of a client that `works` with the right one.
fn stranger(visitor: &Visitor, servers: &[Server], works: bool) -> Cell {
    let mut cell = Cell::new(visitor, "(wrong key)");
    let Some(server) = servers.first() else { return cell };
    let calls = Value::Array(Vec::new());
    let order = Order {
        url: &server.url,
        key: WRONG_KEY,
        era: visitor.era,
        answer: "",
        calls: &calls,
        listen_after: "",
    };
    match visitor.client.drive(&order) {
        Ok(answer) => cell.failures.push(format!("a wrong key was good enough: {answer}")),
        Err(_) if works => cell.passed += 1,
        Err(error) => cell.failures.push(error.to_string()),
    }
    cell
}

fn print(visitors: &[Visitor], servers: &[Made], cells: &[Cell]) {
    let names = servers.iter().map(|(name, _)| *name).chain(["(wrong key)"]);
    let heading: Vec<_> = ["client"].into_iter().chain(names).collect();
    let mut table = Columns::new(&heading);
    for visitor in visitors {
        let row: Vec<_> = cells.iter().filter(|cell| cell.visitor == visitor.name()).collect();
        let version = row.iter().find_map(|cell| cell.version.clone());
        let era = visitor.era_name();
        let name = version.map_or_else(|| visitor.name(), |version| format!("{version} ({era})"));
        let shown = heading.iter().skip(1).map(|name| {
            let cell = row.iter().find(|cell| cell.server == *name);
            cell.map_or_else(|| "–".to_owned(), |cell| cell.shown())
        });
        table.row(&[name].into_iter().chain(shown).collect::<Vec<_>>());
    }
    println!();
    table.print();
}

/// Prints what does not work, with its reason, and what should; the outcome is how many checks held.
fn close(cells: &[Cell], unused: &[String]) -> Outcome {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for cell in cells {
        for reason in &cell.gaps {
            let places = reasons.entry(reason).or_default();
            places.push(format!("{} × {}", cell.visitor, cell.server));
        }
    }
    println!("\nnot counted, for a reason outside of the platform (tests/clients/gaps.toml):");
    for (reason, mut places) in reasons {
        let calls = places.len();
        places.dedup();
        println!("- {reason}\n  {calls} calls: {}", places.join(", "));
    }
    println!();
    let failures = cells.iter().flat_map(|cell| {
        cell.failures.iter().map(move |said| format!("{} × {}: {said}", cell.visitor, cell.server))
    });
    let failures: Vec<_> = failures.chain(unused.iter().cloned()).collect();
    for failure in &failures {
        println!("FAILED {failure}");
    }
    Outcome::Checks { passed: cells.iter().map(|cell| cell.passed).sum(), failed: failures.len() }
}

#[cfg(test)]
mod tests {
    use super::{SERVERS, Size, calls, visitors};

    #[test]
    fn in_the_small_size_too_everyone_meets_someone() {
        let clients = visitors("rmcp".into()).len();
        let met = |place: usize| (0..SERVERS.len()).filter(move |other| calls(Size::Some, place, *other));
        let has_sessions = |other: usize| ["sdk1-sessions", "mcp-agent", "hono"].contains(&SERVERS[other].0);
        for place in 0..clients {
            assert_eq!(met(place).count(), 3, "client {place}");
            assert!(met(place).any(has_sessions), "client {place}");
        }
        for other in 0..SERVERS.len() {
            assert!(
                (0..clients).filter(|place| calls(Size::Some, *place, other)).count() >= 4,
                "server {other}"
            );
        }
    }
}
