//! The `smcp` binary: the node and the command line around it.

mod cli;
mod config;
mod node;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before any thread: the platform starts this binary again to set up the sandbox of each hosted process, and in the
    // sandbox of a database to serve it.
    match std::env::args_os().nth(1) {
        Some(word) if word == smcp_workerd::sandbox::STUB_WORD => return smcp_workerd::sandbox::stub_main(),
        Some(word) if word == smcp_workerd::sql::SQL_WORD => return smcp_workerd::sql::sql_main(),
        Some(word) if word == smcp_workerd::state::ALARMS_WORD => {
            return smcp_workerd::state::alarms_main();
        }
        Some(_) | None => {}
    }
    cli::main()
}
