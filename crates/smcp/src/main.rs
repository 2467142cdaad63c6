//! The `smcp` binary: the node and the command line around it.

mod cli;
mod config;
mod node;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread: the platform starts this binary again to set up the sandbox of each hosted process.
    if std::env::args_os().nth(1).is_some_and(|word| word == smcp_workerd::sandbox::STUB_WORD) {
        return smcp_workerd::sandbox::stub_main();
    }
    cli::main()
}
