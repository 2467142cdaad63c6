//! The native prober in the jail, one attempt after the other, through `attack-jail`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::json;

use super::case::{Case, Variant};
use super::seen::Seen;
use crate::Result;

/// The helper that starts jailed processes, and ends them when it ends.
pub(super) struct Jail {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

/// What `attack-jail` says of one process.
#[derive(Deserialize)]
struct Report {
    process: i32,
    said: String,
    complained: String,
    signal: Option<i32>,
    code: Option<i32>,
    out_of_memory: bool,
    late: bool,
    error: Option<String>,
}

impl Jail {
    pub(super) fn start(program: &Path, smcp: &Path, prober: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.args([smcp, prober, folder]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let orders = child.stdin.take().ok_or("no input")?;
        let reports = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, orders, reports })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    fn order(&mut self, order: &serde_json::Value) -> Result<Report> {
        writeln!(self.orders, "{order}")?;
        let mut line = String::new();
        if self.reports.read_line(&mut line)? == 0 {
            return Err("attack-jail has ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Starts a jailed neighbour that stays; gives its number and what it says about itself.
    pub(super) fn neighbour(&mut self, without: &[&str]) -> Result<String> {
        let report = self.order(&json!({
            "text": "victim", "without": without, "bare": false, "hardened": false, "server": 1, "stays": true,
            "limits": {},
        }))?;
        match report.error {
            Some(error) => Err(error.into()),
            // Inside it has another number.
            None => Ok(format!("{} process={}", report.said.trim(), report.process)),
        }
    }

    /// One attempt of a case.
    pub(super) fn attempt(
        &mut self,
        case: &Case,
        row: &str,
        variant: &Variant,
        targets: &str,
    ) -> Result<Seen> {
        let off = |name: &str| variant.without.iter().any(|layer| layer == name);
        let report = self.order(&json!({
            "text": format!("probe {} {row} {targets}", case.probe),
            "without": variant.switched_off(),
            "bare": off("launcher"),
            "hardened": case.sandbox.as_deref() == Some("hardened") && !off("hardened"),
            "server": 0,
            "limits": case.limits,
            "stays": false,
        }))?;
        Ok(judge(report))
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        // It has no state; what it started ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn judge(report: Report) -> Seen {
    if let Some(error) = report.error {
        return Seen::Broken(format!("not started: {error}"));
    }
    let last = report.said.lines().last().unwrap_or_default();
    if let Some(what) = last.strip_prefix("succeeded ") {
        return Seen::Succeeded(what.to_owned());
    }
    if let Some(why) = last.strip_prefix("impossible ") {
        return Seen::Impossible(why.to_owned());
    }
    if !report.said.contains("started\n") {
        let end =
            report.signal.map_or(format!("code {:?}", report.code), |signal| format!("signal {signal}"));
        return Seen::Broken(format!(
            "it did not begin: {end}, {} {}",
            report.said,
            report.complained.trim()
        ));
    }
    if let Some(error) = last.strip_prefix("refused ") {
        return Seen::Refused(error.to_owned());
    }
    if report.late {
        return Seen::Broken("still running after 10 s".to_owned());
    }
    match report.signal.map(Signal::try_from) {
        Some(Ok(Signal::SIGKILL)) if report.out_of_memory => {
            Seen::Refused("SIGKILL, out of memory".to_owned())
        }
        // A file that may have no bytes ends who writes one.
        Some(Ok(signal @ (Signal::SIGSYS | Signal::SIGKILL | Signal::SIGXFSZ))) => {
            Seen::Refused(signal.to_string())
        }
        // Memory that is refused ends a Rust program so.
        Some(Ok(Signal::SIGABRT)) => Seen::Refused(format!("SIGABRT {}", report.complained.trim())),
        _ => Seen::Broken(format!(
            "ended with {:?} {:?}: {}",
            report.code,
            report.signal,
            report.complained.trim()
        )),
    }
}
