//! `cargo xtask attack`: hostile code in the place of hosted code, and what each layer of the sandbox makes of it.

mod bare;
mod cap;
mod capability;
mod case;
mod client;
mod disk;
mod hosted;
mod jail;
mod native;
mod neighbour;
mod node;
mod outside;
mod quota;
mod seen;
mod socket;
mod stage;
mod watch;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bare::Bare;
use cap::Cap;
use case::{Case, Kind, Variant};
use neighbour::{Figures, Neighbour};
use node::{Node, Setting};
use seen::{Part, Seen, Tally};

use crate::report::Outcome;
use crate::{Result, interrupted, programs, setup, signals};

/// The programs that the suite starts.
pub(crate) struct Programs {
    smcp: PathBuf,
    prober: PathBuf,
    jail: PathBuf,
    outside: PathBuf,
}

/// One attempt that a node of its own is needed for.
type Waiting<'a> = (&'a Case, &'a str, Variant);

/// All cases, or those whose name contains `only`; three times if it is to be `full`.
pub(crate) fn run(full: bool, only: Option<&str>) -> Result<Outcome> {
    let began = Instant::now();
    signals::note()?;
    setup::npm(&["runtime"])?;
    println!("building smcp and the prober");
    let [smcp, prober, jail, outside] = programs::attack()?;
    let programs = Programs { smcp, prober, jail, outside };
    let landlock = programs::landlock_version(&programs.prober)?;
    let cases = case::all(only, landlock)?;
    let mut tally = Tally::default();
    what_is_missing(&mut tally);
    let mut total = [Figures::default(), Figures::default()];
    for round in 0..if full { 3 } else { 1 } {
        if round > 0 {
            println!("\nround {}", round + 1);
        }
        for (total, figures) in total.iter_mut().zip(attack(&cases, &programs, &mut tally)?) {
            total.add(&figures);
        }
    }
    let [quiet, meanwhile] = total;
    let neighbour =
        format!("neighbour while attacked: {}\nneighbour when quiet: {}", meanwhile.shown(), quiet.shown());
    let well = tally.close(&neighbour);
    println!("{:.1} minutes", began.elapsed().as_secs_f64() / 60.0);
    Ok(Outcome::Verdict(well))
}

/// Says what cannot be tried on this machine. Nothing is passed over in silence.
fn what_is_missing(tally: &mut Tally) {
    if !nix::unistd::geteuid().is_root() {
        tally.cannot(
            "not root: layers that need it (uid, cgroups) are missing, and what they stop is not tried"
                .to_owned(),
        );
    }
}

fn attack(cases: &[Case], programs: &Programs, tally: &mut Tally) -> Result<[Figures; 2]> {
    let of = |kind| cases.iter().filter(|case| case.kind == kind).collect::<Vec<_>>();
    let new = [Kind::Capability, Kind::Socket, Kind::Client, Kind::Quota, Kind::Disk, Kind::FullDisk]
        .into_iter()
        .flat_map(of)
        .collect::<Vec<_>>();
    capability::run(&new, programs, tally)?;
    if new.len() == cases.len() {
        return Ok(Default::default());
    }
    let mut node = Node::start(&setting(programs, &[], None))?;
    let neighbour = node.neighbour()?;
    let mut total = native::run(&of(Kind::Native), programs, &neighbour, tally)?;
    let mut parts = BTreeMap::new();
    let mut waiting = Vec::new();
    for case in of(Kind::Hosted) {
        let (part, figures, left) = with_everything_on(&mut node, &neighbour, case)?;
        total.iter_mut().zip(&figures).for_each(|(total, figures)| total.add(figures));
        parts.insert(case.name.clone(), (part, figures));
        waiting.extend(left);
    }
    drop(neighbour);
    drop(node);
    if let [case] = of(Kind::NativeServer)[..] {
        let mut node =
            Node::start(&Setting { prober: Some(&programs.prober), ..setting(programs, &[], None) })?;
        let neighbour = node.neighbour()?;
        let (part, figures, left) = with_everything_on(&mut node, &neighbour, case)?;
        debug_assert!(left.is_empty(), "its only layer is the gateway");
        total.iter_mut().zip(&figures).for_each(|(total, figures)| total.add(figures));
        tally.add(part, Some(&figures));
    }
    with_layers_off(waiting, programs, &mut parts, tally)?;
    for (part, figures) in parts.into_values() {
        tally.add(part, Some(&figures));
    }
    Ok(total)
}

fn setting<'a>(programs: &'a Programs, without: &'a [&'a str], cap: Option<&'a Cap>) -> Setting<'a> {
    Setting { smcp: &programs.smcp, prober: None, without, cap }
}

/// Attacks with every layer on, and in all variants for which this node is right as it is. Gives the others back.
fn with_everything_on<'a>(
    node: &mut Node,
    neighbour: &Neighbour,
    case: &'a Case,
) -> Result<(Part<'a>, [Figures; 2], Vec<Waiting<'a>>)> {
    interrupted()?;
    let mut part = Part::of(case);
    let all_on = Variant::all_on();
    let length = Duration::from_secs(case.seconds.min(2));
    let figures = neighbour::beside(neighbour, length, |time| {
        let mut again = Part::of(case);
        for row in case.rows() {
            again.add(row, &all_on, &hosted::attempt(node, case, row, &all_on)?);
        }
        if time == 0 {
            part = again
        } else {
            part.repeated(again)
        }
        Ok(())
    })?;
    let mut waiting = Vec::new();
    for variant in case.variants() {
        let here =
            variant.switched_off().is_empty() && !variant.without.iter().any(|layer| layer == "egress");
        for row in case.rows() {
            if here {
                let seen = hosted::attempt(node, case, row, &variant)?;
                part.add(row, &variant, &seen);
            } else {
                waiting.push((case, row, variant.clone()));
            }
        }
    }
    Ok((part, figures, waiting))
}

/// Everything that needs a platform with layers off, inside the cap; one platform for each set of layers.
fn with_layers_off<'a>(
    waiting: Vec<Waiting<'a>>,
    programs: &Programs,
    parts: &mut BTreeMap<String, (Part<'a>, [Figures; 2])>,
    tally: &mut Tally,
) -> Result<()> {
    let mut groups: BTreeMap<Vec<String>, Vec<Waiting<'_>>> = BTreeMap::new();
    for attempt in waiting {
        let off = attempt.2.switched_off().into_iter().map(str::to_owned).collect();
        groups.entry(off).or_default().push(attempt);
    }
    for (off, attempts) in groups {
        let off: Vec<&str> = off.iter().map(String::as_str).collect();
        println!("\nwithout {}", if off.is_empty() { "the platform".to_owned() } else { off.join(", ") });
        let cap = Cap::new("attack");
        cap.missing.iter().for_each(|missing| tally.cannot(format!("no outer cap: {missing}")));
        let mut node = match off.is_empty() {
            true => None,
            false => Some(Node::start(&setting(programs, &off, Some(&cap)))?),
        };
        for (case, row, variant) in attempts {
            interrupted()?;
            let seen = match &mut node {
                Some(node) => hosted::attempt(node, case, row, &variant)?,
                None => past_the_platform(case, row, programs, &cap),
            };
            if let Some((part, _)) = parts.get_mut(&case.name) {
                part.add(row, &variant, &seen);
            }
        }
    }
    Ok(())
}

/// The control of what never leaves the platform: a bare workerd, in a network that holds nothing but targets of ours.
fn past_the_platform(case: &Case, row: &str, programs: &Programs, cap: &Cap) -> Seen {
    let bare = match Bare::start(case, &programs.prober, cap) {
        Ok(bare) => bare,
        Err(error) => return Seen::Broken(error.to_string()),
    };
    let (address, target) = bare.attacked();
    let calls = hosted::call(case, row, &address, &target);
    let attackers = || bare.attackers();
    hosted::watch(case, &calls, &hosted::Field { attackers: &attackers, other_side: bare.id(), log: &|| 0 })
}
