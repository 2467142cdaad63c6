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

/// Modules of Node.js that packages ask for by bare names, which the runtime does not know.
const NODE: [&str; 40] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "domain",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "inspector",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "stream",
    "string_decoder",
    "sys",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "v8",
    "vm",
    "wasi",
    "worker_threads",
    "zlib",
];
/// How esbuild writes a `require` of one of them; there is none in an ES module.
const REQUIRES_NODE: &[u8] = b"__require(\"node:";
/// What gives it one. On the first line of the output, to which no map points.
const REQUIRE: &[u8] =
    b"import { createRequire } from \"node:module\"; const require = createRequire(\"/\"); ";

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
        .args(node_names(&folder))
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
    let bytes = with_require(bytes);
    Ok(Bundled { module: Module { name: BUNDLED.to_owned(), kind: ModuleKind::EsModule, bytes }, map })
}

/// Node's own modules by their full names, except those in whose place the project has a package.
fn node_names(folder: &Path) -> impl Iterator<Item = String> {
    let claimed = |name: &str| folder.ancestors().any(|above| above.join("node_modules").join(name).exists());
    NODE.iter().filter(move |name| !claimed(name)).map(|name| format!("--alias:{name}=node:{name}"))
}

/// Where a package of the old kind requires one of Node's modules, something to require it with.
fn with_require(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.windows(REQUIRES_NODE.len()).any(|window| window == REQUIRES_NODE) {
        return [REQUIRE, &bytes].concat();
    }
    bytes
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
    fn who_requires_a_module_of_node_is_given_a_way_to() {
        let plain = b"import path from \"node:path\";".to_vec();
        assert_eq!(with_require(plain.clone()), plain);
        let given = with_require(b"var path = __require(\"node:path\");\n".to_vec());
        assert!(given.starts_with(REQUIRE) && given.ends_with(b"path\");\n"));
        assert_eq!(given.iter().filter(|byte| **byte == b'\n').count(), 1, "lines stay where they are");
    }

    #[test]
    fn a_package_goes_before_nodes_module_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("node_modules/events")).unwrap();
        let names: Vec<_> = node_names(folder.path()).collect();
        assert!(names.contains(&"--alias:path=node:path".to_owned()));
        assert!(!names.iter().any(|name| name.contains("events")));
        assert_eq!(names.len(), NODE.len() - 1);
    }

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
