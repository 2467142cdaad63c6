//! Cases of quotas: writers who race, and a tenant that has filled its own, on a platform that lets everybody store little.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::Programs;
use super::capability::{Observed, control_of, judge};
use super::case::{Case, Variant};
use super::seen::{Part, Seen, Tally};
use super::stage::{Actor, Stage};
use crate::{Result, interrupted};

/// Cases know these numbers.
const LITTLE: &str = "[storage]\ntenant_mb = 8\ndatabase_mb = 2\ndurable_objects_mb = 8\n";
/// How often it is looked at the disk meanwhile.
const GLANCE: Duration = Duration::from_millis(5);

/// All of them with little to store, then again with the usual quotas, where every race must store more than that. The
/// control of those in which two tenants meet is that the other one has used up its own. Cases that leave their server
/// over its quota come last, by their names.
pub(super) fn run(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    let mut stage = Stage::start_storing(programs, cases, LITTLE)?;
    stage.plant()?;
    let mut parts = BTreeMap::new();
    for case in cases {
        let mut part = Part::of(case);
        for row in case.rows() {
            interrupted()?;
            part.add(row, &Variant::all_on(), &attempt(&stage, case, row, Actor::Hostile)?);
            if !is_race(case) {
                part.add(row, &control_of(case), &attempt(&stage, case, row, Actor::Owner)?);
            }
        }
        parts.insert(&case.name, part);
    }
    stage.store("")?;
    let stage = stage.restart(programs, |_| Ok(()))?;
    for case in cases {
        let Some(mut part) = parts.remove(&case.name) else { continue };
        for row in case.rows().into_iter().filter(|_| is_race(case)) {
            interrupted()?;
            part.add(row, &control_of(case), &attempt(&stage, case, row, Actor::Hostile)?);
        }
        tally.add(part, None);
    }
    Ok(())
}

fn is_race(case: &Case) -> bool {
    case.goal.kept.is_some() || case.goal.disk.is_some()
}

fn attempt(stage: &Stage, case: &Case, row: &str, filler: Actor) -> Result<Seen> {
    if is_race(case) { race(stage, case, row) } else { meet(stage, case, row, filler) }
}

/// Has everything written at once, and counts what was acknowledged and what is on the disk, at any moment.
fn race(stage: &Stage, case: &Case, row: &str) -> Result<Seen> {
    let folder = stage.data().join(case.watched.replace("{attacker}", &stage.id_of(Actor::Hostile)?));
    let over = AtomicBool::new(false);
    let (told, most) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&folder, &over));
        let told = stage.ask(Actor::Hostile, &json!({"case": case.name, "row": row}));
        over.store(true, Ordering::Relaxed);
        (told, watching.join().unwrap_or_default())
    });
    let told = match told {
        Ok(told) => told,
        // The process of a server whose objects keep too much is ended with its calls.
        Err(error) if case.goal.kept.is_none() && error.to_string().contains("storage.") => error.to_string(),
        Err(error) => return Ok(Seen::Broken(error.to_string())),
    };
    let kept = told.strip_prefix("kept ").and_then(|rest| rest.split([' ', ':']).next()?.parse::<u64>().ok());
    if case.goal.kept.is_some() && kept.is_none() {
        return Ok(Seen::Broken(format!("it does not say how much is kept: {told}")));
    }
    let is_more = |found: u64, than: Option<u64>| than.is_some_and(|than| found > than << 20);
    if is_more(kept.unwrap_or_default(), case.goal.kept) || is_more(most, case.goal.disk) {
        return Ok(Seen::Succeeded(format!("{told}; at most {most} bytes were on the disk")));
    }
    match judge(case, &observed(&told)) {
        Seen::Refused(told) => Ok(Seen::Refused(format!("{} MiB on disk: {told}", most.div_ceil(1 << 20)))),
        other => Ok(other),
    }
}

/// Lets one tenant fill its quota, has the case tried as the attacker or, what the owner notices, as the owner, and takes
/// away what filled it.
fn meet(stage: &Stage, case: &Case, row: &str, filler: Actor) -> Result<Seen> {
    let ask = |actor, step: &str| {
        let tenant = stage.stolen["tenant"].clone();
        stage.ask(actor, &json!({"case": case.name, "row": row, "step": step, "tenant": tenant}))
    };
    let filled = ask(filler, "fill")?;
    if !filled.starts_with("filled") {
        return Ok(Seen::Broken(format!("the quota was not filled: {filled}")));
    }
    let told = ask(Actor::Owner, "try")?;
    ask(filler, "free")?;
    Ok(judge(case, &observed(&told)))
}

fn observed(told: &str) -> Observed<'_> {
    Observed { told, heard: &[], reached: &[], log: "", secret: "" }
}

/// The most that was in a folder, until it is over.
fn watch(folder: &Path, over: &AtomicBool) -> u64 {
    let mut most = 0;
    loop {
        let last = over.load(Ordering::Relaxed);
        most = most.max(size(folder));
        if last {
            return most;
        }
        std::thread::sleep(GLANCE);
    }
}

/// What the files below a folder take. They come and go meanwhile.
fn size(folder: &Path) -> u64 {
    let (mut bytes, mut folders) = (0, vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}
