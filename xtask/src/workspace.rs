//! The repository as cargo and git see it: its root, its crates, the packages it depends on, its files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::Result;
use crate::process::Program;

/// The targets we build for; packages for other systems are not ours to judge.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"];

/// The part of `cargo metadata` that the chores read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: BTreeSet<String>,
    pub(crate) target_directory: PathBuf,
}

/// One package: a crate of the workspace, or something it depends on.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// None for a crate of this repository.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) metadata: Option<serde_json::Value>,
}

/// One line of a `[dependencies]` table.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// None for a normal one, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set when it is a crate of this repository.
    pub(crate) path: Option<PathBuf>,
}

impl Metadata {
    pub(crate) fn read() -> Result<Self> {
        let mut cargo = cargo().args(["metadata", "--format-version", "1"]);
        for target in TARGETS {
            cargo = cargo.args(["--filter-platform", target]);
        }
        Ok(serde_json::from_str(&cargo.stdout()?)?)
    }

    /// The crates of the workspace.
    pub(crate) fn crates(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        // `cargo run` says where this package is; two clones may share one target folder, and so one program.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        package.parent().map(Path::to_owned).unwrap_or(package)
    });
    &ROOT
}

/// A call of the cargo that started us, in the root.
pub(crate) fn cargo() -> Program {
    Program::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// Every file that is or could be committed, by its path from the root.
pub(crate) fn files() -> Result<Vec<String>> {
    let list = Program::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .stdout()?;
    Ok(list
        .split('\0')
        .filter(|path| !path.is_empty() && root().join(path).is_file())
        .map(str::to_owned)
        .collect())
}
