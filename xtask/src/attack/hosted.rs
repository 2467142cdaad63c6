//! Hosted cases: a hostile server on a real platform, watched from outside until its goal is reached or out of reach.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::case::{Case, LIMITS, Variant};
use super::node::Node;
use super::seen::Seen;
use super::watch::Watch;
use super::wire::{self, Heard};
use crate::Result;
use crate::bench::sockets;
use crate::http::Address;
use crate::mcp::Target;
use crate::processes::Process;

/// How often the attacker is looked at.
const GLANCE: Duration = Duration::from_millis(40);
/// A process that has been gone for so long does not come back by itself.
const GONE: Duration = Duration::from_millis(300);
/// So long is watched at least, so that there is something to measure.
const LEAST: Duration = Duration::from_millis(700);

/// The manifest's limits; those that are layers of the case and off are as high as they can be.
pub(super) fn limits(case: &Case, variant: &Variant) -> BTreeMap<String, u32> {
    let mut limits = case.limits.clone();
    for (name, most) in LIMITS {
        if variant.without.iter().any(|layer| layer == name) {
            limits.insert(name.to_owned(), most);
        }
    }
    limits
}

/// One attempt on a platform.
pub(super) fn attempt(node: &mut Node, case: &Case, row: &str, variant: &Variant) -> Result<Seen> {
    let (server, project) = node.prepare(case, &limits(case, variant))?;
    let known = sockets(&node.data);
    let seen = if case.at_deploy {
        Ok(at_deploy(node, case, &project))
    } else {
        match node.deploy(&project).stdout() {
            Err(error) => Ok(Seen::Broken(format!("not deployed: {error}"))),
            Ok(_) if variant.without.iter().any(|layer| layer == "gateway") => {
                past_the_gateway(node, case, &server, row, &known)
            }
            Ok(_) => through(node, case, &server, row),
        }
    };
    node.clear(&server);
    seen
}

fn through(node: &Node, case: &Case, server: &str, row: &str) -> Result<Seen> {
    let (address, target) = node.attacked(server);
    let calls = call(case, row, &address, &target);
    let log = || node.log_bytes(server).unwrap_or_default();
    let attackers = || node.attackers();
    Ok(watch(case, &calls, &Field { attackers: &attackers, other_side: node.platform.id(), log: &log }))
}

/// The deploy itself is the attack. It is over when this returns: a tenant has one deploy at a time.
fn at_deploy(node: &Node, case: &Case, project: &Path) -> Seen {
    let (sender, calls) = mpsc::channel();
    let deploy = node.deploy(project);
    let deploying = thread::spawn(move || {
        let refused = deploy.stdout().err().map(|error| error.to_string()).unwrap_or_default();
        // Nobody listens any more when the goal was reached.
        let _ = sender.send(Ok(Heard { text: refused, ..Heard::default() }));
    });
    let attackers = || node.attackers();
    let seen =
        watch(case, &calls, &Field { attackers: &attackers, other_side: node.platform.id(), log: &|| 0 });
    node.end_attackers();
    match deploying.join() {
        Ok(()) => seen,
        Err(_) => Seen::Broken("the deploying thread panicked".to_owned()),
    }
}

/// The control of what the platform keeps from clients: the same process, called on its own socket.
fn past_the_gateway(
    node: &Node,
    case: &Case,
    server: &str,
    row: &str,
    known: &[std::path::PathBuf],
) -> Result<Seen> {
    let (address, target) = node.attacked(server);
    // Whatever comes of it, its process is awake then.
    wire::ask(&address, &request(&target, "add"), Duration::from_millis(500))?;
    let mut seen = Seen::Broken("no socket of its own was found".to_owned());
    for socket in sockets(&node.data).into_iter().filter(|path| !known.contains(path)) {
        let bare =
            Target { path: format!("http://{}/mcp", target.host), host: target.host.clone(), key: None };
        let calls = call(case, row, &Address::Unix(socket), &bare);
        let attackers = || node.attackers();
        let field = Field { attackers: &attackers, other_side: node.platform.id(), log: &|| 0 };
        seen = watch(case, &calls, &field);
        if matches!(seen, Seen::Succeeded(_)) {
            break;
        }
    }
    Ok(seen)
}

/// A call of the case's tool, on a connection that is used once.
fn request(target: &Target, row: &str) -> Vec<u8> {
    closing(&target.modern_call("attack", &json!({"row": row})))
}

/// The same for a tool of that name.
fn request_for(target: &Target, tool: &str) -> Vec<u8> {
    closing(&target.modern_call(tool, &json!({})))
}

fn closing(request: &[u8]) -> Vec<u8> {
    let end = request.windows(2).position(|pair| pair == b"\r\n").unwrap_or_default();
    [&request[..end], b"\r\nConnection: close", &request[end..]].concat()
}

/// Calls at the same time, as many as the case has.
pub(super) fn call(case: &Case, row: &str, address: &Address, target: &Target) -> Receiver<Result<Heard>> {
    let (sender, calls) = mpsc::channel();
    let native = case.kind == super::case::Kind::NativeServer;
    for _ in 0..case.calls {
        let (sender, address) = (sender.clone(), address.clone());
        let request = if native { request_for(target, row) } else { request(target, row) };
        let within = Duration::from_secs(case.seconds);
        thread::spawn(move || sender.send(wire::ask(&address, &request, within)));
    }
    calls
}

/// What an attack is watched by.
pub(super) struct Field<'a> {
    /// The attacker's processes.
    pub(super) attackers: &'a dyn Fn() -> Vec<Process>,
    /// The process at the other end of its requests.
    pub(super) other_side: u32,
    /// How much of its log is kept.
    pub(super) log: &'a dyn Fn() -> usize,
}

/// Until the goal is reached, or nothing more can come.
pub(super) fn watch(case: &Case, calls: &Receiver<Result<Heard>>, field: &Field<'_>) -> Seen {
    let (began, whole) = (Instant::now(), Duration::from_secs(case.seconds));
    let (mut watch, mut heard, mut open) = (Watch::default(), Vec::new(), case.calls);
    loop {
        watch.look(&(field.attackers)(), field.other_side);
        while let Ok(answer) = calls.try_recv() {
            open -= 1;
            heard.extend(answer);
        }
        let over = began.elapsed() >= whole;
        if let Some(what) = reached(case, &watch, &heard, over) {
            return Seen::Succeeded(what);
        }
        let gone = watch.gone_since.is_some_and(|since| since.elapsed() > GONE);
        let answered = open == 0 && !needs_time(case);
        if over && open > 0 && began.elapsed() < whole + Duration::from_secs(1) {
            // The last answers are on their way.
        } else if over || (began.elapsed() > LEAST && (answered || (open == 0 && gone))) {
            break;
        }
        thread::sleep(GLANCE);
    }
    if let Some(least) = case.goal.log {
        let kept = (field.log)();
        if kept > least {
            return Seen::Succeeded(format!("{kept} bytes of log are kept"));
        }
    }
    Seen::Refused(said(&heard).unwrap_or_else(|| format!("{open} calls without an answer")))
}

/// Whether the goal is about what processes do, so that answers decide nothing.
fn needs_time(case: &Case) -> bool {
    let goal = &case.goal;
    goal.processor.is_some() || goal.memory.is_some() || goal.connections.is_some()
}

fn reached(case: &Case, watch: &Watch, heard: &[Heard], over: bool) -> Option<String> {
    let goal = &case.goal;
    if goal.memory.is_some_and(|least| watch.memory >= least) {
        return Some(format!("its process holds {} MiB", watch.memory));
    }
    if goal.connections.is_some_and(|least| watch.connections >= least) {
        return Some(format!("the other side holds {} files", watch.connections));
    }
    if goal.processor.is_some_and(|least| over && watch.busy() >= least) {
        return Some(format!("still uses {} % of a core", watch.busy()));
    }
    heard.iter().find_map(|answer| {
        let text = answer.text.as_str();
        let headers = text.lines().filter(|line| line.starts_with("x-flood-")).count();
        let together = text
            .split("together ")
            .nth(1)
            .and_then(|rest| rest.split(|char: char| !char.is_ascii_digit()).next()?.parse::<usize>().ok());
        if goal.bytes.is_some_and(|least| answer.bytes >= least) {
            return Some(format!("an answer of {} bytes", answer.bytes));
        }
        if goal.headers.is_some_and(|least| headers >= least) {
            return Some(format!("{headers} headers"));
        }
        if goal.held.is_some_and(|least| answer.took >= Duration::from_millis(least)) {
            return Some(format!("a call was open for {:?}", answer.took));
        }
        if let Some(together) = together.filter(|count| goal.together.is_some_and(|least| *count >= least)) {
            return Some(format!("{together} calls together"));
        }
        if goal.answer.as_deref().is_some_and(|word| text.contains(word)) {
            return Some("answered so".to_owned());
        }
        if goal.garbage && answer.bytes > 0 && !is_sound(answer) {
            return Some(format!("garbage reached the client: {}", text.escape_debug()));
        }
        None
    })
}

/// An answer of the platform, whole and about an error.
fn is_sound(answer: &Heard) -> bool {
    let body = answer.text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    answer.status().is_some() && !answer.open && body.contains("\"error\"")
}

/// What the first answer says went wrong.
fn said(heard: &[Heard]) -> Option<String> {
    let told = heard.iter().map(|answer| {
        let body = answer.text.split_once("\r\n\r\n").map_or(answer.text.as_str(), |(_, body)| body);
        let json = body.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(body);
        let value: Value = serde_json::from_str(json.trim()).unwrap_or_default();
        let places = ["/error/message", "/result/content/0/text"];
        let message = places.iter().find_map(|place| value.pointer(place)?.as_str().map(str::to_owned));
        message.unwrap_or_else(|| {
            let line: String = body.trim().chars().take(200).collect();
            format!("HTTP {}: {line}", answer.status().unwrap_or_default())
        })
    });
    // Among many calls, the one that was refused says why.
    let all: Vec<_> = told.collect();
    all.iter().find(|text| text.contains("limits.")).or(all.first()).cloned()
}
