//! Cases of the disk: files and rows that were changed while the platform was stopped, and a disk that is full.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use serde_json::json;

use super::Programs;
use super::capability::{Observed, control_of, judge};
use super::case::{Case, Kind, Variant};
use super::seen::{Part, Seen, Tally};
use super::stage::{Actor, CANARY, Stage};
use crate::process::Program;
use crate::{Result, interrupted};

/// All of them on one platform: everything is planted, then harmed at once, looked at, put right again, and looked at.
pub(super) fn run(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    let harmed: Vec<&Case> = cases.iter().copied().filter(|case| case.kind == Kind::Disk).collect();
    if !harmed.is_empty() {
        harm(&harmed, programs, tally)?;
    }
    match cases.iter().find(|case| case.kind == Kind::FullDisk) {
        Some(case) => full(case, programs, tally),
        None => Ok(()),
    }
}

fn harm(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    let mut stage = Stage::start(programs, cases, false)?;
    stage.plant()?;
    let mut planted = Vec::new();
    for case in cases {
        planted.push(stage.ask(actor(case), &json!({"case": case.name, "row": "plant", "canary": CANARY}))?);
    }
    let tenants = [Actor::Hostile, Actor::Owner].map(|actor| stage.id_of(actor));
    let [attacker, neighbour] = tenants;
    let (attacker, neighbour) = (attacker?, neighbour?);
    let whole = stage.folder.path().join("whole");
    let mut stage = stage.restart(programs, |data| {
        Program::new("cp").arg("-a").args([data, &whole]).stdout()?;
        let orders = cases.iter().zip(&planted).flat_map(|(case, told)| {
            let meant = |order: &String| {
                let order = order.replace("{attacker}", &attacker).replace("{neighbour}", &neighbour);
                order.replace("{data}", &data.to_string_lossy()).replace("{planted}", told)
            };
            case.harm.iter().map(meant)
        });
        // Rows first: a damaged file has none.
        let (rows, files): (Vec<_>, Vec<_>) = orders.partition(|order| order.starts_with("sql "));
        rows.iter().chain(&files).try_for_each(|order| {
            carry_out(order, data, programs).map_err(|error| format!("`{order}`: {error}").into())
        })
    })?;
    let mut parts = Vec::new();
    for case in cases {
        let mut part = Part::of(case);
        for row in case.rows() {
            part.add(row, &Variant::all_on(), &attempt(&mut stage, case, row)?);
        }
        parts.push(part);
    }
    let mut stage = stage.restart(programs, |data| {
        fs::remove_dir_all(data)?;
        Ok(fs::rename(&whole, data)?)
    })?;
    for (case, mut part) in cases.iter().zip(parts) {
        interrupted()?;
        for row in case.rows() {
            part.add(row, &control_of(case), &attempt(&mut stage, case, row)?);
        }
        tally.add(part, None);
    }
    Ok(())
}

fn actor(case: &Case) -> Actor {
    if case.with == "neighbour" { Actor::Owner } else { Actor::Hostile }
}

fn attempt(stage: &mut Stage, case: &Case, row: &str) -> Result<Seen> {
    stage.outside.since()?;
    let told = match stage.ask(actor(case), &json!({"case": case.name, "row": row, "canary": CANARY})) {
        Ok(told) if told.contains("is harmed") => return Ok(Seen::Broken(told)),
        Ok(told) => told,
        Err(error) => return Ok(Seen::Broken(error.to_string())),
    };
    let (heard, reached) = stage.outside.since()?;
    Ok(judge(case, &Observed { told: &told, heard: &heard, reached: &reached, log: "", secret: "" }))
}

/// `sql FILE STATEMENTS`, `flip FOLDER LEAST MOST` (sizes), `named FOLDER PART-OF-NAME` or `pages FILE`.
fn carry_out(order: &str, data: &Path, programs: &Programs) -> Result<()> {
    let mut words = order.splitn(3, ' ');
    let (what, place, rest) =
        (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let place = data.join(place);
    match what {
        Some("sql") => Program::new(&programs.outside).arg("sql").arg(&place).arg(rest).stdout().map(drop),
        Some("pages") => flip(&place, 4096),
        Some("flip") => {
            let (least, most) = rest.split_once(' ').ok_or("two sizes")?;
            let sizes = least.parse::<u64>()?..=most.parse::<u64>()?;
            each(&place, |file, size| sizes.contains(&size) && !file.ends_with(".tmp"))
        }
        Some("named") => each(&place, |file, _| file.contains(rest)),
        _ => Err("no such harm".into()),
    }
}

/// Harms all files below a folder that are meant; it must be one at least.
fn each(folder: &Path, meant: impl Fn(&str, u64) -> bool) -> Result<()> {
    let mut all = Vec::new();
    below(folder, &mut all)?;
    all.retain(|file| {
        let size = fs::metadata(file).map_or(0, |about| about.len());
        meant(&file.file_name().unwrap_or_default().to_string_lossy(), size)
    });
    if all.is_empty() {
        return Err(format!("nothing to harm below {}", folder.display()).into());
    }
    all.iter().try_for_each(|file| flip(file, 64))
}

fn below(folder: &Path, all: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { below(&path, all)? } else { all.push(path) }
    }
    Ok(())
}

/// Turns every bit of a file from there on.
fn flip(file: &Path, from: usize) -> Result<()> {
    let mut bytes = fs::read(file)?;
    bytes.iter_mut().skip(from).for_each(|byte| *byte = !*byte);
    Ok(fs::write(file, bytes)?)
}

/// Every row on a platform of its own, whose data is on a disk of 48 MiB, in a mount namespace of this thread.
fn full(case: &Case, programs: &Programs, tally: &mut Tally) -> Result<()> {
    let mut part = Part::of(case);
    let own = unshare(CloneFlags::CLONE_NEWNS).map_err(Into::into);
    if let Err(error) = own.and_then(|()| mount(&["--make-rprivate", "/"])) {
        println!("{}: no small disk can be mounted here: {error}", case.name);
        part.add("-", &control_of(case), &Seen::Impossible(format!("no small disk: {error}")));
        tally.add(part, None);
        return Ok(());
    }
    for row in case.rows() {
        interrupted()?;
        let disk = tempfile::Builder::new().prefix("smcp-attack-").tempdir()?;
        mount(&["-t", "tmpfs", "-o", "size=48m", "tmpfs", &disk.path().to_string_lossy()])?;
        // What has just ended may still have files open.
        let filled = fill(case, row, programs, disk.path(), &mut part);
        Program::new("umount").arg("--lazy").arg(disk.path()).stdout()?;
        filled?;
    }
    tally.add(part, None);
    Ok(())
}

fn mount(words: &[&str]) -> Result<()> {
    Program::new("mount").args(words).stdout().map(drop)
}

fn fill(case: &Case, row: &str, programs: &Programs, disk: &Path, part: &mut Part<'_>) -> Result<()> {
    let stage = Stage::start_at(programs, &[case], disk)?;
    let seen = |control: bool| {
        let told = stage.ask(Actor::Hostile, &json!({"case": case.name, "row": row, "control": control}));
        match told {
            Ok(told) => judge(case, &Observed { told: &told, heard: &[], reached: &[], log: "", secret: "" }),
            Err(error) => Seen::Broken(error.to_string()),
        }
    };
    // As a control, less than the disk has room for.
    part.add(row, &control_of(case), &seen(true));
    part.add(row, &Variant::all_on(), &seen(false));
    Ok(())
}
