//! `smcp usage`: what the servers of a tenant have used.

use smcp_api::Usage;

use super::{Context, connection::Connection, failure::Failure, table::table};

pub(crate) fn run(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let report = connection.client.usage(&connection.tenant()?)?;
    context.out.data(&report, || {
        let each = report.servers.iter().map(|server| row(&server.server, &server.usage));
        table(HEADINGS, each.chain([row("all", &report.total)]))
    })?;
    context
        .out
        .talk("since the platform started; CPU marked shared is apportioned among calls in flight together");
    Ok(())
}

const HEADINGS: [&str; 11] = [
    "SERVER",
    "CALLS",
    "CPU ms",
    "SHARED ms",
    "BACKGROUND ms",
    "MEMORY MiB",
    "PEAK MiB",
    "STARTS",
    "KILLED BY LIMIT",
    "REQUESTS OUT",
    "REFUSED",
];

fn row(name: &str, usage: &Usage) -> [String; 11] {
    let millis = |time: f64| format!("{time:.1}");
    // A count of bytes is far below where an f64 loses one.
    #[allow(clippy::cast_precision_loss, reason = "for the eye")]
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    [
        name.to_owned(),
        usage.calls.to_string(),
        millis(usage.cpu_exact_ms),
        millis(usage.cpu_shared_ms),
        millis(usage.cpu_background_ms),
        mib(usage.memory_bytes),
        mib(usage.memory_peak_bytes),
        usage.starts.to_string(),
        usage.limit_kills.to_string(),
        usage.requests.to_string(),
        usage.requests_refused.to_string(),
    ]
}
