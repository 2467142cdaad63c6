//! `smcp objects`: the buckets of a tenant's servers.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use smcp_api::StoredObject;
use smcp_client::{NewObject, StorePart};

use super::{
    Context,
    connection::Connection,
    failure::Failure,
    stores::{StoreArg, broken_off, list, raw_to_stdout, unreadable, unwritable},
    table::table,
    text::time,
};

/// The file of an export that says which object each other file holds.
const INDEX: &str = "index.jsonl";
/// Largest object that is sent from here: R2's for one request.
const MAX_OBJECT: u64 = 300 << 20;

#[derive(Debug, Args)]
pub(crate) struct ObjectsArgs {
    #[command(subcommand)]
    command: ObjectsCommand,
}

#[derive(Debug, Subcommand)]
enum ObjectsCommand {
    /// List the buckets of a tenant, and how much of its quota is used
    List,
    /// List the objects of a bucket
    Keys {
        #[command(flatten)]
        bucket: StoreArg,
        /// Keys that begin with this
        #[arg(long, default_value = "")]
        prefix: String,
    },
    /// Write an object to standard output or a file
    Get {
        #[command(flatten)]
        bucket: StoreArg,
        /// The key
        key: String,
        /// Write it to this new file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Store a file as an object
    Put {
        #[command(flatten)]
        bucket: StoreArg,
        /// The key
        key: String,
        /// The file
        file: PathBuf,
        /// What it is, for example text/plain
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
    },
    /// Remove an object
    Delete {
        #[command(flatten)]
        bucket: StoreArg,
        /// The key
        key: String,
    },
    /// Write every object of a bucket to a new folder
    Export {
        #[command(flatten)]
        bucket: StoreArg,
        /// The folder
        folder: PathBuf,
    },
    /// Store every object of such a folder
    Import {
        #[command(flatten)]
        bucket: StoreArg,
        /// The folder
        folder: PathBuf,
    },
}

/// An object of an export. Keys may be anything, so files have numbers.
#[derive(Serialize, Deserialize)]
struct Indexed {
    file: u64,
    #[serde(flatten)]
    object: StoredObject,
}

/// What is in a bucket.
#[derive(Default)]
struct All {
    objects: Vec<StoredObject>,
    /// The keys of those that cannot be read.
    unreadable: Vec<String>,
}

/// A bucket and the way to it.
struct Bucket<'a> {
    connection: &'a Connection,
    tenant: &'a str,
    name: &'a str,
}

pub(crate) fn run(context: &Context, args: ObjectsArgs) -> Result<(), Failure> {
    let connection = &Connection::open(context)?;
    let tenant = &connection.tenant()?;
    let of = |name| Bucket { connection, tenant, name };
    match &args.command {
        ObjectsCommand::List => {
            list(context, ("BUCKET", "OBJECTS"), &connection.client.list_buckets(tenant)?)
        }
        ObjectsCommand::Keys { bucket, prefix } => {
            let All { objects, unreadable } = of(&bucket.name).all(prefix)?;
            let rows = objects.iter().map(|one| {
                let kind = one.content_type.clone().unwrap_or_default();
                [one.key.clone(), one.size.to_string(), time(one.uploaded_at), kind]
            });
            let lost = unreadable.iter().map(|key| {
                [key.clone(), "-".to_owned(), "-".to_owned(), "cannot be read, can be deleted".to_owned()]
            });
            let shown = serde_json::json!({ "items": &objects, "unreadable": &unreadable });
            context.out.data(&shown, || table(["KEY", "BYTES", "STORED", "TYPE"], rows.chain(lost)))
        }
        ObjectsCommand::Get { bucket, key, output } => {
            let content = connection.client.get_object(tenant, &bucket.name, key)?;
            let Some(path) = output else { return raw_to_stdout(content) };
            let bytes = write_new(path, content)?;
            context.out.data(&serde_json::json!({ "file": path, "bytes": bytes }), || {
                format!("wrote {bytes} bytes to {}", path.display())
            })
        }
        ObjectsCommand::Put { bucket, key, file, content_type } => {
            let new = NewObject { key, content_type: content_type.as_deref(), metadata: None };
            let stored = connection.client.put_object((tenant, &bucket.name), new, content_of(file)?)?;
            context.out.data(&stored, || format!("stored {key}, {} bytes", stored.size))
        }
        ObjectsCommand::Delete { bucket, key } => {
            connection.client.delete_object(tenant, &bucket.name, key)?;
            context.out.data(&serde_json::json!({ "deleted": key }), || format!("deleted {key}"))
        }
        ObjectsCommand::Export { bucket, folder } => of(&bucket.name).export(context, folder),
        ObjectsCommand::Import { bucket, folder } => of(&bucket.name).import(context, folder),
    }
}

impl Bucket<'_> {
    fn all(&self, prefix: &str) -> Result<All, Failure> {
        let (mut all, mut after) = (All::default(), None::<String>);
        loop {
            let part = StorePart { prefix, after: after.as_deref() };
            let page = self.connection.client.list_objects(self.tenant, self.name, part)?;
            all.objects.extend(page.items);
            all.unreadable.extend(page.unreadable);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    fn export(&self, context: &Context, folder: &Path) -> Result<(), Failure> {
        let All { objects, unreadable } = self.all("")?;
        if let Some(key) = unreadable.first() {
            let message =
                format!("{} objects of {} cannot be read, the first is {key}", unreadable.len(), self.name);
            let hint = format!("restore them from a backup, or delete them: smcp objects keys {}", self.name);
            return Err(Failure::ours(message).hint(hint));
        }
        fs::create_dir(folder).map_err(|error| unwritable(folder, &error))?;
        let path = folder.join(INDEX);
        let failed = |error: io::Error| unwritable(&path, &error);
        let mut index = BufWriter::new(File::create_new(&path).map_err(failed)?);
        let mut written = 0;
        for object in objects {
            let content = self.connection.client.get_object(self.tenant, self.name, &object.key)?;
            written += 1;
            write_new(&folder.join(written.to_string()), content)?;
            let line = serde_json::to_string(&Indexed { file: written, object });
            let line = line.map_err(|error| failed(error.into()))?;
            writeln!(index, "{line}").map_err(failed)?;
        }
        index.flush().map_err(failed)?;
        context.out.data(&serde_json::json!({ "folder": folder, "objects": written }), || {
            format!("wrote {written} objects to {}", folder.display())
        })
    }

    fn import(&self, context: &Context, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(INDEX);
        let index = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        let mut stored = 0;
        for line in BufReader::new(index).lines() {
            let line = line.map_err(|error| unreadable(&path, &error))?;
            let Indexed { file, object } = serde_json::from_str(&line)
                .map_err(|error| Failure::input(format!("{}: {error}", path.display())))?;
            let metadata =
                serde_json::to_string(&object.metadata).map_err(|error| Failure::ours(error.to_string()))?;
            let new = NewObject {
                key: &object.key,
                content_type: object.content_type.as_deref(),
                metadata: Some(&metadata),
            };
            let content = content_of(&folder.join(file.to_string()))?;
            self.connection.client.put_object((self.tenant, self.name), new, content)?;
            stored += 1;
        }
        context.out.data(&serde_json::json!({ "objects": stored }), || format!("stored {stored} objects"))
    }
}

fn write_new(path: &Path, mut content: impl io::Read) -> Result<u64, Failure> {
    let mut file = File::create_new(path).map_err(|error| unwritable(path, &error))?;
    io::copy(&mut content, &mut file).map_err(|error| {
        // Half an object is none.
        let _ = fs::remove_file(path);
        broken_off(&error)
    })
}

fn content_of(file: &Path) -> Result<Vec<u8>, Failure> {
    let size = fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if size > MAX_OBJECT {
        return Err(Failure::input(format!(
            "an object that is put at once has at most {} MiB",
            MAX_OBJECT >> 20
        )));
    }
    fs::read(file).map_err(|error| unreadable(file, &error))
}
