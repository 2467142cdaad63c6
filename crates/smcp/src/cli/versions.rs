//! `smcp versions`: list the versions of a server, and go forwards or back.

use clap::{Args, Subcommand};
use smcp_api::{Version, VersionSummary};

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    makers::Makers,
    table::table,
    text::{short, time},
    values,
};

/// Fewer characters of a digest say too little.
const MIN_PREFIX: usize = 6;

#[derive(Debug, Args)]
pub(crate) struct VersionsArgs {
    #[command(subcommand)]
    command: VersionsCommand,
}

#[derive(Debug, Subcommand)]
enum VersionsCommand {
    /// List the versions of a server, newest first
    List {
        /// The server
        #[arg(value_parser = values::slug)]
        server: String,
    },
    /// Send calls to a version from now on
    Activate {
        /// The server
        #[arg(value_parser = values::slug)]
        server: String,
        /// At least 6 characters of the version; or `previous`: the one stored before the active one
        #[arg(value_name = "VERSION")]
        wanted: String,
    },
}

pub(crate) fn run(context: &Context, args: VersionsArgs) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    match args.command {
        VersionsCommand::List { server } => {
            let list = connection.client.list_versions(&tenant, &server)?;
            context.out.data(&list, || {
                let makers = Makers::of(&connection, &tenant);
                let rows = list.items.iter().map(|version| row(version, &makers));
                table(["VERSION", "ACTIVE", "STORED", "BY", "TOOLS"], rows)
            })
        }
        VersionsCommand::Activate { server, wanted } => {
            let versions = connection.client.list_versions(&tenant, &server)?.items;
            let digest = find(&versions, (&server, &wanted))?;
            let server = connection.client.activate(&tenant, &server, digest)?;
            context.out.data(&server, || format!("{} now runs {}", server.slug, short(digest)))
        }
    }
}

fn row(version: &VersionSummary, makers: &Makers) -> [String; 5] {
    let active = if version.active { "yes" } else { "" };
    [
        short(&version.digest),
        active.to_owned(),
        time(version.created_at),
        makers.name(&version.created_by),
        version.tools.to_string(),
    ]
}

/// The names of the tools that a version showed when it was checked.
pub(crate) fn tools(version: &Version) -> Vec<String> {
    let tools = version.definitions.get("tools").and_then(serde_json::Value::as_array);
    let names = tools.into_iter().flatten().filter_map(|tool| tool.get("name")?.as_str());
    names.map(str::to_owned).collect()
}

/// The one version that is meant. `versions` has the newest first.
fn find<'a>(versions: &'a [VersionSummary], (server, wanted): (&str, &str)) -> Result<&'a str, Failure> {
    let hint = format!("smcp versions list {server} shows them");
    if wanted == "previous" {
        let active = versions.iter().position(|version| version.active);
        let before = active.and_then(|active| versions.get(active + 1));
        return before
            .map(|version| &*version.digest)
            .ok_or_else(|| Failure::input("there is no version before the active one").hint(hint));
    }
    if wanted.len() < MIN_PREFIX {
        return Err(
            Failure::input(format!("a version is named by at least {MIN_PREFIX} characters")).hint(hint)
        );
    }
    let mut fitting = versions.iter().filter(|version| version.digest.starts_with(wanted));
    match (fitting.next(), fitting.next()) {
        (Some(version), None) => Ok(&version.digest),
        (Some(_), Some(_)) => {
            Err(Failure::input(format!("{wanted} fits several versions: give more of it")).hint(hint))
        }
        (None, _) => Err(Failure::input(format!("no version begins with {wanted}")).hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_beginning_or_its_place() {
        let version = |digest: &str, active| VersionSummary {
            digest: digest.to_owned(),
            active,
            created_by: String::new(),
            created_at: 0,
            tools: 1,
        };
        let versions = [version("cccccc33", false), version("aaaaaa22", true), version("aaaaaa11", false)];
        for (wanted, found) in [
            ("cccccc", Some("cccccc33")),
            ("aaaaaa1", Some("aaaaaa11")),
            ("previous", Some("aaaaaa11")),
            ("aaaaaa", None),
            ("ccccc", None),
            ("bbbbbb", None),
            ("", None),
        ] {
            assert_eq!(find(&versions, ("srv", wanted)).ok(), found, "{wanted}");
        }
        assert!(find(&versions[1..2], ("srv", "previous")).is_err(), "nothing before the first");
        assert!(find(&versions[..1], ("srv", "previous")).is_err(), "nothing is active");
    }
}
