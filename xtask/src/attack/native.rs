//! Native cases: every probe with all layers, with each layer alone, and as a control.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Programs;
use super::cap::Cap;
use super::case::{Case, Variant};
use super::jail::Jail;
use super::neighbour::{Figures, Neighbour, beside};
use super::seen::{Part, Seen, Tally};
use crate::{Result, interrupted};

/// How long a case is attacked while the neighbour is measured.
const MEASURED: Duration = Duration::from_millis(500);

/// What is attacked: processes that run outside of any sandbox.
struct Targets {
    children: Vec<Child>,
    words: String,
    supervisor: String,
}

impl Targets {
    fn start(prober: &Path, folder: &Path) -> Result<Self> {
        let mut targets = Self { children: Vec::new(), words: String::new(), supervisor: String::new() };
        targets.words = targets.one(prober, &["targets", &folder.to_string_lossy()])?;
        targets.supervisor = targets.one(prober, &["victim"])?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
        targets.words = format!("{} host={}", targets.words, host.trim());
        Ok(targets)
    }

    /// Starts one, and reads what it says about itself. It ends when its input does.
    fn one(&mut self, prober: &Path, words: &[&str]) -> Result<String> {
        let mut command = Command::new(prober);
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        self.children.push(child);
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        for child in &mut self.children {
            // They remove what they made, and end.
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

/// All native cases. The whole of it is inside the cap.
pub(super) fn run(
    cases: &[&Case],
    programs: &Programs,
    neighbour: &Neighbour,
    tally: &mut Tally,
) -> Result<[Figures; 2]> {
    let folder = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
    let targets = Targets::start(&programs.prober, folder.path())?;
    let cap = Cap::new("attack");
    cap.missing.iter().for_each(|missing| tally.cannot(format!("no outer cap: {missing}")));
    let mut total = [Figures::default(), Figures::default()];
    let jail = Jail::start(&programs.jail, &programs.smcp, &programs.prober, &folder.path().join("jail"))?;
    cap.hold(jail.id())?;
    let mut range = Range { jail, targets, made: 0 };
    for case in cases {
        interrupted()?;
        let mut part = Part::of(case);
        let figures = beside(neighbour, MEASURED, |time| range.measured(case, time, &mut part))?;
        for variant in case.variants() {
            range.attack(case, &variant, &mut part)?;
        }
        total.iter_mut().zip(&figures).for_each(|(total, figures)| total.add(figures));
        tally.add(part, Some(&figures));
    }
    Ok(total)
}

/// Where natives shoot.
struct Range {
    jail: Jail,
    targets: Targets,
    made: usize,
}

impl Range {
    /// Attacks again and again, with every layer on, while the neighbour is called.
    fn measured<'a>(&mut self, case: &'a Case, time: usize, part: &mut Part<'a>) -> Result<()> {
        let began = Instant::now();
        if time == 0 {
            self.attack(case, &Variant::all_on(), part)?;
        }
        while began.elapsed() < MEASURED {
            let mut again = Part::of(case);
            self.attack(case, &Variant::all_on(), &mut again)?;
            part.repeated(again);
        }
        Ok(())
    }

    /// Every row once.
    fn attack(&mut self, case: &Case, variant: &Variant, part: &mut Part<'_>) -> Result<()> {
        let whom = match case.target.as_deref() {
            Some("neighbour") => match self.jail.neighbour(&variant.switched_off()) {
                Ok(words) => words,
                Err(error) => {
                    part.add("-", variant, &Seen::Broken(format!("no neighbour: {error}")));
                    return Ok(());
                }
            },
            _ => self.targets.supervisor.clone(),
        };
        for row in case.rows() {
            self.made += 1;
            let targets = format!("{whom} {} run={}", self.targets.words, self.made);
            let seen = self.jail.attempt(case, row, variant, &targets)?;
            part.add(row, variant, &seen);
        }
        Ok(())
    }
}
