//! The sandbox's stub and the process of a database alone, for tests of this crate. The product uses its own binary for
//! this.

use std::process::ExitCode;

fn main() -> ExitCode {
    let word = std::env::args_os().nth(1);
    match word.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(smcp_workerd::sql::SQL_WORD) => smcp_workerd::sql::sql_main(),
        Some(smcp_workerd::state::ALARMS_WORD) => smcp_workerd::state::alarms_main(),
        Some(_) | None => smcp_workerd::sandbox::stub_main(),
    }
}
