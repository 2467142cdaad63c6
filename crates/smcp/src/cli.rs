//! The command line: what there is to say, and how a command ends.

mod call;
mod completions;
mod connection;
mod d1;
mod data_keys;
mod deploy;
mod doctor;
mod failure;
mod init;
mod keys;
mod kv;
mod login;
mod logs;
mod makers;
mod maps;
mod objects;
mod output;
mod secrets;
mod servers;
mod settings;
mod source_map;
mod stores;
mod table;
mod tenants;
mod terminal;
mod text;
mod up;
mod usage;
mod values;
mod versions;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::config::{ConfigFile, Environment, Flags, Layers};
use failure::Failure;
use output::Output;

/// Host MCP servers: deploy them, call them, and decide who may.
#[derive(Debug, Parser)]
#[command(name = "smcp", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Print one JSON document instead of words and tables
    #[arg(long, global = true)]
    json: bool,
    /// The platform to talk to [default: http://localhost:8787]
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// The tenant to act in [default: the tenant of the key]
    #[arg(long, global = true, value_name = "SLUG")]
    tenant: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node: the whole platform in one process
    Up(up::UpArgs),
    /// Start a project from a template
    Init(init::InitArgs),
    /// Check, upload and activate the server of a folder
    Deploy(deploy::DeployArgs),
    /// List, show and delete servers
    Servers(servers::ServersArgs),
    /// List the versions of a server, and go forwards or back
    Versions(versions::VersionsArgs),
    /// Show what a server printed
    Logs(logs::LogsArgs),
    /// Call a tool of a server
    Call(call::CallArgs),
    /// Create, list, rotate and revoke API keys
    Keys(keys::KeysArgs),
    /// Set, list, rotate and remove secrets of a server
    Secrets(secrets::SecretsArgs),
    /// Look into KV namespaces, change them, move them in and out
    Kv(kv::KvArgs),
    /// Look into buckets of objects, change them, move them in and out
    Objects(objects::ObjectsArgs),
    /// Look into SQL databases, move them in and out, delete them
    D1(d1::D1Args),
    /// Show what the servers of a tenant have used
    Usage,
    /// Create and list tenants, and set their ceilings
    Tenants(tenants::TenantsArgs),
    /// Store the platform and the key that commands use
    Login(login::LoginArgs),
    /// Forget the stored key
    Logout,
    /// Show whom the key stands for
    Whoami,
    /// Show whether hosted code can run here in every layer of its sandbox
    Doctor(doctor::DoctorArgs),
    /// Show all settings
    Config(settings::ConfigArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
}

/// What a command works with.
struct Context {
    out: Output,
    global: Global,
    environment: Environment,
}

/// Runs the command of this process and gives its exit status: 0 fine, 1 the input, 2 our fault.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let environment = Environment::read();
    let out = Output::new(wants_json, &environment);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let cli = match Cli::try_parse_from(arguments) {
            Ok(cli) => cli,
            Err(error) => return out.usage(&error),
        };
        let out = Output::new(cli.global.json, &environment);
        let context = Context { out, global: cli.global, environment };
        run(&context, cli.command)
    }));
    let ended = ran.unwrap_or_else(|_| Err(Failure::ours("this is a bug in smcp").hint("please report it")));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(args) => up::run(context, args),
        Command::Init(args) => init::run(context, &args),
        Command::Deploy(args) => deploy::run(context, &args),
        Command::Servers(args) => servers::run(context, args),
        Command::Versions(args) => versions::run(context, args),
        Command::Logs(args) => logs::run(context, &args),
        Command::Call(args) => call::run(context, &args),
        Command::Keys(args) => keys::run(context, args),
        Command::Secrets(args) => secrets::run(context, &args),
        Command::Kv(args) => kv::run(context, args),
        Command::Objects(args) => objects::run(context, args),
        Command::D1(args) => d1::run(context, args),
        Command::Usage => usage::run(context),
        Command::Tenants(args) => tenants::run(context, args),
        Command::Login(args) => login::login(context, &args),
        Command::Logout => login::logout(context),
        Command::Whoami => login::whoami(context),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Config(args) => settings::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
    }
}

impl Context {
    /// The layers of configuration, with the flags that every command has and those of this one.
    fn layers(&self, mut flags: Flags) -> Result<Layers, Failure> {
        flags.extend(self.global.endpoint.iter().map(|url| ("endpoint", vec![url.clone()])));
        flags.extend(self.global.tenant.iter().map(|slug| ("tenant", vec![slug.clone()])));
        let file = ConfigFile::read(self.environment.config_file()).map_err(Failure::settings)?;
        Ok(Layers::new(flags, self.environment.clone(), file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_a_setting_exists() {
        let command = Cli::command();
        let nodes = command.find_subcommand("up").unwrap();
        let has = |flag: &str| {
            let is = |arg: &clap::Arg| arg.get_long().is_some_and(|long| flag == format!("--{long}"));
            command.get_arguments().any(is) || nodes.get_arguments().any(is)
        };
        for flag in crate::config::ALL.iter().filter_map(|setting| setting.flag) {
            assert!(has(flag), "{flag}");
        }
    }
}
