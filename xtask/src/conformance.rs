//! `cargo xtask conformance`: the official suite against one server, bare and through the platform, scenario by scenario.

mod bare;
mod suite;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use crate::platform::{Platform, Start};
use crate::process::Program;
use crate::programs::{self, Profile};
use crate::report::{Columns, Outcome};
use crate::smoke::{TENANT, WRONG_KEY, create_key};
use crate::{Result, setup, signals, workspace};
use bare::Bare;
use suite::{Part, Release, Scenarios, Target};

const FOLDER: &str = "tests/conformance";
/// The suite as it was last released.
const STABLE_FOLDER: &str = "tests/conformance/stable";
/// Every revision that the suite knows.
const REVISIONS: [Part; 4] = [
    of_revision(
        "2025-03-26",
        &["--suite", "all", "--timeout", "8000", "--spec-version", "2025-03-26"],
        [1, 1],
    ),
    of_revision(
        "2025-06-18",
        &["--suite", "all", "--timeout", "8000", "--spec-version", "2025-06-18"],
        [27, 25],
    ),
    of_revision(
        "2025-11-25",
        &["--suite", "all", "--timeout", "8000", "--spec-version", "2025-11-25"],
        [33, 29],
    ),
    of_revision(
        "2026-07-28",
        &["--suite", "all", "--timeout", "8000", "--spec-version", "2026-07-28"],
        [40, 40],
    ),
];
/// What `--full` runs besides.
const BESIDES: [Part; 2] = [
    Part { release: Release::Stable, ..of_revision("0.1.16 active", &["--suite", "active"], [30, 26]) },
    Part {
        prefixes: &["tasks-", "sep-2640-"],
        // One of them has been put off by the suite and checks nothing.
        ..of_revision("extensions", &["--suite", "all", "--timeout", "8000"], [13, 13])
    },
];

/// Everything that the newest suite has for a revision.
const fn of_revision(name: &'static str, words: &'static [&'static str], reference: [usize; 2]) -> Part {
    let [reference, reference_without_sessions] = reference;
    Part { name, release: Release::Newest, words, prefixes: &[], reference, reference_without_sessions }
}

/// The same server with its sessions in another place.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    /// Of its entry module, its service, and, behind `conf-`, its server.
    name: &'static str,
    manifest: &'static str,
    has_sessions: bool,
}

const VARIANTS: [Variant; 3] = [
    Variant { name: "session", manifest: "", has_sessions: true },
    Variant {
        name: "durable",
        manifest: "[[durable_objects]]\nbinding = \"EVERYTHING\"\nclass = \"Everything\"\n",
        has_sessions: true,
    },
    Variant { name: "stateless", manifest: "", has_sessions: false },
];

/// What one variant gave in one part of the suite.
struct Row {
    variant: Variant,
    part: Part,
    bare: Scenarios,
    through: Scenarios,
}

impl Row {
    fn reference(&self) -> usize {
        if self.variant.has_sessions { self.part.reference } else { self.part.reference_without_sessions }
    }
}

/// Sessions in memory and in a Durable Object on every revision; with `full`, the variant without sessions, the suite's last
/// release and the extensions too.
pub(crate) fn run(full: bool, profile: Profile) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", FOLDER])?;
    if full {
        setup::npm(&[STABLE_FOLDER])?;
    }
    let smcp = programs::smcp(profile)?;
    let folder = tempfile::Builder::new().prefix("smcp-conformance-").tempdir()?;
    let parts: Vec<Part> = REVISIONS.into_iter().chain(BESIDES.into_iter().filter(|_| full)).collect();
    let variants = if full { &VARIANTS[..] } else { &VARIANTS[..2] };
    for variant in VARIANTS {
        bundle(variant, folder.path())?;
    }
    let bare = Bare::start(&workspace::root().join(FOLDER).join("bare.capnp"), folder.path())?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp,
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let said = compare(&platform, &bare, (variants, &parts), folder.path());
    // The platform is ended as it stands, not drained: the suite leaves calls behind that nobody waits for.
    said.map_err(|error| platform.with_log(&error.to_string()).into())
}

/// One module of a variant, for both sides.
fn bundle(variant: Variant, to: &Path) -> Result<()> {
    let here = workspace::root().join(FOLDER);
    let out = to.join(format!("{}.js", variant.name));
    Program::new(here.join("node_modules/.bin/esbuild"))
        .arg(format!("server/{}.js", variant.name))
        .args(["--bundle", "--format=esm", "--target=esnext", "--conditions=workerd,worker,browser"])
        .args(["--external:cloudflare:*", "--log-level=warning"])
        .arg(format!("--outfile={}", out.display()))
        .within(&here)
        .stdout()
        .map(drop)
}

fn compare(
    platform: &Platform,
    bare: &Bare,
    (variants, parts): (&[Variant], &[Part]),
    scratch: &Path,
) -> Result<Outcome> {
    let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
    platform.cli(Some(first), &["tenants", "create", TENANT])?;
    let [publisher, user] = ["admin", "mcp_user"].map(|role| create_key(platform, Some(first), role));
    let (publisher, user) = (publisher?, user?);
    let mut rows = Vec::new();
    let mut wrong = Vec::new();
    for variant in variants {
        println!("running the suite against the {} variant", variant.name);
        let url = deploy(platform, *variant, &publisher, scratch)?;
        for part in parts {
            let bare = Target { url: &bare.url(variant.name)?, key: None };
            let through = Target { url: &url, key: Some(&user) };
            let [bare, through] = both(&bare, &through, part, scratch)?;
            rows.push(Row { variant: *variant, part: *part, bare, through });
        }
        let stranger = Target { url: &url, key: Some(WRONG_KEY) };
        for part in parts {
            let passing = suite::run(&stranger, part, scratch)?.into_iter().filter(|(_, it)| it.shows());
            wrong.extend(passing.map(|(name, _)| format!("{} {} {name}", variant.name, part.name)));
        }
    }
    close(&rows, &wrong)
}

/// Both sides at once: neither waits for the other, and most of the time is spent waiting.
fn both(bare: &Target<'_>, through: &Target<'_>, part: &Part, scratch: &Path) -> Result<[Scenarios; 2]> {
    thread::scope(|scope| {
        let side = scope.spawn(|| suite::run(bare, part, scratch));
        let through = suite::run(through, part, scratch)?;
        let bare = side.join().map_err(|_| "the suite's thread panicked")??;
        Ok([bare, through])
    })
}

fn deploy(platform: &Platform, variant: Variant, publisher: &str, scratch: &Path) -> Result<String> {
    let project = scratch.join(format!("conf-{}", variant.name));
    fs::create_dir_all(&project)?;
    fs::copy(scratch.join(format!("{}.js", variant.name)), project.join("main.js"))?;
    let head = format!(
        "manifest = 1\nname = \"conf-{}\"\nmain = \"main.js\"\ncompatibility_date = \"2026-04-26\"\n",
        variant.name
    );
    fs::write(project.join("smcp.toml"), head + variant.manifest)?;
    let words = ["deploy", &project.to_string_lossy(), "--tenant", TENANT];
    let deployed = platform.cli(Some(publisher), &words)?;
    deployed["url"].as_str().map(str::to_owned).ok_or_else(|| format!("no url in {deployed}").into())
}

/// The table, what is worse through the platform, and the figures.
fn close(rows: &[Row], wrong: &[String]) -> Result<Outcome> {
    let passing = |scenarios: &Scenarios| scenarios.values().filter(|it| it.passes()).count();
    let headings = ["variant", "revision", "scenarios>", "reference>", "bare>", "platform>"];
    let mut table = Columns::new(&headings);
    let (mut passed, mut failed, mut below) = (0, 0, Vec::new());
    for row in rows {
        let Row { variant, part: Part { name: part, .. }, bare, through } = row;
        let counts = [bare.len(), row.reference(), passing(bare), passing(through)];
        let cells = counts.map(|count| count.to_string());
        table.row(&[&[variant.name.to_owned(), (*part).to_owned()][..], &cells[..]].concat());
        if passing(bare) < row.reference() {
            below.push(format!("{} {part}: {} of {}", variant.name, passing(bare), row.reference()));
        }
        for (name, result) in bare.iter().filter(|(_, result)| result.passes()) {
            let other = through.get(name);
            if other.is_some_and(|other| other.passes()) {
                passed += 1;
            } else {
                failed += 1;
                println!("FAILED {} {part} {name}: passes bare, not through the platform", variant.name);
            }
            if let Some(other) = other.filter(|other| other.passes() && other.held < result.held) {
                println!("weaker {} {part} {name}: {} of {} checks", variant.name, other.held, result.held);
            }
        }
    }
    println!();
    table.print();
    println!("with a wrong key: {} scenarios pass", wrong.len());
    if !below.is_empty() {
        return Err(format!("the bare server is below its reference: {}", below.join(", ")).into());
    }
    if !wrong.is_empty() {
        let names = wrong.join(", ");
        return Err(format!("with a wrong key pass {names}: nothing above can be believed").into());
    }
    Ok(Outcome::Checks { passed, failed })
}

/// For the modules below: scenarios in the order of their names.
type ByName<T> = BTreeMap<String, T>;
