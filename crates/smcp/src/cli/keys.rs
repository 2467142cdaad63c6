//! `smcp keys`: create, list, rotate and revoke API keys; look after the keys of encryption at rest.

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use smcp_api::{IssuedKey, Key, NewKey, RotateKey};

use super::{
    Context,
    connection::Connection,
    data_keys,
    failure::Failure,
    table::table,
    text::{time, time_or_dash},
    values::{self, Role},
};

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Option<KeysCommand>,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create a key; it is shown this once
    Create(CreateArgs),
    /// List the keys of a tenant
    List,
    /// End a key, at once and for good
    Revoke {
        /// The key's id, as `smcp keys list` shows it; not the key
        id: String,
    },
    /// Give a key a new secret; it is shown this once
    Rotate {
        /// The key's id, as `smcp keys list` shows it; not the key
        id: String,
        /// How long the old secret goes on working, such as 24h
        #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::time_span)]
        grace: Duration,
    },
    /// Show the keys a tenant's data is encrypted with, and how far their rotation is
    Status,
    /// Give a tenant's data a new key; what is stored moves to it in the background
    RotateData,
    /// Destroy the keys of a tenant's data: what it has stored cannot be read again, by anybody
    DestroyData {
        /// It shall really be so
        #[arg(long)]
        yes: bool,
    },
    /// Replace the master key. Backups made before need the old one: copy it first, if you keep them
    RotateMaster,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What it may do
    #[arg(long, value_enum)]
    role: Role,
    /// A name for people [default: the role]
    #[arg(long)]
    name: Option<String>,
    /// A server it is limited to; can be given again [default: all servers]
    #[arg(long, value_name = "SERVER", value_parser = values::slug)]
    server: Vec<String>,
    /// When it stops working, such as 30d [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time_span)]
    expires_in: Option<Duration>,
}

pub(crate) fn run(context: &Context, args: KeysArgs) -> Result<(), Failure> {
    let command = args.command.unwrap_or(KeysCommand::List);
    command.check()?;
    let connection = Connection::open(context)?;
    let tenant = || connection.tenant();
    match command {
        KeysCommand::Create(args) => {
            let issued = connection.client.create_key(&tenant()?, &args.into_key())?;
            show_issued(context, &issued)
        }
        KeysCommand::List => list(context, &connection, &tenant()?),
        KeysCommand::Revoke { id } => {
            let key = connection.client.revoke_key(&tenant()?, &id)?;
            context.out.data(&key, || format!("revoked {} ({})", key.id, key.name))
        }
        KeysCommand::Rotate { id, grace } => {
            let how = RotateKey { grace_seconds: grace.as_secs() };
            let issued = connection.client.rotate_key(&tenant()?, &id, &how)?;
            show_issued(context, &issued)
        }
        KeysCommand::Status => data_keys::status(context, &connection, &tenant()?),
        KeysCommand::RotateData => data_keys::rotate(context, &connection, &tenant()?),
        KeysCommand::DestroyData { yes } => data_keys::destroy(context, &connection, &tenant()?, yes),
        KeysCommand::RotateMaster => data_keys::rotate_master(context, &connection),
    }
}

impl KeysCommand {
    /// An id is no secret, a key is one: whoever mixes them up learns it before it is sent as part of a path.
    fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Revoke { id } | Self::Rotate { id, .. } if id.starts_with("smcp_") => Err(Failure::input(
                "that is a key, and now it is in this shell's history: revoke it by its id",
            )
            .hint("smcp keys list shows the ids")),
            Self::Create(_)
            | Self::List
            | Self::Revoke { .. }
            | Self::Rotate { .. }
            | Self::Status
            | Self::RotateData
            | Self::DestroyData { .. }
            | Self::RotateMaster => Ok(()),
        }
    }
}

impl CreateArgs {
    fn into_key(self) -> NewKey {
        let expires_at = self.expires_in.map(|span| {
            let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            Timestamp::now().as_millisecond().saturating_add(millis)
        });
        let role = self.role.as_str().to_owned();
        NewKey { name: self.name.unwrap_or_else(|| role.clone()), role, servers: self.server, expires_at }
    }
}

fn show_issued(context: &Context, issued: &IssuedKey) -> Result<(), Failure> {
    let record = &issued.record;
    context.out.talk(&format!("The key {} ({}), shown this once:", record.name, record.role));
    context.out.data(issued, || issued.key.clone())?;
    if let Some(until) = record.previous_until {
        context.out.talk(&format!("The one before works until {}.", time(until)));
    }
    Ok(())
}

fn list(context: &Context, connection: &Connection, tenant: &str) -> Result<(), Failure> {
    let list = connection.client.list_keys(tenant)?;
    context.out.data(&list, || {
        table(["ID", "NAME", "ROLE", "SERVERS", "STATUS", "EXPIRES", "LAST USED"], list.items.iter().map(row))
    })
}

fn row(key: &Key) -> [String; 7] {
    let servers = if key.servers.is_empty() { "all".to_owned() } else { key.servers.join(",") };
    [
        key.id.clone(),
        key.name.clone(),
        key.role.clone(),
        servers,
        key.status.clone(),
        time_or_dash(key.expires_at),
        time_or_dash(key.last_used_at),
    ]
}
