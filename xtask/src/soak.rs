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
pub(crate) struct Size {
    /// Times the platform is killed.
    kills: u32,
    /// Calls while versions change.
    calls: usize,
    /// Streams that are open at the same time.
    streams: usize,
}

impl Size {
    /// That of CI, or the one for closing notes.
    pub(crate) fn of(full: bool, kills: Option<u32>, streams: Option<usize>) -> Self {
        let size = match full {
            true => Self { kills: 500, calls: 20_000, streams: 10_000 },
            false => Self { kills: 50, calls: 4_000, streams: 3_000 },
        };
        Self { kills: kills.unwrap_or(size.kills), streams: streams.unwrap_or(size.streams), ..size }
    }
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

/// Runs all parts.
pub(crate) fn run(size: &Size, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime"])?;
    let smcp: PathBuf = programs::smcp(Profile::Dev)?;
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
