//! `smcp logs`: what a server printed.

use clap::Args;
use smcp_client::LogFilter;

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    maps::Maps,
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
    /// Lines of this request alone
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Lines of this trace alone
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Most lines to begin with
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

pub(crate) fn run(context: &Context, args: &LogsArgs) -> Result<(), Failure> {
    // One of the two is there: the command line's own rule.
    let server = args.server.as_ref().or(args.named.as_ref()).map_or("", String::as_str);
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    let filter = LogFilter {
        limit: args.limit,
        level: args.level.map(Into::into),
        request: args.request.clone(),
        trace: args.trace.clone(),
    };
    let mut maps = Maps::new(&context.environment);
    if args.follow {
        for line in connection.client.follow_logs(&tenant, server, filter)? {
            let mut line = line?;
            maps.translate(&mut line);
            context.out.log_line(&line)?;
        }
        return Err(Failure::ours("the platform ended the log").hint("it may have stopped; run this again"));
    }
    let mut page = connection.client.logs(&tenant, server, filter)?;
    page.items.iter_mut().for_each(|line| maps.translate(line));
    if context.out.is_json() {
        return context.out.data(&page, String::new);
    }
    page.items.iter().try_for_each(|line| context.out.log_line(line))
}
