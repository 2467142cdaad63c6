//! `smcp completions`: a script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Context, failure::Failure};

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to write for
    shell: Shell,
}

pub(crate) fn run(context: &Context, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "smcp", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::ours(error.to_string()))?;
    let document = serde_json::json!({ "shell": args.shell.to_string(), "script": script });
    context.out.data(&document, || script.clone())
}
