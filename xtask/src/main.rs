//! `cargo xtask`: the project's own chores, one subcommand each.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool: it starts programs, reads the environment and the clock, and prints"
)]

mod arguments;
mod attack;
mod bench;
mod ci;
mod clients;
mod compare;
mod conformance;
mod drivers;
mod fuzz;
mod http;
mod mcp;
mod platform;
mod process;
mod processes;
mod programs;
mod random;
mod report;
mod resume;
mod setup;
mod signals;
mod smoke;
mod soak;
mod tidy;
mod up;
mod workspace;

use std::process::ExitCode;

use arguments::Arguments;
use programs::Profile;
use report::Outcome;

const HELP: &str = "\
usage: cargo xtask <chore>

  ci                        everything CI runs, step by step (make test)
  tidy                      structure, sizes, licences: what the compiler does not check
  smoke [--release] [--seed N]
                            deploy both examples and call them with four real clients (make smoke)
  up [--dev-profile]        set up, build, start the platform with the examples, stay (make up)
  attack [--full] [--case NAME]
                            hostile code against every layer of the sandbox, alone and together
  fuzz [--seconds N]        every fuzz target for N seconds (30)
  bench [--quick] [--dev-profile] [--sandbox [--without LAYERS]]
                            calls through the platform beside the same process called bare; with --sandbox,
                            starts, calls and memory in all layers of the sandbox beside none (or LAYERS left out)
  clients [--full | --only NAME] [--smcp FILE] [--seed N]
                            seven real clients call servers made with seven real frameworks, each some of them, with
                            --full each all; with --smcp, a binary that is there already, `rmcp-client` beside it
  compare [--only kv|objects|d1|durable] [--ops N] [--smcp FILE] [--release]
                            one hosted script on our storage and on miniflare's, call by call; with --ops, operations
                            a second in N rounds; with --smcp, a binary that is there already
  conformance [--full] [--release]
                            the official suite through the platform beside the same server bare, for every revision;
                            with --full, without sessions, for the extensions, and its last release too
  soak [--full] [--kills N] [--streams N] [--seed N]
                            versions change under load, thousands listen, the platform is killed at random moments
  resume [--full] [--seed N]
                            connections of legacy calls are cut at random bytes, then platform and hosted processes
                            are killed as well: every call ends in one way, and is carried out once at most";

/// Any error, as text for the person at the terminal.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An error once somebody has asked us to stop: what is open is then closed on the way out.
fn interrupted() -> Result<()> {
    if signals::noted() { Err("interrupted".into()) } else { Ok(()) }
}

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

fn run(chore: &str, mut arguments: Arguments) -> Result<Outcome> {
    match chore {
        "ci" => arguments.finish().and_then(|()| ci::run()),
        "tidy" => arguments.finish().and_then(|()| tidy::run()),
        "smoke" => {
            let profile = Profile::release_if(arguments.flag("--release"));
            let seed = arguments.value("--seed")?;
            arguments.finish()?;
            smoke::run(profile, seed)
        }
        "up" => {
            let profile = Profile::release_if(!arguments.flag("--dev-profile"));
            arguments.finish()?;
            up::run(profile)
        }
        "attack" => {
            let full = arguments.flag("--full");
            let only = arguments.value::<String>("--case")?;
            arguments.finish()?;
            attack::run(full, only.as_deref())
        }
        "fuzz" => {
            let seconds = arguments.value("--seconds")?;
            arguments.finish()?;
            fuzz::run(seconds.unwrap_or(30))
        }
        "bench" => {
            let quick = arguments.flag("--quick");
            let sandbox = arguments.flag("--sandbox");
            let without: Option<String> = arguments.value("--without")?;
            let profile = Profile::release_if(!arguments.flag("--dev-profile"));
            arguments.finish()?;
            if sandbox {
                bench::run_sandbox(quick, profile, without.as_deref())
            } else {
                bench::run(quick, profile)
            }
        }
        "clients" => {
            let size = if arguments.flag("--full") { clients::Size::All } else { clients::Size::Some };
            let only: Option<String> = arguments.value("--only")?;
            let (smcp, seed) = (arguments.value("--smcp")?, arguments.value("--seed")?);
            arguments.finish()?;
            clients::run(smcp, only.as_deref().map_or(size, clients::Size::Only), seed)
        }
        "compare" => {
            let profile = Profile::release_if(arguments.flag("--release"));
            let only: Option<String> = arguments.value("--only")?;
            let rounds = arguments.value("--ops")?;
            let built = arguments.value("--smcp")?;
            arguments.finish()?;
            let what = rounds.map_or(compare::What::Steps, |rounds| compare::What::Speed { rounds });
            compare::run(&what, only.as_deref(), built, profile)
        }
        "conformance" => {
            let full = arguments.flag("--full");
            let profile = Profile::release_if(arguments.flag("--release"));
            arguments.finish()?;
            conformance::run(full, profile)
        }
        "soak" => {
            let full = arguments.flag("--full");
            let seed = arguments.value("--seed")?;
            let size = soak::Size::of(full, arguments.value("--kills")?, arguments.value("--streams")?);
            arguments.finish()?;
            soak::run(&size, seed)
        }
        "resume" => {
            let full = arguments.flag("--full");
            let seed = arguments.value("--seed")?;
            arguments.finish()?;
            resume::run(full, seed)
        }
        "help" | "--help" | "" => {
            println!("{HELP}");
            Ok(Outcome::Nothing)
        }
        _ => Err(format!("there is no such chore\n\n{HELP}").into()),
    }
}
