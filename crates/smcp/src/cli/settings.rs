//! `smcp config`: all settings, and where each came from.

use clap::Args;
use serde_json::json;

use super::{Context, failure::Failure, table::table};
use crate::config::{ClientSettings, Flags, Layers, NodeSettings, Setting, Shape, Source, default_text};

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Show where each value comes from, where else it can be set, and what it is for
    #[arg(long)]
    explain: bool,
}

/// One setting as it is shown.
struct Shown {
    setting: &'static Setting,
    /// `None` when nobody gave it and there is no default.
    value: Option<String>,
    source: Source,
}

pub(crate) fn run(context: &Context, args: &ConfigArgs) -> Result<(), Failure> {
    let layers = context.layers(Flags::new())?;
    let mut mistakes = ClientSettings::read(&layers).err().unwrap_or_default();
    mistakes.extend(NodeSettings::read(&layers).err().unwrap_or_default());
    if !mistakes.is_empty() {
        return Err(Failure::settings(mistakes));
    }
    let shown = crate::config::ALL.into_iter().map(|setting| look_up(&layers, setting));
    let shown: Vec<Shown> =
        shown.collect::<Result<_, _>>().map_err(|mistake| Failure::settings(vec![mistake]))?;
    let file = context.environment.config_file();
    let document = json!({ "file": file, "settings": shown.iter().map(Shown::to_json).collect::<Vec<_>>() });
    context.out.data(&document, || if args.explain { explained(&shown) } else { plain(&shown) })?;
    if let Some(file) = file {
        let state = if file.exists() { "" } else { ", which is not there" };
        context.out.talk(&format!("\nfile: {}{state}", file.display()));
    }
    Ok(())
}

fn look_up(layers: &Layers, setting: &'static Setting) -> Result<Shown, String> {
    let given = layers.find(setting)?;
    Ok(match given {
        Some(given) => {
            let value =
                if setting.shape == Shape::Secret { "[set]".to_owned() } else { given.values.join(", ") };
            Shown { setting, value: Some(value), source: given.source }
        }
        None => Shown { setting, value: default_text(layers, setting), source: Source::Default },
    })
}

impl Shown {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "key": self.setting.key,
            "value": self.value,
            "source": self.source.kind(),
            "from": self.source.to_string(),
            "flag": self.setting.flag,
            "environment": self.setting.variable,
            "in_file": self.setting.in_file,
            "about": self.setting.about,
        })
    }

    fn value(&self) -> String {
        self.value.clone().unwrap_or_else(|| "-".to_owned())
    }
}

fn plain(shown: &[Shown]) -> String {
    table(["SETTING", "VALUE"], shown.iter().map(|shown| [shown.setting.key.to_owned(), shown.value()]))
}

fn explained(shown: &[Shown]) -> String {
    let row = |shown: &Shown| {
        [
            shown.setting.key.to_owned(),
            shown.value(),
            shown.source.to_string(),
            shown.setting.flag.unwrap_or("-").to_owned(),
            shown.setting.variable.to_owned(),
            shown.setting.about.to_owned(),
        ]
    };
    table(["SETTING", "VALUE", "FROM", "FLAG", "ENVIRONMENT", "WHAT IT IS"], shown.iter().map(row))
}
