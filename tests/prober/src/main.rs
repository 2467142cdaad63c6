//! Hostile native code in the place of workerd: reads from its standard input what to try, tries it, says what came of it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "arguments of system calls are words of the machine, whatever type a number has here"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an attacker: it starts processes, reads clocks and prints"
)]

mod files;
mod fixture;
mod kernel;
mod memory;
mod mounts;
mod network;
mod outcome;
mod processes;
mod raw;
mod serve;
mod sockets;
mod table;
mod tiny;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use outcome::{Order, Outcome, Probe};

/// Every probe by name.
const PROBES: [&[(&str, Probe)]; 7] = [
    files::PROBES,
    mounts::PROBES,
    processes::PROBES,
    sockets::PROBES,
    kernel::PROBES,
    table::PROBES,
    memory::PROBES,
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.first().map(String::as_str) {
        // As workerd is called. What would be its configuration says what to try.
        Some("serve") => in_place_of_workerd(),
        Some("compile") => serve::compile(&words[1..]),
        Some("--version") => say("workerd 2026-11-17"),
        Some("landlock-version") => say(&table::landlock_version().to_string()),
        Some("say-ran") => say("succeeded ran"),
        Some("victim") => fixture::victim(),
        Some("targets") => fixture::targets(&words[1..]),
        Some("cover") => mounts::cover(&words[1..]),
        Some("raise") => network::raise_all(&words[1..]),
        Some("in-network") => network::enter_and_run(&words[1..]),
        _ => Err("usage: smcp-prober serve|compile|victim|targets|cover|raise|in-network".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smcp-prober: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Any error, as text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn in_place_of_workerd() -> Result<()> {
    let mut config = Vec::new();
    std::io::stdin().read_to_end(&mut config)?;
    let text = String::from_utf8_lossy(&config);
    if text.starts_with("victim") {
        return fixture::jailed_victim();
    }
    let Some(line) = text.strip_prefix("probe ") else { return serve::run(&text) };
    let order = Order::parse(line)?;
    let probes = PROBES.iter().flat_map(|area| area.iter());
    let (_, probe) = probes
        .into_iter()
        .find(|(name, _)| *name == order.probe)
        .ok_or_else(|| format!("there is no probe `{}`", order.probe))?;
    // What follows may end in SIGSYS: from here on that is the sandbox, and before it is a mistake of ours.
    say("started")?;
    match probe(&order) {
        Outcome::Succeeded(what) => say(&format!("succeeded {what}")),
        Outcome::Refused(what) => say(&format!("refused {what}")),
        Outcome::Impossible(why) => say(&format!("impossible {why}")),
    }
}
