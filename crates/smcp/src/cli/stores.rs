//! What `smcp kv`, `smcp objects` and `smcp d1` share.

use std::{
    io::{self, IsTerminal as _, Read, Write as _},
    path::Path,
};

use clap::Args;
use smcp_api::StoreList;

use super::{Context, failure::Failure, table::table};

#[derive(Debug, Args)]
pub(crate) struct StoreArg {
    /// The namespace or bucket, as `smcp.toml` or `list` names it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Shows which there are and how much of the quota they take.
pub(crate) fn list(
    context: &Context,
    (name, entries): (&str, &str),
    list: &StoreList,
) -> Result<(), Failure> {
    let rows = list.items.iter().map(|store| [store.name.clone(), store.entries.to_string()]);
    context.out.data(list, || table([name, entries], rows))?;
    let (used, quota) = (list.used_bytes, list.quota_bytes);
    context.out.talk(&format!("{used} of {quota} bytes are used by KV and objects together"));
    Ok(())
}

/// Writes foreign bytes to standard output as they are, but not to a terminal, which obeys what it reads.
pub(crate) fn raw_to_stdout(mut from: impl Read) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        let mut text = Vec::new();
        from.by_ref().take(64 << 10).read_to_end(&mut text).map_err(|error| broken_off(&error))?;
        let safe = super::text::safe_lines(&String::from_utf8_lossy(&text));
        return writeln!(out, "{safe}").map_err(|error| unwritable(Path::new("standard output"), &error));
    }
    match io::copy(&mut from, &mut out).and_then(|_| out.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::quiet()),
        Err(error) => Err(broken_off(&error)),
        Ok(()) => Ok(()),
    }
}

pub(crate) fn unreadable(what: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("cannot read {}: {error}", what.display()))
}

pub(crate) fn unwritable(what: &Path, error: &io::Error) -> Failure {
    Failure::input(format!("cannot write {}: {error}", what.display()))
}

pub(crate) fn broken_off(error: &io::Error) -> Failure {
    Failure::ours(format!("it broke off: {error}"))
}
