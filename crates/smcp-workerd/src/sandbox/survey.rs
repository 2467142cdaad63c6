//! What this machine gives: each layer is tried with the real stub before anything hosted runs.

use std::{fs, path::Path};

use nix::{sys::utsname::uname, unistd::geteuid};
use serde::Serialize;
use smcp_manifest::SandboxClass;
use smcp_types::{Error, Limits, Refusal, Result};
use tokio::io::AsyncReadExt as _;

use super::{Image, Layer, Layers, Sandbox, Start};

/// Bytes of a failed try that are read.
const MAX_SAID: u64 = 8 << 10;

/// How far the privileges of this process reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Root, with user namespaces: everything, and a user id for each server.
    Root,
    /// Root, without user namespaces: real user ids.
    RootWithoutUserNs,
    /// A user who may make user namespaces: all servers are that user.
    User,
    /// A user who may not: no namespace at all.
    UserWithoutUserNs,
}

impl Mode {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Root => "root, with user namespaces",
            Self::RootWithoutUserNs => "root, without user namespaces",
            Self::User => "unprivileged, with user namespaces",
            Self::UserWithoutUserNs => "unprivileged, without user namespaces",
        }
    }
}

/// How a layer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It is set up for every hosted process.
    On,
    /// The operator does without it.
    Off,
    /// This machine does not give it.
    Missing {
        /// What the system says.
        why: String,
    },
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The kernel's release.
    pub kernel: String,
    /// The machine's kind.
    pub machine: String,
    /// Who runs the platform.
    pub mode: Mode,
    /// The interface of Landlock that the kernel has.
    pub landlock_abi: Option<u32>,
    /// The version of the cgroups that can be used.
    pub cgroup_version: Option<u32>,
    /// Every layer.
    pub layers: Vec<(Layer, State)>,
}

impl Survey {
    /// Layers that this machine does not give and nobody does without.
    pub fn missing(&self) -> impl Iterator<Item = (Layer, &str)> {
        self.layers.iter().filter_map(|(layer, state)| match state {
            State::Missing { why } => Some((*layer, why.as_str())),
            State::On | State::Off => None,
        })
    }

    /// Fine, or why no hosted code is started here.
    ///
    /// # Errors
    /// `Unavailable`, with the setting that accepts the risk.
    pub fn verdict(&self) -> Result<()> {
        let missing: Vec<_> = self.missing().map(|(layer, _)| layer.name()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let off = self.layers.iter().filter(|(_, state)| *state == State::Off).map(|(layer, _)| layer.name());
        let accepted: Vec<_> = off.chain(missing.iter().copied()).collect();
        let message = format!(
            "this machine does not give every layer of the sandbox that hosted code is to run in: {}",
            self.missing().map(|(layer, why)| format!("{layer} ({why})")).collect::<Vec<_>>().join(", ")
        );
        let hint = format!(
            "`smcp doctor` says what each is for; to do without them: --sandbox-without {}",
            accepted.join(",")
        );
        Err(Error::Unavailable(Refusal::new(message).hint(hint)))
    }
}

/// Tries the layers of the sandbox on `workerd --version`, all at once and, if that fails, one by one.
///
/// # Errors
/// When not even a process without any layer starts.
pub async fn survey(sandbox: &Sandbox, workerd: &Path) -> Result<Survey> {
    let image = Image::of(workerd).map_err(|error| unusable(&error.to_string()))?;
    let wanted = sandbox.layers();
    let mut trials = Trials { sandbox, image, number: 0 };
    let has_user_ns = trials.works(&[Layer::UserNs]).await.is_ok();
    let mode = match (geteuid().is_root(), has_user_ns) {
        (true, true) => Mode::Root,
        (true, false) => Mode::RootWithoutUserNs,
        (false, true) => Mode::User,
        (false, false) => Mode::UserWithoutUserNs,
    };
    let whole: Vec<_> = wanted.iter().filter(|layer| layer.is_of_the_kernel()).collect();
    let failed = trials.works(&whole).await.err();
    let mut layers = Vec::new();
    for layer in Layer::ALL {
        let state = match (wanted.has(layer), &failed) {
            (false, _) => State::Off,
            (true, None) => State::On,
            (true, Some(_)) => trials.alone(layer, mode).await,
        };
        layers.push((layer, state));
    }
    let found = layers.iter().any(|(_, state)| matches!(state, State::Missing { .. }));
    if let (Some(why), false) = (failed, found) {
        return Err(unusable(&why));
    }
    let system = uname().map_err(Error::internal)?;
    Ok(Survey {
        kernel: system.release().to_string_lossy().into_owned(),
        machine: system.machine().to_string_lossy().into_owned(),
        mode,
        landlock_abi: landlock_abi(),
        cgroup_version: sandbox.cgroup_version(),
        layers,
    })
}

fn unusable(why: &str) -> Error {
    Error::Unavailable(Refusal::new(format!("hosted code cannot be started in a sandbox here: {why}")))
}

struct Trials<'a> {
    sandbox: &'a Sandbox,
    image: Image,
    number: u32,
}

impl Trials<'_> {
    /// Whether a layer works without the others, but for the user namespace that an unprivileged user needs.
    async fn alone(&mut self, layer: Layer, mode: Mode) -> State {
        if !layer.is_of_the_kernel() {
            return State::On;
        }
        let is_namespace =
            [Layer::MountNs, Layer::PidNs, Layer::NetworkNs, Layer::IpcNs, Layer::UtsNs, Layer::CgroupNs]
                .contains(&layer);
        let together = match mode {
            Mode::User | Mode::UserWithoutUserNs if is_namespace => vec![Layer::UserNs, layer],
            Mode::Root | Mode::RootWithoutUserNs | Mode::User | Mode::UserWithoutUserNs => vec![layer],
        };
        match self.works(&together).await {
            Ok(()) => State::On,
            Err(why) => State::Missing { why },
        }
    }

    /// Runs `workerd --version` in these layers; says what went wrong.
    async fn works(&mut self, layers: &[Layer]) -> std::result::Result<(), String> {
        self.number += 1;
        let stdin = fs::File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
        let start = Start {
            image: self.image.clone(),
            arguments: vec!["--version".into()],
            layers: layers.iter().copied().collect::<Layers>(),
            limits: Limits::default(),
            class: SandboxClass::Standard,
            owner: "survey".to_owned(),
            tenant: "survey".to_owned(),
            label: format!("survey-{}", self.number),
            files: Vec::new(),
            largest_file: 0,
            stdin: stdin.into(),
            descriptors: Vec::new(),
        };
        let mut child = self.sandbox.start(start).await.map_err(|error| error.to_string())?;
        let output = child.take_output();
        let ended = child.wait().await.map_err(|error| error.to_string())?;
        if ended.status.success() {
            return Ok(());
        }
        let mut said = Vec::new();
        if let Some((_, errors)) = output {
            // The process has ended: what it said is in the pipe, to its end.
            let _ = errors.take(MAX_SAID).read_to_end(&mut said).await;
        }
        // What it said last is why it ended.
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().next_back().map(str::to_owned);
        Err(last.unwrap_or_else(|| format!("workerd --version: {}", ended.status)))
    }
}

/// The interface of Landlock that the kernel has: asked for by asking for nothing else.
#[allow(unsafe_code, reason = "the crate keeps this question to itself")]
fn landlock_abi() -> Option<u32> {
    const VERSION: u32 = 1;
    let nothing = std::ptr::null::<u8>();
    // SAFETY: with this flag the call reads no memory and makes nothing.
    let abi =
        unsafe { nix::libc::syscall(nix::libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) };
    u32::try_from(abi).ok().filter(|abi| *abi > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_layer_is_refused_with_the_setting_that_accepts_it() {
        let layers = Layer::ALL.into_iter().map(|layer| {
            let state = match layer {
                Layer::Uid => State::Missing { why: "setresgid: EPERM".to_owned() },
                Layer::Landlock => State::Off,
                _ => State::On,
            };
            (layer, state)
        });
        let mut survey = Survey {
            kernel: "6".to_owned(),
            machine: "x86_64".to_owned(),
            mode: Mode::User,
            landlock_abi: None,
            cgroup_version: None,
            layers: layers.collect(),
        };
        let Err(Error::Unavailable(refusal)) = survey.verdict() else { panic!("refused") };
        assert!(refusal.message.ends_with("is to run in: uid (setresgid: EPERM)"), "{}", refusal.message);
        let hint = refusal.hint.unwrap();
        assert!(hint.ends_with("to do without them: --sandbox-without landlock,uid"), "{hint}");
        survey.layers.retain(|(layer, _)| *layer != Layer::Uid);
        survey.verdict().unwrap();
    }
}
