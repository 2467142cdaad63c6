//! The sandbox's stub alone, for tests of this crate. The product uses its own binary for this.

use std::process::ExitCode;

fn main() -> ExitCode {
    smcp_workerd::sandbox::stub_main()
}
