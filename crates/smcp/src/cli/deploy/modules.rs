//! Ready modules: the main file, and every file of the project that it imports, directly or not.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
};

use smcp_manifest::{Module, ModuleKind};
use smcp_types::limits::{MAX_BUNDLE_BYTES, MAX_MODULES};

use super::imports::{Import, imports};
use crate::cli::failure::Failure;

/// Modules that the runtime itself has.
const BUILT_IN: [&str; 3] = ["node:", "cloudflare:", "workerd:"];

/// Collects the modules that `main` reaches. All mistakes are told together.
pub(super) fn collect(folder: &Path, main: &str) -> Result<Vec<Module>, Failure> {
    let root = folder.canonicalize();
    let root = root.map_err(|error| Failure::input(format!("cannot enter {}: {error}", folder.display())))?;
    let mut walk =
        Walk { root, modules: BTreeMap::new(), waiting: VecDeque::new(), bytes: 0, mistakes: Vec::new() };
    walk.take(main, "smcp.toml: `main`");
    while let Some(name) = walk.waiting.pop_front() {
        walk.follow(&name);
        if walk.modules.len() > MAX_MODULES {
            let message = format!("{main} reaches more than {MAX_MODULES} modules");
            return Err(
                Failure::input(message).hint("`bundle = true` in smcp.toml makes one of them, with esbuild")
            );
        }
    }
    if walk.mistakes.is_empty() {
        return Ok(walk.modules.into_values().collect());
    }
    Err(Failure::input("these imports cannot be uploaded").details(walk.mistakes))
}

struct Walk {
    root: PathBuf,
    modules: BTreeMap<String, Module>,
    /// Modules whose imports have not been looked at.
    waiting: VecDeque<String>,
    bytes: usize,
    mistakes: Vec<String>,
}

impl Walk {
    /// Looks at the imports of a module.
    fn follow(&mut self, name: &str) {
        let Some(module) = self.modules.get(name).filter(|module| module.kind == ModuleKind::EsModule) else {
            return;
        };
        let found = imports(&String::from_utf8_lossy(&module.bytes));
        for import in found {
            let place = format!("{name} line {}", import.line);
            match resolve(name, &import) {
                Ok(Some(target)) => self.take(&target, &format!("{place}: {:?}", import.specifier)),
                Ok(None) => {}
                Err(why) => self.mistakes.push(format!("{place}: {:?} {why}", import.specifier)),
            }
        }
    }

    /// Reads a module, once.
    fn take(&mut self, name: &str, wanted_by: &str) {
        if self.modules.contains_key(name) {
            return;
        }
        match self.read(name) {
            Ok(module) => {
                self.bytes += module.bytes.len();
                self.modules.insert(name.to_owned(), module);
                self.waiting.push_back(name.to_owned());
            }
            Err(why) => self.mistakes.push(format!("{wanted_by} {why}")),
        }
    }

    fn read(&self, name: &str) -> Result<Module, String> {
        let kind = ModuleKind::from_name(name)
            .ok_or("has no ending that the runtime knows, such as .js, .mjs, .wasm, .json or .txt")?;
        let path = self.root.join(name);
        let real = path.canonicalize().map_err(|_| self.absent(name))?;
        if !real.starts_with(&self.root) {
            return Err("leads out of the project's folder".to_owned());
        }
        let about = fs::metadata(&real).map_err(|error| format!("cannot be read: {error}"))?;
        if !about.is_file() {
            return Err("is no file".to_owned());
        }
        let left = MAX_BUNDLE_BYTES.saturating_sub(self.bytes);
        // Before it is read: a mistake in an import should not fill the memory.
        if usize::try_from(about.len()).map_or(true, |length| length > left) {
            return Err(format!(
                "is too large: the modules of a bundle have at most {MAX_BUNDLE_BYTES} bytes"
            ));
        }
        let bytes = fs::read(&real).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Module { name: name.to_owned(), kind, bytes })
    }

    /// A file that is not there, and the one that was probably meant.
    fn absent(&self, name: &str) -> String {
        let near = [".js", ".mjs", "/index.js"].map(|ending| format!("{name}{ending}"));
        match near.iter().find(|name| self.root.join(name).is_file()) {
            Some(near) => format!("is not there, but {near} is: imports are written with their ending"),
            None => "is not there".to_owned(),
        }
    }
}

/// The name of the module that an import means; `None` for what is not ours to upload.
fn resolve(importer: &str, import: &Import) -> Result<Option<String>, &'static str> {
    let specifier = &import.specifier;
    let is_relative = specifier.starts_with("./") || specifier.starts_with("../");
    if !is_relative {
        if import.is_dynamic || BUILT_IN.iter().any(|scheme| specifier.starts_with(scheme)) {
            return Ok(None);
        }
        if specifier.starts_with('/') || specifier.contains("://") || specifier.starts_with("data:") {
            return Err("is neither a relative path nor a package");
        }
        return Err("is a package: set `bundle = true` in smcp.toml (a module of Node.js is written node:…)");
    }
    let mut parts: Vec<&str> = importer.split('/').collect();
    // Its own name: imports are relative to the folder.
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop().ok_or("leads out of the project's folder")?,
            name => parts.push(name),
        }
    }
    Ok(Some(parts.join("/")))
}

#[cfg(test)]
mod tests;
