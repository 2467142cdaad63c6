//! `cargo xtask`: the project's own chores, one subcommand each.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool: it starts programs, reads the environment and the clock, and prints"
)]

mod arguments;
mod process;
mod report;
mod tidy;
mod workspace;

use std::process::ExitCode;

use arguments::Arguments;
use report::Outcome;

const HELP: &str = "\
usage: cargo xtask <chore>

  ci                   everything CI runs, step by step (make test)
  tidy                 structure, sizes, licences: what the compiler does not check
  smoke [--release]    deploy both examples and call them with four real clients (make smoke)
  up                   set up, build, start the platform with the examples, stay (make up)
  fuzz [--seconds N]   every fuzz target for N seconds (30)
  bench [--quick]      calls through the platform beside the same server called bare";

/// Any error, as text for the person at the terminal.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let chore = words.next().unwrap_or_default();
    match run(&chore, Arguments::new(words.collect())) {
        Ok(outcome) => outcome.finish(),
        Err(error) => {
            eprintln!("xtask {chore}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &str, arguments: Arguments) -> Result<Outcome> {
    match chore {
        "tidy" => {
            arguments.finish()?;
            tidy::run()
        }
        "help" | "--help" | "" => {
            println!("{HELP}");
            Ok(Outcome::Nothing)
        }
        _ => Err(format!("there is no such chore\n\n{HELP}").into()),
    }
}
