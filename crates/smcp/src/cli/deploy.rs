//! `smcp deploy`: from a folder to a server that answers.

mod bundler;
mod imports;
mod lexer;
mod modules;
mod progress;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use data_encoding::BASE64;
use serde_json::{Value, json};
use smcp_api::{Deploy, DeployedVersion, ModuleKind as WireKind, Server, UploadedModule, Version};
use smcp_manifest::{Bundle, Manifest, Module, ModuleKind};

use super::{
    Context, connection::Connection, failure::Failure, maps, text::safe, text::short, versions::tools,
};
use progress::Progress;

/// The name of a manifest.
const MANIFEST: &str = "smcp.toml";

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The folder of smcp.toml
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Store the version, and leave the active one as it is
    #[arg(long)]
    no_activate: bool,
}

pub(crate) fn run(context: &Context, args: &DeployArgs) -> Result<(), Failure> {
    let progress = Progress::new(context.out);
    let manifest = read_manifest(&args.folder)?;
    let (bundle, map) = build(&args.folder, &manifest, &progress)?;
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    progress.step("uploading and checking");
    let name = manifest.name.as_str();
    let deployed = connection.client.deploy(&tenant, name, &upload(&bundle)?);
    let DeployedVersion { mut server, version, known, warnings } = deployed.map_err(|error| {
        Failure::from(error).with_logs(|lines| maps::translate_all(map.as_deref(), lines))
    })?;
    let digest = &version.digest;
    if !args.no_activate && server.active_version.as_ref() != Some(digest) {
        progress.step("activating");
        server = connection.client.activate(&tenant, name, digest)?;
    }
    progress.done();
    keep(context, digest, map.as_deref());
    for warning in &warnings {
        context.out.talk(&format!("warning: {}", safe(warning)));
    }
    let tools = tools(&version);
    let active = server.active_version.as_ref() == Some(digest);
    let document = json!({
        "tenant": tenant, "server": name, "version": digest, "known": known, "active": active, "url": server.url,
        "tools": tools, "warnings": warnings,
    });
    let told = |tool: &String| safe(tool);
    let shown = if tools.is_empty() {
        "none".to_owned()
    } else {
        tools.iter().map(told).collect::<Vec<_>>().join(", ")
    };
    let was = if known { "unchanged" } else { "new" };
    let is = if active { "active" } else { "stored" };
    context.out.talk(&format!("{name} {} ({was}) is {is}; tools: {shown}", short(digest)));
    context.out.data(&document, || if active { server.url.clone() } else { digest.clone() })?;
    context.out.talk(&next_steps(&server, &version, active));
    Ok(())
}

/// Keeps the source map, with which `smcp logs` shows positions in the sources. A deploy does not fail without it.
fn keep(context: &Context, digest: &str, map: Option<&[u8]>) {
    if let Some(map) = map
        && let Err(error) = maps::keep(&context.environment, digest, map)
    {
        context.out.talk(&format!("warning: the source map could not be kept: {error}"));
    }
}

fn next_steps(server: &Server, version: &Version, active: bool) -> String {
    let name = &server.slug;
    if !active {
        return format!("\nnext:\n  smcp versions activate {name} {}", short(&version.digest));
    }
    let call = first_call(version).unwrap_or_else(|| "TOOL --arg NAME=VALUE".to_owned());
    format!("\nnext:\n  smcp call {name} {call}\n  smcp logs -f {name}")
}

/// The first tool with the arguments it demands, to be filled in.
fn first_call(version: &Version) -> Option<String> {
    let tool = version.definitions.get("tools")?.as_array()?.first()?;
    let required = tool.pointer("/inputSchema/required").and_then(Value::as_array);
    let arguments = required.into_iter().flatten().filter_map(Value::as_str);
    let arguments: String = arguments.map(|name| format!(" --arg {}=VALUE", safe(name))).collect();
    Some(safe(tool.get("name")?.as_str()?) + &arguments)
}

/// Reads and checks `smcp.toml`.
fn read_manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::input(format!("there is no {}", path.display()))
            .hint("smcp init NAME starts a project; smcp deploy DIR deploys the one in DIR"),
        _ => Failure::input(format!("cannot read {}: {error}", path.display())),
    })?;
    Manifest::parse(&text).map_err(|mistakes| {
        let count = match mistakes.len() {
            1 => "a mistake".to_owned(),
            count => format!("{count} mistakes"),
        };
        let details = mistakes.iter().map(ToString::to_string).collect();
        Failure::input(format!("{} has {count}", path.display())).details(details)
    })
}

/// The modules as they will run, with the lock, within every limit; and the source map, if esbuild made one.
fn build(
    folder: &Path,
    manifest: &Manifest,
    progress: &Progress,
) -> Result<(Bundle, Option<Vec<u8>>), Failure> {
    if !folder.join(&manifest.main).is_file() {
        let message = format!("`main` in {MANIFEST} names {}, which is not there", manifest.main);
        return Err(Failure::input(message));
    }
    let (main, modules, map) = if manifest.bundle {
        progress.step(&format!("bundling {}", manifest.main));
        let bundled = bundler::bundle(folder, &manifest.main, progress)?;
        (bundled.module.name.clone(), vec![bundled.module], bundled.map)
    } else {
        progress.step("collecting modules");
        (manifest.main.clone(), modules::collect(folder, &manifest.main)?, None)
    };
    let bundle = Bundle::new(manifest.lock(&main), modules);
    Ok((bundle.map_err(|error| Failure::input(error.to_string()))?, map))
}

fn upload(bundle: &Bundle) -> Result<Deploy, Failure> {
    let manifest = serde_json::value::to_raw_value(bundle.manifest())
        .map_err(|error| Failure::ours(error.to_string()))?;
    Ok(Deploy { manifest, modules: bundle.modules().iter().map(upload_module).collect() })
}

fn upload_module(module: &Module) -> UploadedModule {
    let kind = match module.kind {
        ModuleKind::EsModule => WireKind::EsModule,
        ModuleKind::Wasm => WireKind::Wasm,
        ModuleKind::Text => WireKind::Text,
        ModuleKind::Data => WireKind::Data,
        ModuleKind::Json => WireKind::Json,
    };
    UploadedModule { name: module.name.clone(), kind, content: BASE64.encode(&module.bytes) }
}
