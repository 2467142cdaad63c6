//! `cargo xtask ci`: everything CI runs, cheap things first, each step with its time beside its budget.

mod step;

use std::time::{Duration, Instant};

use step::{Count, Step};

use crate::process::Program;
use crate::report::{Columns, Outcome};
use crate::workspace::cargo;
use crate::{Result, setup};

/// Crates that are built for wasm32 too: layers 0 to 2, the router and the queries.
const WASM_CRATES: [&str; 8] = [
    "smcp-types",
    "smcp-mcp",
    "smcp-policy",
    "smcp-manifest",
    "smcp-api",
    "smcp-core",
    "smcp-sql",
    "smcp-http",
];
const WASM: &str = "wasm32-unknown-unknown";
const LOCAL: [&str; 7] = [
    "runtime",
    "tests/clients",
    "tests/clients/node24",
    "tests/compare",
    "tests/conformance",
    "tests/servers",
    "examples/issues",
];

/// How a step ended.
struct Done {
    name: &'static str,
    budget: Duration,
    took: Duration,
    outcome: Result<Count>,
}

pub(crate) fn run() -> Result<Outcome> {
    let mut done = Vec::new();
    for step in steps()? {
        println!("\n=== {} ===", step.name);
        let began = Instant::now();
        let outcome = (step.run)();
        let took = began.elapsed();
        if let Err(error) = &outcome {
            eprintln!("{} failed: {error}", step.name);
        }
        let needed = step.needed && outcome.is_err();
        done.push(Done { name: step.name, budget: step.budget, took, outcome });
        if needed {
            println!("nothing that follows can work without it");
            break;
        }
    }
    Ok(close(&done))
}

fn steps() -> Result<Vec<Step>> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let ours = std::env::current_exe()?;
    let xtask = move |words: &[&str]| step::program(strict(Program::new(&ours)).args(words));
    let fuzz = xtask(&["fuzz", "--seconds", "60"]);
    Ok(vec![
        Step::needed("tools", minutes(10), Box::new(tools)),
        Step::new("format", minutes(1), step::program(cargo().args(["fmt", "--all", "--check"]))),
        Step::needed("lock file", minutes(3), Box::new(lock_file)),
        Step::new("tidy", minutes(1), xtask(&["tidy"])),
        Step::new("packages", minutes(5), Box::new(packages)),
        Step::new("clippy", minutes(8), step::program(clippy())),
        Step::new("wasm32 check", minutes(6), step::program(wasm())),
        // The tests start the binary, which testing the workspace does not build by itself.
        Step::needed("build", minutes(15), step::program(cargo().args(["build", "--workspace"]))),
        Step::new("tests", minutes(15), step::program(strict(nextest()))),
        Step::new("fuzz", minutes(6), fuzz),
        Step::new("smoke", minutes(8), xtask(&["smoke"])),
        Step::new("compare", minutes(2), xtask(&["compare"])),
        Step::new("conformance", minutes(4), xtask(&["conformance"])),
        Step::new("clients", minutes(4), xtask(&["clients"])),
        Step::new("soak", minutes(3), xtask(&["soak"])),
        Step::new("resume", minutes(4), xtask(&["resume"])),
        Step::new("attack", minutes(7), xtask(&["attack"])),
    ])
}

/// Here a system call that workerd was never seen to make ends it: a new runtime that needs one shows.
fn strict(program: Program) -> Program {
    program.env("SMCP_SANDBOX_STRICT", "true")
}

fn clippy() -> Program {
    cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}

fn wasm() -> Program {
    let packages = WASM_CRATES.iter().flat_map(|name| ["--package", *name]);
    cargo().args(["check", "--target", WASM]).args(packages)
}

fn nextest() -> Program {
    cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"])
}

/// What must be on the machine; what cargo and rustup can install is installed.
fn tools() -> Result<Count> {
    let old = |name: &str, version: &str, least: u32, advice: &str| {
        let major = version
            .trim()
            .trim_start_matches('v')
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        if major >= Some(least) { Ok(()) } else { Err(format!("{name} is {version}: {advice}")) }
    };
    let node = Program::new("node").arg("--version").stdout()?;
    old("node", &node, 20, "version 20 or later is needed")?;
    let python = "import sys; assert sys.version_info >= (3, 11), sys.version; import venv, ensurepip";
    let checked = Program::new("python3").args(["-c", python]).stdout();
    checked.map_err(|error| {
        format!("Python 3.11 with venv is needed (apt-get install python3-venv)\n{error}")
    })?;
    Program::new("cc")
        .arg("--version")
        .stdout()
        .map_err(|error| format!("apt-get install gcc libc6-dev\n{error}"))?;
    wasm_target()?;
    if cargo().args(["nextest", "--version"]).stdout().is_err() {
        cargo().args(["install", "cargo-nextest", "--locked"]).run()?;
    }
    Ok(Count::one())
}

fn wasm_target() -> Result<()> {
    let libraries = Program::new("rustc").args(["--print", "target-libdir", "--target", WASM]).stdout()?;
    if std::path::Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    Program::new("rustup").args(["target", "add", WASM]).run()
}

/// The lock file is up to date, and everything in it is downloaded.
fn lock_file() -> Result<Count> {
    cargo().args(["fetch", "--locked"]).run()?;
    Ok(Count::one())
}

/// What npm and pip install, each from a lock file.
fn packages() -> Result<Count> {
    setup::npm(&LOCAL)?;
    setup::npm(&crate::smoke::EXAMPLES)?;
    setup::python()?;
    Ok(Count::one())
}

fn close(done: &[Done]) -> Outcome {
    let mut table = Columns::new(&["step", "time>", "budget>", "passed>", "failed>", ""]);
    let (mut passed, mut failed) = (0, 0);
    for Done { name, budget, took, outcome } in done {
        // A step that failed without counting is one failure.
        let count = outcome.as_ref().map_or(Count { passed: 0, failed: 1 }, |count| *count);
        passed += count.passed;
        failed += count.failed;
        let late = if took > budget { "over its budget" } else { "" };
        let seconds = |time: &Duration| format!("{:.0} s", time.as_secs_f64());
        table.row(&[
            (*name).to_owned(),
            seconds(took),
            seconds(budget),
            count.passed.to_string(),
            count.failed.to_string(),
            late.to_owned(),
        ]);
    }
    println!();
    table.print();
    println!(
        "\n{:.1} minutes in all",
        done.iter().map(|step| step.took).sum::<Duration>().as_secs_f64() / 60.0
    );
    Outcome::Checks { passed, failed }
}
