//! `smcp d1`: the SQL databases of a tenant's servers.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::Value;
use smcp_api::{DatabaseQuery, DatabaseResult, DatabaseScript};

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    stores::{broken_off, unreadable, unwritable},
    table::{grid, table},
    text::safe_lines,
    values,
};

/// Largest script of one import; the platform checks again.
const MAX_SCRIPT: u64 = 12 << 20;

#[derive(Debug, Args)]
pub(crate) struct D1Args {
    #[command(subcommand)]
    command: D1Command,
}

#[derive(Debug, Subcommand)]
enum D1Command {
    /// List the databases of a tenant
    List,
    /// Run SQL statements in a database, in one transaction
    Query {
        #[command(flatten)]
        database: DatabaseArg,
        /// The statements; of several the last one's rows are shown
        sql: String,
        /// A value for a `?` of the last statement, as JSON; text that is no JSON is itself
        #[arg(long = "param", value_name = "VALUE", value_parser = values::json_or_text)]
        params: Vec<Value>,
    },
    /// Write a database as a SQL script
    Export {
        #[command(flatten)]
        database: DatabaseArg,
        /// Write it to this new file instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Run a SQL script in a database, all of it or nothing; makes the database if it is not there
    Import {
        #[command(flatten)]
        database: DatabaseArg,
        /// The script
        file: PathBuf,
    },
    /// Delete a database with all that is in it
    Delete {
        #[command(flatten)]
        database: DatabaseArg,
        /// Really
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct DatabaseArg {
    /// The database, as `smcp.toml` or `smcp d1 list` names it
    #[arg(value_name = "DATABASE")]
    name: String,
}

pub(crate) fn run(context: &Context, args: D1Args) -> Result<(), Failure> {
    match args.command {
        D1Command::List => list(context),
        D1Command::Query { database, sql, params } => {
            query(context, &database.name, &DatabaseQuery { sql, params })
        }
        D1Command::Export { database, output } => export(context, &database.name, output.as_deref()),
        D1Command::Import { database, file } => import(context, &database.name, &file),
        D1Command::Delete { database, yes } => delete(context, &database.name, yes),
    }
}

fn list(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let list = connection.client.list_databases(&connection.tenant()?)?;
    let rows = list.items.iter().map(|database| [database.name.clone(), database.bytes.to_string()]);
    context.out.data(&list, || table(["DATABASE", "BYTES"], rows))
}

fn query(context: &Context, database: &str, query: &DatabaseQuery) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let results = connection.client.query_database(&connection.tenant()?, database, query)?;
    context.out.data(&results, || results.results.iter().map(shown).collect::<Vec<_>>().join("\n"))?;
    for result in &results.results {
        let (rows, changes) = (result.rows.len(), result.changes);
        context.out.talk(&format!("{rows} rows, {changes} changed, {:.1} ms", result.duration_ms));
    }
    Ok(())
}

fn shown(result: &DatabaseResult) -> String {
    if result.columns.is_empty() {
        return String::new();
    }
    grid(&result.columns, result.rows.iter().map(|row| row.iter().map(cell).collect()))
}

/// A text as it is, everything else as JSON.
fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn export(context: &Context, database: &str, output: Option<&Path>) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let mut script = connection.client.export_database(&connection.tenant()?, database)?;
    let Some(path) = output else { return print(script) };
    let mut file = File::create_new(path).map_err(|error| unwritable(path, &error))?;
    let bytes = io::copy(&mut script, &mut file).map_err(|error| {
        // Half a database is none.
        let _ = fs::remove_file(path);
        broken_off(&error)
    })?;
    context.out.data(&serde_json::json!({ "file": path, "bytes": bytes }), || {
        format!("wrote {bytes} bytes to {}", path.display())
    })
}

/// Writes a script to standard output; what is in it is foreign, and a terminal obeys what it reads.
fn print(script: impl Read) -> Result<(), Failure> {
    let (mut out, mut script) = (io::stdout().lock(), BufReader::new(script));
    let mut line = Vec::new();
    loop {
        line.clear();
        if script.read_until(b'\n', &mut line).map_err(|error| broken_off(&error))? == 0 {
            break;
        }
        let written = if out.is_terminal() {
            writeln!(out, "{}", safe_lines(&String::from_utf8_lossy(&line)))
        } else {
            out.write_all(&line)
        };
        match written {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::quiet()),
            other => other.map_err(|error| unwritable(Path::new("standard output"), &error))?,
        }
    }
    out.flush().map_err(|error| unwritable(Path::new("standard output"), &error))
}

fn import(context: &Context, database: &str, file: &Path) -> Result<(), Failure> {
    let size = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if size > MAX_SCRIPT {
        return Err(Failure::input(format!("a script has at most {} MiB", MAX_SCRIPT >> 20))
            .hint("split it: every part is a transaction of its own"));
    }
    let sql = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let connection = Connection::open(context)?;
    let script = DatabaseScript { sql };
    let did = connection.client.import_database(&connection.tenant()?, database, &script)?;
    context.out.data(&did, || {
        format!(
            "{} statements, {} rows changed; it holds {} bytes",
            did.statements, did.changes, did.size_after
        )
    })
}

fn delete(context: &Context, database: &str, yes: bool) -> Result<(), Failure> {
    if !yes {
        let message = format!("this deletes the database {database} with all that is in it");
        return Err(Failure::input(message).hint(format!("smcp d1 delete {database} --yes")));
    }
    let connection = Connection::open(context)?;
    connection.client.delete_database(&connection.tenant()?, database)?;
    context.out.data(&serde_json::json!({ "deleted": database }), || format!("deleted {database}"))
}
