//! Bundling with the project's own esbuild: one module out of `main` and everything it imports.
#![allow(clippy::disallowed_methods, reason = "the publisher's own tool, on the publisher's own machine")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use data_encoding::BASE64;
use smcp_manifest::{Module, ModuleKind};

use super::progress::Progress;
use crate::cli::{failure::Failure, maps::BUNDLED, text::safe_lines};

/// What esbuild puts before a map at the end of a module.
const MAP: &[u8] = b"//# sourceMappingURL=data:application/json;base64,";

/// What hosted code runs in: ES modules, no platform of its own, built-in modules left to the runtime.
const FLAGS: [&str; 11] = [
    "--bundle",
    "--format=esm",
    "--target=es2024",
    "--platform=neutral",
    "--main-fields=module,main",
    "--conditions=workerd,worker,browser",
    "--external:cloudflare:*",
    "--external:node:*",
    "--log-level=warning",
    // Taken off again; without the sources themselves.
    "--sourcemap=inline",
    "--sources-content=false",
];

/// A bundled module, and its source map if there is one.
pub(super) struct Bundled {
    pub(super) module: Module,
    pub(super) map: Option<Vec<u8>>,
}

/// Bundles `main`. Without an output file esbuild writes the one module to its standard output.
pub(super) fn bundle(folder: &Path, main: &str, progress: &Progress) -> Result<Bundled, Failure> {
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
    let (bytes, map) = without_map(ran.stdout);
    Ok(Bundled { module: Module { name: BUNDLED.to_owned(), kind: ModuleKind::EsModule, bytes }, map })
}

/// Takes the map off: it stays here, and what is uploaded is the same with it and without it.
fn without_map(mut bytes: Vec<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
    let end = bytes.trim_ascii_end().len();
    let last = bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let Some(encoded) = bytes[last..end].strip_prefix(MAP) else { return (bytes, None) };
    let map = BASE64.decode(encoded).ok();
    bytes.truncate(last);
    (bytes, map)
}

fn missing(folder: &Path) -> Failure {
    let package = fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    let command =
        if package.contains("\"esbuild\"") { "npm install" } else { "npm install --save-dev esbuild" };
    Failure::input("this project is bundled by its own esbuild, which is not installed")
        .hint(format!("(cd {} && {command})", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_taken_off_the_end() {
        let comment = String::from_utf8_lossy(MAP).into_owned();
        let of = |text: &str| without_map(text.as_bytes().to_vec());
        assert_eq!(of(&format!("a;\n{comment}e30=\n")), (b"a;\n".to_vec(), Some(b"{}".to_vec())));
        assert_eq!(of("a;\nb;\n"), (b"a;\nb;\n".to_vec(), None));
        let inside = format!("a = '{comment}e30=';\n");
        assert_eq!(of(&inside), (inside.into_bytes(), None));
    }
}
