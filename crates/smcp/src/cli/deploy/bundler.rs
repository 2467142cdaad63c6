//! Bundling with the project's own esbuild: one module out of `main` and everything it imports.
#![allow(clippy::disallowed_methods, reason = "the publisher's own tool, on the publisher's own machine")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use smcp_manifest::{Module, ModuleKind};

use super::progress::Progress;
use crate::cli::{failure::Failure, text::safe_lines};

/// What the one module is called.
const BUNDLED: &str = "index.js";

/// What hosted code runs in: ES modules, no platform of its own, built-in modules left to the runtime.
const FLAGS: [&str; 9] = [
    "--bundle",
    "--format=esm",
    "--target=es2024",
    "--platform=neutral",
    "--main-fields=module,main",
    "--conditions=workerd,worker,browser",
    "--external:cloudflare:*",
    "--external:node:*",
    "--log-level=warning",
];

/// Bundles `main`. Without an output file esbuild writes the one module to its standard output.
pub(super) fn bundle(folder: &Path, main: &str, progress: &Progress) -> Result<Module, Failure> {
    // Relative to `folder`, where it runs, its path would be looked up from here.
    let folder = folder
        .canonicalize()
        .map_err(|error| Failure::input(format!("cannot enter {}: {error}", folder.display())))?;
    let esbuild = folder.join("node_modules").join(".bin").join("esbuild");
    if !esbuild.exists() {
        return Err(missing(&folder));
    }
    let ran = Command::new(&esbuild)
        // A name that begins with a hyphen would be read as a flag.
        .arg(format!("./{main}"))
        .args(FLAGS)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::input(format!("cannot run {}: {error}", esbuild.display())))?;
    let said = safe_lines(&String::from_utf8_lossy(&ran.stderr));
    if !ran.status.success() {
        let details = said.lines().map(str::to_owned).collect();
        return Err(Failure::input(format!("esbuild cannot bundle {main}")).details(details));
    }
    if !said.is_empty() {
        progress.note(&said);
    }
    Ok(Module { name: BUNDLED.to_owned(), kind: ModuleKind::EsModule, bytes: ran.stdout })
}

fn missing(folder: &Path) -> Failure {
    let package = fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    let command =
        if package.contains("\"esbuild\"") { "npm install" } else { "npm install --save-dev esbuild" };
    Failure::input("this project is bundled by its own esbuild, which is not installed")
        .hint(format!("(cd {} && {command})", folder.display()))
}
