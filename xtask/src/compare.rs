//! `cargo xtask compare`: the same hosted code uses our storage and miniflare's, call by call, and every result is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::platform::{Platform, Start};
use crate::process::Program;
use crate::programs::{self, Profile};
use crate::report::{Outcome, read_closing_line};
use crate::smoke::{TENANT, create_key};
use crate::{Result, setup, signals, workspace};

const FOLDER: &str = "tests/compare";
/// Each capability by its name and the part of a manifest that gives it.
const CAPABILITIES: [(&str, &str); 4] = [
    ("kv", "[[kv]]\nbinding = \"KV\"\n"),
    ("objects", "[[objects]]\nbinding = \"FILES\"\n"),
    ("d1", "[[d1]]\nbinding = \"DB\"\n"),
    ("durable", "[[durable_objects]]\nbinding = \"LEDGER\"\nclass = \"Ledger\"\n"),
];
/// Longer than all of it takes.
const DEADLINE: Duration = Duration::from_secs(600);

/// What to compare.
pub(crate) enum What {
    /// Results of every step.
    Steps,
    /// Operations a second, in so many rounds.
    Speed { rounds: u32 },
}

/// All capabilities, or the one named; with a binary that is there already, or a new one.
pub(crate) fn run(
    what: &What,
    only: Option<&str>,
    built: Option<PathBuf>,
    profile: Profile,
) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime", FOLDER])?;
    let chosen: Vec<_> =
        CAPABILITIES.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        return Err("--only is one of kv, objects, d1, durable".into());
    }
    let smcp = built.map_or_else(|| programs::smcp(profile), Ok)?;
    let folder = tempfile::Builder::new().prefix("smcp-compare-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp,
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let said = compare(&platform, &chosen, folder.path(), what);
    let said = said.map_err(|error| platform.with_log(&error.to_string()))?;
    let (status, left) = platform.stop()?;
    if !status.success() || !left.is_empty() {
        return Err(format!("smcp ended with {status} and left {} processes", left.len()).into());
    }
    close(what, &said)
}

/// Deploys a server for each capability, lets the driver call both sides, and gives what it says.
fn compare(platform: &Platform, chosen: &[(&str, &str)], scratch: &Path, what: &What) -> Result<String> {
    let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
    platform.cli(Some(first), &["tenants", "create", TENANT])?;
    let [publisher, user] = ["admin", "mcp_user"].map(|role| create_key(platform, Some(first), role));
    let (publisher, user) = (publisher?, user?);
    let mut servers = serde_json::Map::new();
    for (name, section) in chosen {
        let project = project(&scratch.join(name), name, section)?;
        let deployed = platform.cli(Some(&publisher), &["deploy", &project, "--tenant", TENANT]);
        let server = match deployed {
            Ok(deployed) => json!({ "url": deployed["url"] }),
            Err(error) => json!({ "refused": reason(&error.to_string()) }),
        };
        servers.insert((*name).to_owned(), server);
    }
    let mut input =
        json!({ "key": user, "servers": servers, "runtime": workspace::root().join(setup::RUNTIME) });
    if let What::Speed { rounds } = what {
        input["loops"] = json!({ "rounds": rounds });
    }
    let driver = Program::new("node").arg("compare.mjs").within(workspace::root().join(FOLDER));
    driver.within_time(DEADLINE).stdout_given(&Value::to_string(&input))
}

/// What a refused deploy says, out of all that the command line printed.
fn reason(said: &str) -> String {
    let error = said.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let message = error.as_ref().and_then(|error| error["error"]["message"].as_str());
    message.unwrap_or(said).to_owned()
}

/// The folder of a server: the modules that miniflare runs too, and a manifest with one capability.
fn project(to: &Path, name: &str, section: &str) -> Result<String> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(workspace::root().join(FOLDER).join("server"))? {
        let from = entry?.path();
        fs::copy(&from, to.join(from.file_name().unwrap_or_default()))?;
    }
    let head = format!(
        "manifest = 1\nname = \"compare-{name}\"\nmain = \"main.js\"\ncompatibility_date = \"2026-04-26\"\n\
         [limits]\nmemory_mb = 512\n"
    );
    fs::write(to.join("smcp.toml"), head + section)?;
    Ok(to.to_string_lossy().into_owned())
}

/// Shows what the driver said; its last line is the outcome of a comparison.
fn close(what: &What, said: &str) -> Result<Outcome> {
    match what {
        What::Speed { .. } => {
            print!("{said}");
            Ok(Outcome::Nothing)
        }
        What::Steps => {
            let (report, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
            println!("{report}");
            let (passed, failed) =
                read_closing_line(last).ok_or_else(|| format!("the driver ended with `{last}`"))?;
            Ok(Outcome::Checks { passed, failed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{What, close, reason};
    use crate::report::Outcome;

    #[test]
    fn a_refused_deploy_is_told_in_its_own_words() {
        let said = "`smcp deploy` failed: exit status: 1\n{\"error\":{\"message\":\"not offered\"}}";
        assert_eq!(reason(said), "not offered");
        assert_eq!(reason("no platform"), "no platform");
    }

    #[test]
    fn only_a_closing_line_is_an_outcome() {
        let outcome = close(&What::Steps, "a table\n3 passed, 1 failed\n").unwrap();
        assert!(matches!(outcome, Outcome::Checks { passed: 3, failed: 1 }));
        for said in ["", "a table\n", "3 passed, 1 failed\nbroke off"] {
            assert!(close(&What::Steps, said).is_err(), "{said:?}");
        }
    }
}
