//! One run of the official suite, and which scenarios passed in it.

use std::path::Path;
use std::time::Duration;

use super::{ByName, FOLDER};
use crate::process::Program;
use crate::{Result, workspace};

/// Longer than the slowest revision takes, with every request timing out.
const DEADLINE: Duration = Duration::from_secs(300);
/// Before the output of each scenario.
const BEGINS: &str = "=== Running scenario: ";
/// Written by the preload for every request that was refused for its key.
const REFUSED: &str = "key.mjs: 401";

/// The two releases of the suite, by the folder that has them.
#[derive(Clone, Copy)]
pub(super) enum Release {
    /// It knows every revision.
    Newest,
    /// The last that is not a preview.
    Stable,
}

/// Scenarios that are run and counted together.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// A revision, or what else they have in common.
    pub(super) name: &'static str,
    pub(super) release: Release,
    pub(super) words: &'static [&'static str],
    /// How the names of those that count begin.
    pub(super) prefixes: &'static [&'static str],
    /// How many pass on the bare server: what the same server gave when the suite was chosen.
    pub(super) reference: usize,
    /// The same without sessions, where a server cannot ask.
    pub(super) reference_without_sessions: usize,
}

/// What to point it at.
pub(super) struct Target<'a> {
    pub(super) url: &'a str,
    pub(super) key: Option<&'a str>,
}

/// How a scenario went.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    /// No check failed.
    well: bool,
    /// Checks that held.
    pub(super) held: usize,
    /// A request of it was refused for its key. What holds then holds of empty traffic.
    refused: bool,
}

impl Scenario {
    pub(super) fn passes(&self) -> bool {
        self.well && !self.refused
    }

    /// Whether that shows something: the suite has scenarios that check nothing, and pass with anybody.
    pub(super) fn shows(&self) -> bool {
        self.passes() && self.held > 0
    }
}

pub(super) type Scenarios = ByName<Scenario>;

/// Runs a part of it.
pub(super) fn run(target: &Target<'_>, part: &Part, scratch: &Path) -> Result<Scenarios> {
    let here = workspace::root().join(FOLDER);
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let packages = match part.release {
        Release::Newest => "node_modules",
        Release::Stable => "stable/node_modules",
    };
    let mut program = Program::new(here.join(format!("node_modules/node-linux-{arch}/bin/node")))
        .args(["--import", "./key.mjs"])
        .arg(format!("{packages}/@modelcontextprotocol/conformance/dist/index.js"))
        .args(["server", "--url", target.url])
        .args(part.words)
        .arg("-o")
        .arg(scratch.join("results"))
        .within(&here)
        .within_time(DEADLINE)
        .without_env("SMCP_CONFORMANCE_KEY");
    if let Some(key) = target.key {
        program = program.env("SMCP_CONFORMANCE_KEY", key);
    }
    let said = program.said()?;
    let mut scenarios = read(&said);
    scenarios.retain(|name, _| {
        part.prefixes.is_empty() || part.prefixes.iter().any(|prefix| name.starts_with(prefix))
    });
    if scenarios.is_empty() {
        return Err(format!("the suite ran nothing of {}:\n{said}", part.name).into());
    }
    Ok(scenarios)
}

/// Reads its summary, and which scenarios were refused.
fn read(said: &str) -> Scenarios {
    let mut refused = Vec::new();
    let mut running = "";
    let mut found = Scenarios::new();
    for line in said.lines() {
        if let Some(name) = line.strip_prefix(BEGINS) {
            running = name.trim_end_matches(" ===");
        } else if line == REFUSED {
            refused.push(running);
        } else if let Some((name, well, held)) = summary(line) {
            let refused = refused.contains(&name);
            found.insert(name.to_owned(), Scenario { well, held, refused });
        }
    }
    found
}

/// `✓ name: 2 passed, 0 failed`
fn summary(line: &str) -> Option<(&str, bool, usize)> {
    let (well, rest) = match line.split_once(' ')? {
        ("✓", rest) => (true, rest),
        ("✗", rest) => (false, rest),
        _ => return None,
    };
    let (name, counts) = rest.split_once(": ")?;
    let held = counts.split_once(" passed, ")?.0.parse().ok()?;
    Some((name, well, held))
}

#[cfg(test)]
mod tests {
    use super::{Scenario, read};

    #[test]
    fn a_scenario_passes_when_it_went_well_and_was_let_in() {
        let said = "=== Running scenario: a ===\nkey.mjs: 401\n=== Running scenario: b ===\n=== SUMMARY ===\n\
                    ✓ a: 2 passed, 0 failed\n✓ b: 3 passed, 0 failed\n✗ c: 1 passed, 1 failed\n✓ d: 0 passed, 0 failed\n\nTotal: 6 passed, 1 failed";
        let found = read(said);
        assert_eq!(found["b"], Scenario { well: true, held: 3, refused: false });
        assert_eq!(["a", "b", "c", "d"].map(|name| found[name].passes()), [false, true, false, true]);
        assert_eq!(["a", "b", "c", "d"].map(|name| found[name].shows()), [false, true, false, false]);
        assert_eq!(found.len(), 4);
    }
}
