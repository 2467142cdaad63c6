//! `cargo xtask fuzz`: every target in `fuzz/` for a while, on stable Rust, in a target folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::process::Program;
use crate::report::{Columns, Outcome};
use crate::{Result, workspace};

/// What nightly's `-Zsanitizer` would set: the coverage that libFuzzer steers by.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Named, so that the flags above reach our code and not the build scripts.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Targets at the same time: one for each of CI's two processors.
const AT_ONCE: usize = 2;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// What libFuzzer says at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    runs: u64,
    per_second: u64,
    coverage: u64,
}

pub(crate) fn run(seconds: u64) -> Result<Outcome> {
    let metadata = workspace::cargo().args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Metadata =
        serde_json::from_str(&metadata.args(["--manifest-path", "fuzz/Cargo.toml"]).stdout()?)?;
    let folder = workspace::Metadata::read()?.target_directory.join("fuzz");
    let build =
        ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", HOST, "--target-dir"];
    workspace::cargo().args(build).arg(&folder).env("RUSTFLAGS", COVERAGE).run()?;

    let mut table = Columns::new(&["target", "seconds>", "runs>", "runs/s>", "edges>", "seeds>", "result"]);
    let (mut passed, mut failed) = (0, 0);
    for (target, outcome) in fuzz_all(&folder.join(HOST).join("release"), &targets(&metadata), seconds) {
        let seeds = seeds_of(target);
        let result = match &outcome {
            Ok(_) => "nothing found",
            Err(error) => {
                eprintln!("{error}");
                "FAILED"
            }
        };
        if outcome.is_ok() {
            passed += 1
        } else {
            failed += 1
        }
        let Figures { runs, per_second, coverage } = outcome.unwrap_or_default();
        let numbers = [seconds, runs, per_second, coverage, count(&seeds)].map(|number| number.to_string());
        let [seconds, runs, per_second, coverage, seeds] = numbers;
        table.row(&[target.to_owned(), seconds, runs, per_second, coverage, seeds, result.to_owned()]);
    }
    table.print();
    Ok(Outcome::Checks { passed, failed })
}

/// All targets, as many at a time as `AT_ONCE`, each for the whole time.
fn fuzz_all<'t>(programs: &Path, targets: &[&'t str], seconds: u64) -> Vec<(&'t str, Result<Figures>)> {
    let rest = Mutex::new(targets.iter());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next().copied();
    let work = || {
        let mut done = Vec::new();
        while let Some(target) = next() {
            println!("fuzzing {target} for {seconds} s");
            let outcome = fuzz(&programs.join(target), target, &seeds_of(target), seconds);
            done.push((target, outcome.map_err(|error| error.to_string())));
        }
        done
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_default()).collect()
    });
    // A worker that panicked has lost its targets: they have failed.
    let mut outcomes: BTreeMap<_, _> = done.into_iter().flatten().collect();
    let lost = || Err("the fuzzer's own thread ended".to_owned());
    let outcome = |target: &&'t str| outcomes.remove(target).unwrap_or_else(lost).map_err(Into::into);
    targets.iter().copied().zip(targets.iter().map(outcome).collect::<Vec<_>>()).collect()
}

fn seeds_of(target: &str) -> PathBuf {
    workspace::root().join("fuzz/seeds").join(target)
}

fn targets(metadata: &Metadata) -> Vec<&str> {
    let package = metadata.packages.iter().filter(|package| package.name == "smcp-fuzz");
    let programs = package.flat_map(|package| &package.targets).filter(|target| target.kind == ["bin"]);
    programs.map(|target| target.name.as_str()).collect()
}

/// How it went. What it learns is kept in `fuzz/corpus`, which is not committed.
fn fuzz(program: &Path, target: &str, seeds: &Path, seconds: u64) -> Result<Figures> {
    let [corpus, artifacts] =
        ["corpus", "artifacts"].map(|kind| workspace::root().join("fuzz").join(kind).join(target));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let (error_log, talk) = tempfile::NamedTempFile::new()?.into_parts();
    let options =
        ["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-detect_leaks=0"];
    let status = Program::new(program)
        .args(options)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&corpus, seeds])
        .into_command()
        .stdin(std::process::Stdio::null())
        .stderr(error_log)
        .status()?;
    let said = String::from_utf8_lossy(&fs::read(&talk)?).into_owned();
    let figures = figures(&said);
    if status.success() && figures.runs > 0 {
        return Ok(figures);
    }
    Err(format!("{target}: {status}, {} runs\n{}", figures.runs, end_of(&said)).into())
}

fn end_of(said: &str) -> String {
    let lines: Vec<_> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// libFuzzer's final statistics, and the `cov:` of its last progress line.
fn figures(said: &str) -> Figures {
    let stat = |name: &str| {
        let line =
            said.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    let coverage =
        said.lines().rev().find_map(|line| line.split(" cov: ").nth(1)?.split(' ').next()?.parse().ok());
    Figures {
        runs: stat("number_of_executed_units"),
        per_second: stat("average_exec_per_sec"),
        coverage: coverage.unwrap_or_default(),
    }
}

fn count(folder: &Path) -> u64 {
    fs::read_dir(folder).map(|entries| entries.count() as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Figures, figures};

    #[test]
    fn the_figures_of_libfuzzer_are_read() {
        let said = "#2\tINITED cov: 12 ft: 13\n#900\tDONE   cov: 345 ft: 600 corp: 9/1b\nDone 900 runs in 2 second(s)\n\
                    stat::number_of_executed_units: 900\nstat::average_exec_per_sec:     450\n";
        assert_eq!(figures(said), Figures { runs: 900, per_second: 450, coverage: 345 });
        assert_eq!(figures("nothing"), Figures::default());
    }
}
