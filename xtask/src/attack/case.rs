//! A case of the suite as its folder describes it: what is tried, which layers stop it, what must be observed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Result;
use crate::workspace;

/// Where the cases are.
const FOLDER: &str = "tests/attack";
/// Layers that an operator can switch off, one by one.
pub(crate) const SWITCHES: [&str; 17] = [
    "user-ns",
    "mount-ns",
    "pid-ns",
    "network-ns",
    "ipc-ns",
    "uts-ns",
    "cgroup-ns",
    "uid",
    "capabilities",
    "landlock",
    "seccomp",
    "rlimits",
    "memory-cgroup",
    "cpu-cgroup",
    "pids-cgroup",
    "heap-flags",
    "watchdog",
];
/// Limits of a call, which are never off, but can be so high that they do not matter here.
pub(crate) const LIMITS: [(&str, u32); 5] = [
    ("call_timeout_ms", 300_000),
    ("concurrent_calls", 256),
    ("log_bytes", 16 << 20),
    ("response_bytes", 8 << 20),
    ("start_ms", 30_000),
];
/// What cannot be switched off at all: without it, the attack is made where it would be without the platform.
pub(crate) const ALWAYS: [&str; 18] = [
    "launcher",
    "egress",
    "gateway",
    "hardened",
    "manifest",
    "addresses",
    "own-names",
    "framing",
    "budget",
    "quota",
    "tenant",
    "authorizer",
    "secret-boundary",
    "redaction",
    "credential",
    "seal",
    "integrity",
    "room",
];

/// How it is attacked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// By a native program in the place of the runtime.
    Native,
    /// By a hosted server.
    Hosted,
    /// By a native program that answers calls in the place of the runtime.
    NativeServer,
    /// By a module of the one hosted server that has every capability.
    Capability,
    /// By a native program in the place of the runtime, in bytes to the sockets of capabilities.
    Socket,
    /// By a client of the platform.
    Client,
    /// By whoever can write to the disk while the platform is stopped.
    Disk,
    /// By filling the disk.
    FullDisk,
    /// By a module of that server, where everybody may store little.
    Quota,
}

/// What shows that an attack on a capability would succeed if nothing stopped it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Control {
    /// The same code as the neighbour, whose it is.
    Owner,
    /// The same code with a manifest and an operator that allow it.
    Opened,
    /// The same code in a bare workerd with an open network.
    Bare,
    /// The same way with another secret, that the code itself sends.
    Decoy,
    /// The same code with what is allowed.
    Plain,
}

/// When a hosted attack counts as successful: the first of these that is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Goal {
    /// Per cent of a core in the last second.
    pub(crate) processor: Option<u64>,
    /// MiB that only its process holds.
    pub(crate) memory: Option<u64>,
    /// Connections that the other side of its requests holds: files that process has open.
    pub(crate) connections: Option<usize>,
    /// Bytes of its log that were kept.
    pub(crate) log: Option<usize>,
    /// Bytes of one answer that reached the client.
    pub(crate) bytes: Option<usize>,
    /// Headers of one answer that reached the client.
    pub(crate) headers: Option<usize>,
    /// Milliseconds that a call stayed open.
    pub(crate) held: Option<u64>,
    /// Calls at the same time.
    pub(crate) together: Option<usize>,
    /// What an answer says.
    pub(crate) answer: Option<String>,
    /// Anything of what the attacker sent in the place of an answer.
    pub(crate) garbage: bool,
    /// A connection to a place that nobody may reach.
    pub(crate) reached: bool,
    /// What the outside hears.
    pub(crate) heard: Option<String>,
    /// What the first line of a request that the outside gets says.
    pub(crate) asked: Option<String>,
    /// MiB that were acknowledged and can be read; more than that.
    pub(crate) kept: Option<u64>,
    /// MiB that were on the disk at any moment; more than that.
    pub(crate) disk: Option<u64>,
    /// The secret, in an answer or in the log.
    pub(crate) spilled: bool,
    /// The secret, in a request to anywhere but where its rule sends it.
    pub(crate) sent: bool,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    pub(crate) kind: Kind,
    /// What is attempted.
    pub(crate) tries: String,
    /// What must be seen instead.
    pub(crate) observed: String,
    /// All layers that stop it.
    pub(crate) layers: Vec<String>,
    /// Spellings of the same attempt.
    #[serde(default)]
    pub(crate) rows: Vec<String>,
    /// Native: the probe.
    #[serde(default)]
    pub(crate) probe: String,
    /// Native: what a refusal looks like with every layer on; its beginning.
    #[serde(default)]
    pub(crate) refused: Vec<String>,
    /// Native: the process that is attacked.
    pub(crate) target: Option<String>,
    /// Native: the class of sandbox.
    pub(crate) sandbox: Option<String>,
    /// Landlock is a layer of this case from this revision of its interface on.
    pub(crate) landlock_abi: Option<u32>,
    /// Hosted: calls at the same time.
    #[serde(default = "one")]
    pub(crate) calls: usize,
    /// Hosted: it is attacked by deploying it.
    #[serde(default)]
    pub(crate) at_deploy: bool,
    /// Hosted: how long it is watched.
    #[serde(default = "three")]
    pub(crate) seconds: u64,
    #[serde(default)]
    pub(crate) goal: Goal,
    #[serde(default)]
    pub(crate) limits: BTreeMap<String, u32>,
    /// Capability: its control.
    pub(crate) control: Option<Control>,
    /// Capability: it is the server to which the operator has opened networks that attacks.
    #[serde(default)]
    pub(crate) opened: bool,
    /// Capability: its rows are lines of headers that the client sends.
    #[serde(default)]
    pub(crate) headers: bool,
    /// Disk: what is done to the files.
    #[serde(default)]
    pub(crate) harm: Vec<String>,
    /// Quota: the folder of data that is looked at meanwhile.
    #[serde(default)]
    pub(crate) watched: String,
    /// Socket: to which it is written.
    #[serde(default)]
    pub(crate) socket: String,
    /// Socket: the request that nobody lets out by itself.
    #[serde(default)]
    pub(crate) inner: String,
    /// Client: its credential.
    #[serde(default)]
    pub(crate) with: String,
    /// Client: the credential that may.
    #[serde(default)]
    pub(crate) rightful: String,
    /// Client: what is sent, unless it is a GET.
    #[serde(default)]
    pub(crate) body: String,
}

fn one() -> usize {
    1
}

fn three() -> u64 {
    3
}

/// Layers that are off, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// What is off; of the case's own layers only.
    pub(crate) without: Vec<String>,
    /// The layer that is alone on, unless it is all or none of them.
    pub(crate) alone: Option<String>,
}

impl Variant {
    /// Everything on.
    pub(crate) fn all_on() -> Self {
        Self { without: Vec::new(), alone: None }
    }

    /// Whether the attack must succeed: all layers that stop it are off.
    pub(crate) fn is_control(&self) -> bool {
        !self.without.is_empty() && self.alone.is_none()
    }

    /// The layers that are off and that an operator can switch off.
    pub(crate) fn switched_off(&self) -> Vec<&str> {
        self.without.iter().map(String::as_str).filter(|layer| SWITCHES.contains(layer)).collect()
    }

    /// As people read it.
    pub(crate) fn shown(&self) -> String {
        match (&self.alone, self.without.is_empty()) {
            (Some(layer), _) => format!("{layer} alone"),
            (None, true) => "all on".to_owned(),
            (None, false) => format!("without {}", self.without.join(", ")),
        }
    }
}

impl Case {
    /// The control, and each layer alone when there are several.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let alone = |layer: &String| Variant {
            without: self.layers.iter().filter(|other| *other != layer).cloned().collect(),
            alone: Some(layer.clone()),
        };
        let mut variants = vec![Variant { without: self.layers.clone(), alone: None }];
        if self.layers.len() > 1 {
            variants.extend(self.layers.iter().map(alone));
        }
        variants
    }

    /// The rows, or one without a name.
    pub(crate) fn rows(&self) -> Vec<&str> {
        if self.rows.is_empty() { vec!["-"] } else { self.rows.iter().map(String::as_str).collect() }
    }

    fn check(&self) -> std::result::Result<(), String> {
        let limits = LIMITS.map(|(name, _)| name);
        let known = |layer: &&String| {
            let layer = layer.as_str();
            !SWITCHES.contains(&layer) && !limits.contains(&layer) && !ALWAYS.contains(&layer)
        };
        if let Some(unknown) = self.layers.iter().find(known) {
            return Err(format!("there is no layer `{unknown}`"));
        }
        if self.layers.is_empty() {
            return Err("names no layer that stops it".to_owned());
        }
        if (self.kind == Kind::Native) == self.probe.is_empty() {
            return Err("`probe` is for native cases, and needed there".to_owned());
        }
        let hosted = self.folder.join("server.js").is_file();
        if (self.kind == Kind::Hosted) != hosted {
            return Err("`server.js` is for hosted cases, and needed there".to_owned());
        }
        self.check_capability()
    }

    fn check_capability(&self) -> std::result::Result<(), String> {
        let attacks = self.folder.join("attack.js").is_file();
        let hosted = matches!(self.kind, Kind::Capability | Kind::Disk | Kind::FullDisk | Kind::Quota);
        if (self.kind == Kind::Disk) == self.harm.is_empty() {
            return Err("`harm` is for cases of the disk, and needed there".to_owned());
        }
        if self.goal.disk.is_some() == self.watched.is_empty() {
            return Err("`watched` is the folder for the goal of the disk".to_owned());
        }
        if hosted != attacks || (self.kind == Kind::Capability) != self.control.is_some() {
            return Err(
                "`attack.js` and `control` are for cases of capabilities, and needed there".to_owned()
            );
        }
        if (self.kind == Kind::Socket) == self.inner.is_empty() {
            return Err("`inner` is for cases of sockets, and needed there".to_owned());
        }
        if (self.kind == Kind::Client) == self.rightful.is_empty() {
            return Err("`rightful` is for cases of clients, and needed there".to_owned());
        }
        Ok(())
    }
}

/// Every case, or the ones whose name contains a word of `only`, which commas separate. Landlock of this revision of its interface is at hand.
pub(crate) fn all(only: Option<&str>, landlock: u32) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(workspace::root().join(FOLDER))? {
        let folder = entry?.path();
        if folder.join("case.toml").is_file() {
            cases.push(read(&folder, landlock)?);
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    let meant = |case: &Case| only.is_none_or(|only| only.split(',').any(|word| case.name.contains(word)));
    cases.retain(meant);
    if cases.is_empty() { Err("there is no such case".into()) } else { Ok(cases) }
}

fn read(folder: &Path, landlock: u32) -> Result<Case> {
    let text = fs::read_to_string(folder.join("case.toml"))?;
    let named = |error: String| format!("{}/case.toml: {error}", folder.display());
    let mut case: Case = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
    case.name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    case.folder = folder.to_owned();
    case.check().map_err(named)?;
    if case.landlock_abi.is_some_and(|needed| needed > landlock) {
        case.layers.retain(|layer| layer != "landlock");
    }
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::{Kind, all};

    #[test]
    fn every_case_is_well_formed_and_there_are_enough() {
        let cases = all(None, 10).unwrap();
        assert!(cases.len() >= 50, "{}", cases.len());
        let of = |kind| cases.iter().filter(|case| case.kind == kind).count();
        assert!(of(Kind::Native) > 30 && of(Kind::Hosted) > 15 && of(Kind::NativeServer) > 0);
    }

    #[test]
    fn the_control_is_without_all_layers_and_each_layer_is_tried_alone() {
        let cases = all(Some("sockets-tcp"), 10).unwrap();
        let shown: Vec<_> = cases[0].variants().iter().map(super::Variant::shown).collect();
        assert_eq!(
            shown,
            ["without network-ns, landlock, seccomp", "network-ns alone", "landlock alone", "seccomp alone"]
        );
    }

    #[test]
    fn a_layer_that_this_kernel_has_not_is_not_expected_to_stop_anything() {
        let layers = |landlock| all(Some("sockets-file"), landlock).unwrap().remove(0).layers;
        assert_eq!(layers(7), ["mount-ns"]);
        assert_eq!(layers(9), ["mount-ns", "landlock"]);
    }
}
