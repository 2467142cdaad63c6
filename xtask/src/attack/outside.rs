//! The world outside in a network of the suite's own: what nobody may reach, and what the manifest allows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use super::Programs;
use crate::Result;
use crate::process::Program;

/// Where names are looked up.
pub(super) const DNS: &str = "127.0.0.1:5353";
/// Addresses of loopback here. The first two are the outside, where requests may go; nothing leaves this namespace.
const ADDRESSES: [&str; 15] = [
    "45.67.89.10",
    "45.67.89.11",
    "10.0.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "100.64.0.1",
    "192.168.0.1",
    "172.16.0.1",
    "198.18.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::1",
    "fd00:ec2::254",
    "fd00::1",
];
const OUTSIDE: &str = "45.67.89.1";
const PORTS: [u16; 2] = [80, 8080];
const REPORTED_WITHIN: Duration = Duration::from_secs(5);

/// What the outside says.
enum Event {
    Ready,
    Heard(Heard),
    Reached(Vec<String>),
}

/// A request that came to a place.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) place: String,
    pub(super) text: String,
}

/// The program that is the outside. Dropping it ends it.
pub(super) struct Outside {
    child: Child,
    orders: ChildStdin,
    events: Receiver<Event>,
}

/// Makes a network for this thread and all that it starts: loopback alone, with every address that is attacked.
pub(super) fn enter(programs: &Programs) -> Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    Program::new(&programs.prober).arg("raise").args(ADDRESSES).stdout().map(drop)
}

impl Outside {
    pub(super) fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        let mut command = Command::new(&programs.outside);
        command.arg(folder).arg(DNS).args(places()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or("no input")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            lines
                .map_while(std::result::Result::ok)
                .filter_map(|line| event(&line))
                .try_for_each(|event| sender.send(event))
        });
        match events.recv_timeout(REPORTED_WITHIN)? {
            Event::Ready => Ok(Self { child, orders, events }),
            Event::Heard(_) | Event::Reached(_) => Err("the outside is not ready".into()),
        }
    }

    /// What was asked since this was called last, and which places have been connected to that nobody may reach.
    pub(super) fn since(&mut self) -> Result<(Vec<Heard>, Vec<String>)> {
        writeln!(self.orders, "report")?;
        let mut all = Vec::new();
        loop {
            match self.events.recv_timeout(REPORTED_WITHIN)? {
                Event::Ready => {}
                Event::Heard(heard) => all.push(heard),
                Event::Reached(mut places) => {
                    // A connection may be older than the request.
                    places.extend(all.iter().map(|heard| heard.place.clone()));
                    places.retain(|place| !place.trim_start_matches("tls:").starts_with(OUTSIDE));
                    return Ok((all, places));
                }
            }
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It has no state.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(line: &str) -> Option<Event> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    match event["event"].as_str()? {
        "ready" => Some(Event::Ready),
        "heard" => Some(Event::Heard(Heard { place: text("place"), text: text("text") })),
        "reached" => {
            let places = event["places"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
            Some(Event::Reached(places.collect()))
        }
        _ => None,
    }
}

/// Every address at every port, and the outside over TLS.
fn places() -> Vec<String> {
    let local = ["127.0.0.1", "127.0.0.2", "::1"];
    let all = ADDRESSES.iter().chain(&local);
    let shown =
        |address: &&str| if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
    let mut places: Vec<String> =
        all.flat_map(|address| PORTS.map(|port| format!("{}:{port}", shown(address)))).collect();
    places.extend(["tls:45.67.89.10:443", "tls:45.67.89.10:8443", "tls:45.67.89.11:443"].map(str::to_owned));
    places
}
