//! `cargo xtask soak`: a platform that is killed again and again, and one whose versions change under load.

mod kills;
mod left;
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

/// Runs both parts; `full` is the size for closing notes.
pub(crate) fn run(full: bool, kills: Option<u32>, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime"])?;
    let smcp: PathBuf = programs::smcp(Profile::Dev)?;
    let mut size = if full { Size { kills: 500, calls: 20_000 } } else { Size { kills: 50, calls: 4_000 } };
    size.kills = kills.unwrap_or(size.kills);
    let seed = seed.unwrap_or_else(Random::seed);
    println!("seed {seed}: repeat this run with `cargo xtask soak --seed {seed}`");
    let mut findings = rolling::run(&smcp, size.calls)?;
    findings.add(kills::run(&smcp, size.kills, &mut Random::new(seed))?);
    for failure in &findings.failures {
        println!("FAILED {failure}");
    }
    Ok(Outcome::Checks { passed: findings.passed, failed: findings.failures.len() })
}
