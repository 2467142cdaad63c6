//! `smcp logs`: what a server printed.

use clap::Args;
use smcp_client::LogFilter;

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    values::{self, Level},
};

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The server
    #[arg(value_parser = values::slug, required_unless_present = "named")]
    server: Option<String>,
    /// The server, as an option
    #[arg(long = "server", id = "named", value_name = "SERVER", value_parser = values::slug, conflicts_with = "server")]
    named: Option<String>,
    /// Go on showing lines as they come
    #[arg(short, long)]
    follow: bool,
    /// Nothing quieter than this
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Most lines to begin with
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

pub(crate) fn run(context: &Context, args: &LogsArgs) -> Result<(), Failure> {
    // One of the two is there: the command line's own rule.
    let server = args.server.as_ref().or(args.named.as_ref()).map_or("", String::as_str);
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    let filter = LogFilter { limit: args.limit, level: args.level.map(Into::into) };
    if args.follow {
        for line in connection.client.follow_logs(&tenant, server, filter)? {
            context.out.log_line(&line?)?;
        }
        return Err(Failure::ours("the platform ended the log").hint("it may have stopped; run this again"));
    }
    let page = connection.client.logs(&tenant, server, filter)?;
    if context.out.is_json() {
        return context.out.data(&page, String::new);
    }
    page.items.iter().try_for_each(|line| context.out.log_line(line))
}
