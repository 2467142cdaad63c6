//! `smcp login`, `logout` and `whoami`: the key that commands use.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use smcp_api::WhoAmI;
use smcp_client::Endpoint;
use smcp_types::Secret;

use super::{
    Context,
    connection::{Connection, connect},
    failure::Failure,
    table::pairs,
    terminal,
};
use crate::config::{ClientSettings, Flags, forget_key, parse_key, store_login};

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Read the key from this file; otherwise from the terminal, or from standard input if that is none
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(crate) fn login(context: &Context, args: &LoginArgs) -> Result<(), Failure> {
    let file = config_file(context)?;
    let settings = ClientSettings::read(&context.layers(Flags::new())?).map_err(Failure::settings)?;
    let asks = args.key_file.is_none() && terminal::is_there();
    let endpoint = match &context.global.endpoint {
        None if asks => ask_endpoint(settings.endpoint)?,
        Some(_) | None => settings.endpoint,
    };
    let key = read_key(args, asks, &endpoint)?;
    let who = connect(endpoint.clone(), key.clone()).whoami()?;
    keep_previous(context, &file);
    let stored = store_login(&file, &endpoint, &key);
    stored.map_err(|error| Failure::ours(format!("cannot write {}: {error}", file.display())))?;
    context.out.talk(&format!("stored in {}", file.display()));
    if context.environment.text("SMCP_KEY").is_ok_and(|key| key.is_some()) {
        context.out.talk("SMCP_KEY is set here and goes before what is stored");
    }
    show(context, &who, &endpoint)
}

/// A key is shown once, so the one that was stored here is not overwritten: the file is kept beside the new one.
fn keep_previous(context: &Context, file: &Path) {
    let previous = file.with_extension("toml.previous");
    if fs::copy(file, &previous).is_ok() {
        context.out.talk(&format!("what was stored before is kept in {}", previous.display()));
    }
}

pub(crate) fn logout(context: &Context) -> Result<(), Failure> {
    let file = config_file(context)?;
    let forgotten = forget_key(&file);
    let forgotten =
        forgotten.map_err(|error| Failure::ours(format!("cannot change {}: {error}", file.display())))?;
    context.out.data(&serde_json::json!({ "forgotten": forgotten }), || {
        let words = if forgotten { "the key is forgotten here" } else { "no key is stored" };
        words.to_owned()
    })?;
    if forgotten {
        context.out.talk("it goes on working wherever else it is kept; smcp keys revoke ends it");
    }
    Ok(())
}

pub(crate) fn whoami(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let who = connection.client.whoami()?;
    show(context, &who, connection.client.endpoint())
}

fn show(context: &Context, who: &WhoAmI, endpoint: &Endpoint) -> Result<(), Failure> {
    context.out.data(who, || {
        pairs([
            ("endpoint", endpoint.to_string()),
            ("principal", who.principal.clone()),
            ("tenant", who.tenant.clone()),
            ("roles", who.roles.join(", ")),
        ])
    })
}

fn config_file(context: &Context) -> Result<PathBuf, Failure> {
    context.environment.config_file().ok_or_else(|| {
        Failure::input("there is no HOME to keep a key in").hint("the variable SMCP_KEY gives one for once")
    })
}

fn ask_endpoint(default: Endpoint) -> Result<Endpoint, Failure> {
    let answer = terminal::ask(&format!("Platform [{default}]: "))
        .map_err(|error| unreadable("the terminal", &error))?;
    match answer.trim() {
        "" => Ok(default),
        text => text.parse().map_err(|why| Failure::input(format!("the platform's URL {why}"))),
    }
}

fn read_key(args: &LoginArgs, asks: bool, endpoint: &Endpoint) -> Result<Secret<String>, Failure> {
    let text = match &args.key_file {
        Some(file) => {
            let text = fs::read_to_string(file).map(Secret::new);
            text.map_err(|error| unreadable(&file.display().to_string(), &error))?
        }
        None if asks => {
            let key = terminal::ask_secret(&format!("API key for {endpoint} (not shown): "));
            key.map_err(|error| unreadable("the terminal", &error))?
        }
        None => terminal::read_line().map_err(|error| unreadable("standard input", &error))?,
    };
    parse_key(text.expose().trim()).map_err(|why| Failure::input(format!("what was given {why}")))
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::input(format!("cannot read {what}: {error}"))
}
