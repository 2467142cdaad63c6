//! `smcp secrets`: values are read from the terminal, a file or standard input, and never shown.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use smcp_api::{Secret, SecretValue};

use super::{
    Context, connection::Connection, failure::Failure, makers::Makers, table::table, terminal, text::time,
    values,
};

/// Largest value, in bytes; the platform checks again.
const MAX_BYTES: u64 = 16 << 10;

#[derive(Debug, Args)]
pub(crate) struct SecretsArgs {
    #[command(subcommand)]
    command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
enum SecretsCommand {
    /// Give a secret a value, whether it has one or not
    Set(ValueArgs),
    /// List the secrets of a server; never their values
    List(ServerArg),
    /// Give a secret that has a value another one
    Rotate(ValueArgs),
    /// Remove a secret
    Rm {
        /// The secret
        name: String,
        #[command(flatten)]
        server: ServerArg,
    },
}

#[derive(Debug, Args)]
struct ServerArg {
    /// The server it belongs to
    #[arg(long, value_name = "SERVER", value_parser = values::slug)]
    server: String,
}

#[derive(Debug, Args)]
struct ValueArgs {
    /// The secret, as `smcp.toml` names it
    name: String,
    #[command(flatten)]
    server: ServerArg,
    /// Read the value from this file; otherwise from the terminal, or from standard input if that is none
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &SecretsArgs) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    match &args.command {
        SecretsCommand::Set(args) => {
            let value = args.value()?;
            let secret = connection.client.set_secret(&tenant, &args.server.server, &args.name, &value)?;
            show(context, "set", &secret)
        }
        SecretsCommand::Rotate(args) => {
            let value = args.value()?;
            let secret = connection.client.rotate_secret(&tenant, &args.server.server, &args.name, &value)?;
            show(context, "rotated", &secret)
        }
        SecretsCommand::List(ServerArg { server }) => {
            let list = connection.client.list_secrets(&tenant, server)?;
            context.out.data(&list, || {
                let makers = Makers::of(&connection, &tenant);
                let rows = list.items.iter().map(|secret| row(secret, &makers));
                table(["NAME", "VERSION", "SET BY", "UPDATED"], rows)
            })
        }
        SecretsCommand::Rm { name, server: ServerArg { server } } => {
            connection.client.remove_secret(&tenant, server, name)?;
            context.out.data(&serde_json::json!({ "removed": name }), || format!("removed {name}"))
        }
    }
}

impl ValueArgs {
    fn value(&self) -> Result<SecretValue, Failure> {
        let read = match &self.from_file {
            Some(file) => File::open(file).and_then(read_text).map_err(|error| unreadable(file, &error)),
            None if terminal::is_there() => {
                let asked = terminal::ask_secret(&format!("Value of {} (not shown): ", self.name));
                asked
                    .map(|line| line.expose().clone())
                    .map_err(|error| unreadable(Path::new("the terminal"), &error))
            }
            None => {
                read_text(io::stdin().lock()).map_err(|error| unreadable(Path::new("standard input"), &error))
            }
        };
        let mut value = read?;
        // The line break that editors and `echo` put at the end is not meant.
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        if value.is_empty() || value.len() as u64 > MAX_BYTES {
            return Err(Failure::input(format!("a secret has 1 to {MAX_BYTES} bytes")));
        }
        Ok(SecretValue { value })
    }
}

fn read_text(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_BYTES + 3).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(what: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("cannot read {}: {error}", what.display()))
}

fn show(context: &Context, done: &str, secret: &Secret) -> Result<(), Failure> {
    context.out.data(secret, || format!("{done} {} (version {})", secret.name, secret.version))
}

fn row(secret: &Secret, makers: &Makers) -> [String; 4] {
    let maker = makers.name(&secret.created_by);
    [secret.name.clone(), secret.version.to_string(), maker, time(secret.updated_at)]
}
