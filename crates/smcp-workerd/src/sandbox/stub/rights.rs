//! Landlock: what may be done with the few files there are, and nothing with ports, signals and abstract sockets.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::{Named as _, Step, mounts::Source};
use crate::sandbox::job::Kind;

/// The newest interface that was looked at for this; an older kernel enforces what it knows of it.
const NEWEST: ABI = ABI::V10;

/// Restricts this process for good.
pub(super) fn restrict(sources: &[Source]) -> Step<()> {
    let status = enforce(sources).step("landlock")?;
    match status {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => {
            Err("landlock: this kernel has it not, or it is switched off".to_owned())
        }
    }
}

fn enforce(sources: &[Source]) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for source in sources {
        rules = rules.add_rule(PathBeneath::new(&source.file, allowed(source.kind)))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

fn allowed(kind: Kind) -> BitFlags<AccessFs> {
    match kind {
        Kind::Code => make_bitflags!(AccessFs::{ReadFile | Execute}),
        Kind::Device => make_bitflags!(AccessFs::{ReadFile | WriteFile}),
        Kind::Socket => make_bitflags!(AccessFs::{ResolveUnix}),
        Kind::Folder => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        // Nothing that is executed, and no socket, pipe, device or link: what is in it is for this process alone.
        Kind::State => make_bitflags!(AccessFs::{
            ReadFile | WriteFile | ReadDir | MakeReg | MakeDir | RemoveFile | RemoveDir | Truncate | Refer
        }),
    }
}
