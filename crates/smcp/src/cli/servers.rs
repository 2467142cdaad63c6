//! `smcp servers`: list, show and delete them.

use clap::{Args, Subcommand};
use smcp_api::{Server, ServerList, ServerState};

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    table::{pairs, table},
    text::{short, time},
    values,
};

#[derive(Debug, Args)]
pub(crate) struct ServersArgs {
    #[command(subcommand)]
    command: Option<ServersCommand>,
}

#[derive(Debug, Subcommand)]
enum ServersCommand {
    /// List the servers of a tenant
    List,
    /// Show one server
    Show {
        /// Its name
        #[arg(value_parser = values::slug)]
        server: String,
    },
    /// End the quarantine of a server that broke its limits
    Lift {
        /// Its name
        #[arg(value_parser = values::slug)]
        server: String,
    },
    /// Delete a server with all its versions
    Delete {
        /// Its name, which is never given out again
        #[arg(value_parser = values::slug)]
        server: String,
        /// Really
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(context: &Context, args: ServersArgs) -> Result<(), Failure> {
    match args.command.unwrap_or(ServersCommand::List) {
        ServersCommand::List => list(context),
        ServersCommand::Show { server } => show(context, &server),
        ServersCommand::Lift { server } => lift(context, &server),
        ServersCommand::Delete { server, yes } => delete(context, &server, yes),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    let mut items: Vec<Server> = Vec::new();
    let mut after = None;
    loop {
        let page = connection.client.list_servers(&tenant, after.as_deref())?;
        items.extend(page.items);
        // A page that leads to itself would go on for ever.
        if page.next.is_none() || page.next == after {
            break;
        }
        after = page.next;
    }
    let list = ServerList { items, next: None };
    context.out.data(&list, || table(["SERVER", "STATE", "VERSION", "URL"], list.items.iter().map(row)))?;
    if list.items.is_empty() {
        context.out.talk("no servers yet: smcp init NAME starts one, smcp deploy puts it here");
    }
    Ok(())
}

fn row(server: &Server) -> [String; 4] {
    [server.slug.clone(), state(&server.state), version(server), server.url.clone()]
}

fn show(context: &Context, name: &str) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let server = connection.client.get_server(&connection.tenant()?, name)?;
    context.out.data(&server, || {
        pairs([
            ("server", server.slug.clone()),
            ("tenant", server.tenant.clone()),
            ("url", server.url.clone()),
            ("state", state_in_full(&server.state)),
            ("version", version(&server)),
            ("created", time(server.created_at)),
            ("id", server.id.clone()),
        ])
    })
}

fn lift(context: &Context, name: &str) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let server = connection.client.lift(&connection.tenant()?, name)?;
    context.out.data(&server, || format!("{name} is {}", state_in_full(&server.state)))
}

fn delete(context: &Context, name: &str, yes: bool) -> Result<(), Failure> {
    if !yes {
        let message =
            format!("this deletes {name} with all its versions, and its name is never given out again");
        return Err(Failure::input(message).hint(format!("smcp servers delete {name} --yes")));
    }
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    connection.client.delete_server(&tenant, name)?;
    context.out.data(&serde_json::json!({ "tenant": tenant, "server": name, "deleted": true }), || {
        format!("deleted {name}")
    })
}

fn version(server: &Server) -> String {
    server.active_version.as_deref().map_or_else(|| "-".to_owned(), short)
}

fn state(state: &ServerState) -> String {
    let word = match state {
        ServerState::Empty => "empty",
        ServerState::Asleep => "asleep",
        ServerState::Starting => "starting",
        ServerState::Ready { .. } => "ready",
        ServerState::Stopping => "stopping",
        ServerState::Failing { .. } => "failing",
        ServerState::Quarantined { .. } => "quarantined",
    };
    word.to_owned()
}

fn state_in_full(full: &ServerState) -> String {
    let word = state(full);
    match full {
        ServerState::Empty => format!("{word}: no version was activated yet"),
        ServerState::Asleep => format!("{word}: the next call starts it"),
        ServerState::Starting | ServerState::Stopping => word,
        ServerState::Ready { since } => format!("{word} since {}", time(*since)),
        ServerState::Failing { reason, attempts, retry_at } => {
            format!("{word}: {reason} ({attempts} in a row; tried again after {})", time(*retry_at))
        }
        ServerState::Quarantined { reason, offences, until } => format!(
            "{word} until {}: {reason} (limits broken {offences} times); the platform's administrator can end it: smcp servers lift",
            time(*until)
        ),
    }
}
