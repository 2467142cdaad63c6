//! `smcp doctor`: whether hosted code can run here in every layer of its sandbox, and what a missing one costs.

use std::{fs, os::unix::fs::DirBuilderExt as _, path::PathBuf};

use clap::Args;
use serde_json::{Value, json};
use smcp_workerd::{
    Workerd,
    sandbox::{Layer, State, Survey, survey},
};

use super::{
    Context,
    failure::Failure,
    table::{pairs, table},
};
use crate::{
    config::{Flags, NodeSettings},
    node::{NodeConfig, runtime_places},
};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Layers of the sandbox that hosted code runs without, separated by commas
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    sandbox_without: Vec<String>,
    /// The workerd binary [default: where `npm ci` in runtime/ puts it]
    #[arg(long, value_name = "FILE")]
    workerd: Option<String>,
}

pub(crate) fn run(context: &Context, args: DoctorArgs) -> Result<(), Failure> {
    let mut flags = Flags::new();
    if !args.sandbox_without.is_empty() {
        flags.insert("sandbox.without", args.sandbox_without);
    }
    flags.extend(args.workerd.map(|path| ("node.workerd", vec![path])));
    let settings = NodeSettings::read(&context.layers(flags)?).map_err(Failure::settings)?;
    let config = settings.into_config(context.out.is_json());
    let workerd = smcp_workerd::locate(config.workerd.clone(), &runtime_places(&config.data))?;
    let survey = examine(&config, &workerd)?;
    context.out.data(&document(&survey, &workerd), || words(&survey, &workerd))?;
    survey.verdict()?;
    let off: Vec<_> = off(&survey).map(Layer::name).collect();
    if off.is_empty() {
        return Ok(());
    }
    let failure =
        Failure::input(format!("hosted code runs without layers of its sandbox: {}", off.join(", ")));
    Err(failure.hint("this machine's operator has chosen so: take them out of sandbox.without to have them"))
}

/// Looks in a folder of its own, so that a node that runs is not touched.
fn examine(config: &NodeConfig, workerd: &Workerd) -> Result<Survey, Failure> {
    let folder =
        Folder::new().map_err(|error| Failure::ours(format!("no folder to try things in: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::ours(format!("no runtime: {error}")))?;
    let surveyed = runtime.block_on(async {
        let sandbox = config.sandbox.open(folder.0.clone()).map_err(smcp_types::Error::internal)?;
        survey(&sandbox, workerd.path()).await
    });
    Ok(surveyed?)
}

/// A private folder, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("smcp-doctor-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is empty and private.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn off(survey: &Survey) -> impl Iterator<Item = Layer> {
    survey.layers.iter().filter(|(_, state)| *state == State::Off).map(|(layer, _)| *layer)
}

fn document(survey: &Survey, workerd: &Workerd) -> Value {
    let row = |(layer, state): &(Layer, State)| {
        let (state, why) = state_words(state);
        json!({ "layer": layer, "state": state, "why": why, "stops": layer.stops(), "without": layer.without() })
    };
    let layers: Vec<_> = survey.layers.iter().map(row).collect();
    json!({
        "kernel": survey.kernel,
        "machine": survey.machine,
        "tested_machine": survey.machine == "x86_64",
        "mode": survey.mode,
        "landlock_abi": survey.landlock_abi,
        "cgroup_version": survey.cgroup_version,
        "workerd": { "path": workerd.path(), "version": workerd.version() },
        "layers": layers,
        "ready": survey.verdict().is_ok(),
    })
}

fn state_words(state: &State) -> (&'static str, Option<&str>) {
    match state {
        State::On => ("on", None),
        State::Off => ("off", None),
        State::Missing { why } => ("missing", Some(why)),
    }
}

fn words(survey: &Survey, workerd: &Workerd) -> String {
    let or_none = |number: Option<u32>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let tested = if survey.machine == "x86_64" { "" } else { " (untested: only x86_64 was)" };
    let cgroups = match survey.cgroup_version {
        Some(2) => "2 (untested: only version 1 was)".to_owned(),
        version => or_none(version),
    };
    let head = pairs([
        ("machine", format!("{}{tested}, Linux {}", survey.machine, survey.kernel)),
        ("mode", survey.mode.words().to_owned()),
        ("Landlock ABI", or_none(survey.landlock_abi)),
        ("cgroups", cgroups),
        ("workerd", format!("{} ({})", workerd.version(), workerd.path().display())),
    ]);
    let rows = survey.layers.iter().map(|(layer, state)| {
        let (state, why) = state_words(state);
        let cost = match (state, why) {
            ("on", _) => String::new(),
            (_, Some(why)) => format!("{} ({why})", layer.without()),
            (_, None) => layer.without().to_owned(),
        };
        [layer.name().to_owned(), state.to_owned(), layer.stops().to_owned(), cost]
    });
    format!("{head}\n\n{}", table(["LAYER", "STATE", "WHAT IT STOPS", "WITHOUT IT"], rows))
}
