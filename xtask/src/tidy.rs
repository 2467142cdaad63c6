//! `cargo xtask tidy`: the rules of the house that the compiler and clippy do not check.

mod exceptions;
mod layers;
mod leaks;
mod names;
mod packages;
mod sizes;
mod source;
mod tokens;

use std::fs;

use crate::report::{Columns, Outcome};
use crate::workspace::{self, Metadata};
use crate::{Result, tidy::source::Source};

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    /// A file, `file::function`, a crate or a package.
    pub(crate) place: String,
    /// How big it is, where the rule is about size.
    pub(crate) size: Option<usize>,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(rule: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { rule, place: place.into(), size: None, message: message.into() }
    }
}

/// What one check looked at and found.
pub(crate) struct Checked {
    pub(crate) what: &'static str,
    pub(crate) looked_at: usize,
    pub(crate) findings: Vec<Finding>,
    /// Something worth knowing that breaks no rule.
    pub(crate) note: String,
}

impl Checked {
    pub(crate) fn new(what: &'static str, looked_at: usize, findings: Vec<Finding>) -> Self {
        Self { what, looked_at, findings, note: String::new() }
    }
}

pub(crate) fn run() -> Result<Outcome> {
    let metadata = Metadata::read()?;
    let files = workspace::files()?;
    let sources = read_sources(&files)?;
    let mut checks = vec![
        layers::check(&metadata),
        names::headers(&sources),
        names::names(&metadata, &sources),
        names::imports(&sources),
        tokens::tests(&sources),
        tokens::unsafe_code(&sources),
        sizes::files(&sources),
        sizes::functions(&sources),
    ];
    checks.extend(packages::check(&metadata, &read("deny.toml")?)?);
    checks.extend(leaks::check(&files));
    exceptions::apply(&read("xtask/tidy-exceptions.toml")?, &mut checks)?;
    Ok(print(&checks))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(path)).map_err(|error| format!("{path}: {error}").into())
}

fn read_sources(files: &[String]) -> Result<Vec<Source>> {
    let ours = |path: &&String| {
        path.ends_with(".rs")
            && ["crates/", "xtask/", "tests/", "fuzz/"].iter().any(|dir| path.starts_with(dir))
    };
    files.iter().filter(ours).map(|path| Source::parse(path, &read(path)?)).collect()
}

fn print(checks: &[Checked]) -> Outcome {
    let mut table = Columns::new(&["check", "looked at>", "findings>", "note"]);
    for check in checks {
        let counts = [check.looked_at.to_string(), check.findings.len().to_string()];
        let [looked_at, findings] = counts;
        table.row(&[check.what.to_owned(), looked_at, findings, check.note.clone()]);
    }
    table.print();
    println!();
    for finding in checks.iter().flat_map(|check| &check.findings) {
        println!("{}: {} [{}]", finding.place, finding.message, finding.rule);
    }
    let failed = checks.iter().filter(|check| !check.findings.is_empty()).count();
    Outcome::Checks { passed: checks.len() - failed, failed }
}
