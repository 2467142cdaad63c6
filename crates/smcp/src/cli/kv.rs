//! `smcp kv`: the KV namespaces of a tenant's servers.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smcp_api::{KvEntry, KvKey};
use smcp_client::StorePart;

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    stores::{StoreArg, list, raw_to_stdout, unreadable, unwritable},
    table::table,
    text::time,
};

/// Most bytes of a value that are read: the platform takes 25 MiB.
const MAX_VALUE: u64 = 25 << 20;
/// Largest file of one import.
const MAX_IMPORT: u64 = 512 << 20;

#[derive(Debug, Args)]
pub(crate) struct KvArgs {
    #[command(subcommand)]
    command: KvCommand,
}

#[derive(Debug, Subcommand)]
enum KvCommand {
    /// List the namespaces of a tenant, and how much of its quota is used
    List,
    /// List the keys of a namespace
    Keys {
        #[command(flatten)]
        namespace: StoreArg,
        /// Keys that begin with this
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Print a value
    Get {
        #[command(flatten)]
        namespace: StoreArg,
        /// The key
        key: String,
    },
    /// Store a value in the place of the one before
    Put {
        #[command(flatten)]
        namespace: StoreArg,
        /// The key
        key: String,
        /// The value
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        value: Option<String>,
        /// Take the value from this file; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What to store beside it, as JSON
        #[arg(long, value_name = "JSON")]
        metadata: Option<String>,
        /// When it stops being there: seconds since 1970
        #[arg(long, value_name = "SECONDS")]
        expiration: Option<i64>,
    },
    /// Remove a key
    Delete {
        #[command(flatten)]
        namespace: StoreArg,
        /// The key
        key: String,
    },
    /// Write a namespace as JSON, in the form of `wrangler kv bulk put`
    Export {
        #[command(flatten)]
        namespace: StoreArg,
        /// Write it to this new file
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Store every entry of such a file
    Import {
        #[command(flatten)]
        namespace: StoreArg,
        /// The file
        file: PathBuf,
    },
}

/// An entry of a file, as wrangler has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    value: String,
    #[serde(default)]
    base64: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

pub(crate) fn run(context: &Context, args: KvArgs) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    match args.command {
        KvCommand::List => list(context, ("NAMESPACE", "KEYS"), &connection.client.list_namespaces(&tenant)?),
        KvCommand::Keys { namespace, prefix } => {
            let keys = all_keys(&connection, (&tenant, &namespace.name), &prefix)?;
            let at = |at: Option<i64>| at.map_or_else(String::new, time);
            let beside =
                |key: &KvKey| key.metadata.as_ref().map_or_else(String::new, |json| json.get().to_owned());
            let rows = keys.iter().map(|key| [key.name.clone(), at(key.expires_at), beside(key)]);
            let shown = serde_json::json!({ "items": &keys });
            context.out.data(&shown, || table(["KEY", "EXPIRES", "METADATA"], rows))
        }
        KvCommand::Get { namespace, key } => {
            let entry = connection.client.get_kv(&tenant, &namespace.name, &key)?;
            if context.out.is_json() {
                return context.out.data(&entry, String::new);
            }
            raw_to_stdout(&bytes(&entry)?[..])
        }
        KvCommand::Put { namespace, key, value, file, metadata, expiration } => {
            let value = match file {
                Some(file) => content(&file)?,
                None => value.unwrap_or_default().into_bytes(),
            };
            let metadata = metadata.map(RawValue::from_string).transpose();
            let metadata =
                metadata.map_err(|error| Failure::input(format!("--metadata is no JSON: {error}")))?;
            let entry = KvEntry {
                value: BASE64.encode(&value),
                metadata,
                expires_at: expiration.map(|at| at.saturating_mul(1000)),
            };
            connection.client.put_kv(&tenant, &namespace.name, &key, &entry)?;
            context.out.data(&serde_json::json!({ "stored": key }), || format!("stored {key}"))
        }
        KvCommand::Delete { namespace, key } => {
            connection.client.delete_kv(&tenant, &namespace.name, &key)?;
            context.out.data(&serde_json::json!({ "deleted": key }), || format!("deleted {key}"))
        }
        KvCommand::Export { namespace, output } => {
            export(context, &connection, (&tenant, &namespace.name), &output)
        }
        KvCommand::Import { namespace, file } => {
            import(context, &connection, (&tenant, &namespace.name), &file)
        }
    }
}

/// A value from a file or, for `-`, from standard input: never more of it than a value may have, and a byte.
fn content(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MAX_VALUE + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|open| open.take(MAX_VALUE + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(file, &error))?;
    Ok(bytes)
}

fn all_keys(
    connection: &Connection,
    (tenant, namespace): (&str, &str),
    prefix: &str,
) -> Result<Vec<KvKey>, Failure> {
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let part = StorePart { prefix, after: after.as_deref() };
        let page = connection.client.list_kv(tenant, namespace, part)?;
        keys.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

fn bytes(entry: &KvEntry) -> Result<Vec<u8>, Failure> {
    BASE64
        .decode(entry.value.as_bytes())
        .map_err(|error| Failure::ours(format!("the platform's answer: {error}")))
}

fn export(
    context: &Context,
    connection: &Connection,
    (tenant, namespace): (&str, &str),
    output: &Path,
) -> Result<(), Failure> {
    let keys = all_keys(connection, (tenant, namespace), "")?;
    let mut file = BufWriter::new(File::create_new(output).map_err(|error| unwritable(output, &error))?);
    let mut written = 0;
    let write = || -> Result<(), Failure> {
        let failed = |error: io::Error| unwritable(output, &error);
        file.write_all(b"[").map_err(failed)?;
        for key in keys {
            let entry = match connection.client.get_kv(tenant, namespace, &key.name) {
                Ok(entry) => entry,
                // It has expired or was removed meanwhile.
                Err(smcp_client::ClientError::Problem(problem)) if problem.status == 404 => continue,
                Err(error) => return Err(error.into()),
            };
            let line = line(key.name, &entry)?;
            file.write_all(if written == 0 { b"\n" } else { b",\n" }).map_err(failed)?;
            serde_json::to_writer(&mut file, &line).map_err(|error| failed(error.into()))?;
            written += 1;
        }
        file.write_all(b"\n]\n").and_then(|()| file.flush()).map_err(failed)
    };
    write().inspect_err(|_| {
        // Half a namespace is none.
        let _ = fs::remove_file(output);
    })?;
    context.out.data(&serde_json::json!({ "file": output, "entries": written }), || {
        format!("wrote {written} entries to {}", output.display())
    })
}

fn line(key: String, entry: &KvEntry) -> Result<Line, Failure> {
    let bytes = bytes(entry)?;
    let (value, base64) = match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(_) => (entry.value.clone(), true),
    };
    let expiration = entry.expires_at.map(|at| at.div_euclid(1000));
    Ok(Line { key, value, base64, expiration, metadata: entry.metadata.clone() })
}

fn import(
    context: &Context,
    connection: &Connection,
    (tenant, namespace): (&str, &str),
    file: &Path,
) -> Result<(), Failure> {
    let size = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if size > MAX_IMPORT {
        return Err(Failure::input(format!("a file has at most {} MiB", MAX_IMPORT >> 20)).hint("split it"));
    }
    let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    let lines: Vec<Line> = serde_json::from_str(&text)
        .map_err(|error| Failure::input(format!("{} is no list of entries: {error}", file.display())))?;
    let mut stored = 0;
    for line in &lines {
        let value = if line.base64 { line.value.clone() } else { BASE64.encode(line.value.as_bytes()) };
        let expires_at = line.expiration.map(|at| at.saturating_mul(1000));
        let entry = KvEntry { value, metadata: line.metadata.clone(), expires_at };
        connection.client.put_kv(tenant, namespace, &line.key, &entry).map_err(|error| {
            let failure: Failure = error.into();
            failure.hint(format!("{stored} of {} entries are stored; an import can be repeated", lines.len()))
        })?;
        stored += 1;
    }
    context.out.data(&serde_json::json!({ "entries": stored }), || format!("stored {stored} entries"))
}
