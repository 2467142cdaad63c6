//! The `smcp` binary: the node and the command line around it.

mod cli;
mod config;
mod node;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
