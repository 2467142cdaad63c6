//! Building the programs of the workspace that a chore runs.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::process::Program;
use crate::workspace::{self, Metadata};

/// Which profile `smcp` is built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// The one that tests and suites share.
    Dev,
    /// Link-time optimised, for people and for measuring.
    Release,
}

impl Profile {
    pub(crate) fn release_if(wanted: bool) -> Self {
        if wanted { Self::Release } else { Self::Dev }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds `smcp`, and gives its path.
pub(crate) fn smcp(profile: Profile) -> Result<PathBuf> {
    match profile {
        // The whole workspace, as the tests do: with the features of one crate alone, cargo would build everything anew.
        Profile::Dev => workspace::cargo().args(["build", "--quiet", "--workspace", "--bins"]).run()?,
        Profile::Release => {
            workspace::cargo().args(["build", "--release", "--package", "smcp", "--bin", "smcp"]).run()?
        }
    }
    path("smcp", profile)
}

/// Builds the client on `rmcp`, and gives its path.
pub(crate) fn rmcp_client() -> Result<PathBuf> {
    workspace::cargo().args(["build", "--quiet", "--workspace", "--bins"]).run()?;
    path("rmcp-client", Profile::Dev)
}

/// Builds what the attack suite runs: `smcp`, the prober, what starts the prober in the jail, and the world outside.
pub(crate) fn attack() -> Result<[PathBuf; 4]> {
    workspace::cargo().args(["build", "--quiet", "--workspace", "--bins"]).run()?;
    let [smcp, prober, jail, outside] =
        ["smcp", "smcp-prober", "attack-jail", "attack-outside"].map(|name| path(name, Profile::Dev));
    Ok([smcp?, prober?, jail?, outside?])
}

/// The revision of Landlock's interface, as the prober learns it outside of every sandbox.
pub(crate) fn landlock_version(prober: &Path) -> Result<u32> {
    Ok(Program::new(prober).arg("landlock-version").stdout()?.trim().parse()?)
}

fn path(name: &str, profile: Profile) -> Result<PathBuf> {
    Ok(Metadata::read()?.target_directory.join(profile.folder()).join(name))
}
