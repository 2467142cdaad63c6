//! `cargo xtask soak`: a platform that is killed again and again, one whose versions change under load, and one that thousands
//! listen to.

mod kills;
mod left;
mod listening;
mod rolling;
mod servers;

use std::path::PathBuf;

use crate::programs::{self, Profile};
use crate::random::Random;
use crate::report::Outcome;
use crate::{Result, setup, signals};

/// How much is done.
struct Size {
    /// Times the platform is killed.
    kills: u32,
    /// Calls while versions change.
    calls: usize,
    /// Streams that are open at the same time.
    streams: usize,
}

/// What a part of the suite found: checks that held, and those that did not in words.
#[derive(Default)]
struct Findings {
    passed: usize,
    failures: Vec<String>,
}

impl Findings {
    fn check(&mut self, fine: bool, complaint: impl FnOnce() -> String) {
        if fine {
            self.passed += 1;
        } else {
            self.failures.push(complaint());
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
    }
}

/// Runs all parts; `full` is the size for closing notes.
pub(crate) fn run(full: bool, kills: Option<u32>, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime"])?;
    let smcp: PathBuf = programs::smcp(Profile::Dev)?;
    let mut size = match full {
        true => Size { kills: 500, calls: 20_000, streams: 10_000 },
        false => Size { kills: 50, calls: 4_000, streams: 3_000 },
    };
    size.kills = kills.unwrap_or(size.kills);
    let seed = seed.unwrap_or_else(Random::seed);
    println!("seed {seed}: repeat this run with `cargo xtask soak --seed {seed}`");
    let mut findings = rolling::run(&smcp, size.calls)?;
    findings.add(listening::run(&smcp, size.streams)?);
    findings.add(kills::run(&smcp, size.kills, &mut Random::new(seed))?);
    for failure in &findings.failures {
        println!("FAILED {failure}");
    }
    Ok(Outcome::Checks { passed: findings.passed, failed: findings.failures.len() })
}
