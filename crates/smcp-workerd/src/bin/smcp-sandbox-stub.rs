//! The sandbox's stub and the process of a database alone, for tests of this crate. The product uses its own binary for
//! this.

use std::process::ExitCode;

fn main() -> ExitCode {
    let word = std::env::args_os().nth(1);
    if word.is_some_and(|word| word == smcp_workerd::sql::SQL_WORD) {
        return smcp_workerd::sql::sql_main();
    }
    smcp_workerd::sandbox::stub_main()
}
