//! `smcp up`: runs a node until it is told to stop.

use clap::Args;
use tracing_subscriber::{EnvFilter, fmt};

use super::{Context, failure::Failure, output::Output};
use crate::{
    config::{Flags, NodeSettings},
    node,
};

/// Each of these is a setting too: `smcp config --explain` shows its variable and its key in the file.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Where to keep everything [default: ~/.local/share/smcp]
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
    /// Where to listen [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The origin the world reaches this node under [default: http://localhost:PORT]
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// Another origin whose pages may call this node; can be given again
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Vec<String>,
    /// The file of the master key [default: master.key in the data folder, made at the first start]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<String>,
    /// The file of the master key that `smcp keys rotate-master` puts in force; it may be made after the start
    #[arg(long, value_name = "FILE")]
    next_master_key_file: Option<String>,
    /// The workerd binary [default: where `npm ci` in runtime/ puts it]
    #[arg(long, value_name = "FILE")]
    workerd: Option<String>,
    /// When an idle server is put to sleep: seconds, or 90s, 5m, 1h [default: 5m]
    #[arg(long, value_name = "SECONDS")]
    idle_after: Option<String>,
    /// How many servers may be awake at once [default: 64]
    #[arg(long, value_name = "NUMBER")]
    max_awake: Option<String>,
    /// How long calls under way may take when the node stops [default: 30s]
    #[arg(long, value_name = "SECONDS")]
    drain: Option<String>,
    /// Layers of the sandbox that hosted code runs without, separated by commas: `smcp doctor` names them
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    sandbox_without: Vec<String>,
    /// End a hosted process at any system call that workerd was not seen to use
    #[arg(long)]
    sandbox_strict: bool,
}

impl UpArgs {
    fn into_flags(self) -> Flags {
        let one = |key, value: Option<String>| value.map(|value| (key, vec![value]));
        let origins =
            (!self.allowed_origin.is_empty()).then_some(("node.allowed_origins", self.allowed_origin));
        let layers = (!self.sandbox_without.is_empty()).then_some(("sandbox.without", self.sandbox_without));
        let strict = self.sandbox_strict.then(|| ("sandbox.strict", vec![true.to_string()]));
        let flags = [
            layers,
            strict,
            one("node.data", self.data),
            one("node.listen", self.listen),
            one("node.external_url", self.external_url),
            origins,
            one("node.master_key_file", self.master_key_file),
            one("node.next_master_key_file", self.next_master_key_file),
            one("node.workerd", self.workerd),
            one("node.idle_after", self.idle_after),
            one("node.max_awake", self.max_awake),
            one("node.drain", self.drain),
        ];
        flags.into_iter().flatten().collect()
    }
}

pub(crate) fn run(context: &Context, args: UpArgs) -> Result<(), Failure> {
    let settings = NodeSettings::read(&context.layers(args.into_flags())?).map_err(Failure::settings)?;
    log_to_stderr(context.out);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::ours(format!("no threads for the node: {error}")))?;
    Ok(runtime.block_on(node::up(settings.into_config(context.out.is_json())))?)
}

/// What happens goes to standard error: lines for people, JSON for collectors.
fn log_to_stderr(out: Output) {
    let builder =
        fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new("info")).with_target(false);
    // A second subscriber could only come from a second call, and there is none.
    let _ =
        if out.is_json() { builder.json().try_init() } else { builder.with_ansi(out.has_color()).try_init() };
}
