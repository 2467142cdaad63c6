//! A bundle: a locked manifest with its modules, checked, and the digest that names this content.

use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use smcp_types::{
    Digest,
    limits::{MAX_BUNDLE_BYTES, MAX_MODULES},
};

use crate::{
    lock::{LockError, LockedManifest},
    module::{self, Module, ModuleKind, ModuleNameError},
};

/// The first bytes of every bundle's canonical form: no other hash of ours starts so, nor does another version of it.
const DOMAIN: &[u8] = b"smcp bundle digest 1\0";
/// How much of a foreign name is shown in an error.
const SHOWN_CHARS: usize = 64;

/// A server version's whole content, within the limits: what is uploaded, stored and run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    manifest: LockedManifest,
    modules: Vec<Module>,
    digest: Digest,
}

/// Why a manifest and modules are no bundle. The text is for whoever uploaded them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] LockError),
    /// More modules than `MAX_MODULES`.
    #[error("a bundle has at most {MAX_MODULES} modules, not {0}")]
    TooMany(usize),
    /// More bytes than `MAX_BUNDLE_BYTES`.
    #[error("the modules of a bundle have at most {MAX_BUNDLE_BYTES} bytes, not {0}")]
    TooLarge(usize),
    /// A name that breaks a rule.
    #[error("{name:?}: {why}")]
    Name {
        /// The name, shortened.
        name: String,
        /// The rule.
        why: ModuleNameError,
    },
    /// Two modules of one name.
    #[error("two modules are called {0:?}")]
    Repeated(String),
    /// The manifest's `main` is not among the modules.
    #[error("the main module {0:?} is not in the bundle")]
    NoMain(String),
    /// The manifest's `main` is no JavaScript.
    #[error("the main module {0:?} is of kind {1}, and must be es_module")]
    MainKind(String, ModuleKind),
    /// A module that is text is not UTF-8.
    #[error("the module {0:?} is not UTF-8")]
    NotUtf8(String),
    /// A module of kind `json` is not JSON.
    #[error("the module {0:?} is not JSON: {1}")]
    NotJson(String, String),
}

impl Bundle {
    /// Checks a lock and its modules, all from scratch, and computes the digest. The order of the modules does not
    /// matter and is not kept.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(manifest: LockedManifest, mut modules: Vec<Module>) -> Result<Self, BundleError> {
        manifest.validate()?;
        if modules.len() > MAX_MODULES {
            return Err(BundleError::TooMany(modules.len()));
        }
        let bytes = modules.iter().fold(0_usize, |sum, module| sum.saturating_add(module.bytes.len()));
        if bytes > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge(bytes));
        }
        modules.iter().try_for_each(check_module)?;
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = modules.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(BundleError::Repeated(shown(&pair[0].name)));
        }
        match modules.iter().find(|module| module.name == manifest.main) {
            None => return Err(BundleError::NoMain(shown(&manifest.main))),
            Some(main) if main.kind != ModuleKind::EsModule => {
                return Err(BundleError::MainKind(shown(&main.name), main.kind));
            }
            Some(_) => {}
        }
        let digest = digest(&manifest, &modules)?;
        Ok(Self { manifest, modules, digest })
    }

    /// The locked manifest.
    #[must_use]
    pub fn manifest(&self) -> &LockedManifest {
        &self.manifest
    }

    /// The modules, sorted by name.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The name of this content: the SHA-256 of its canonical form, which anybody can compute again.
    ///
    /// The canonical form is a sequence of bytes. Every field in it is written as its length in bytes (8 bytes, most
    /// significant first) and then itself, so that no two contents have one form:
    ///
    /// 1. the text `smcp bundle digest 1` and a zero byte, without a length;
    /// 2. a field: the locked manifest as canonical JSON (RFC 8785: keys sorted, no white space);
    /// 3. the number of modules, 8 bytes, most significant first, without a length;
    /// 4. for each module, in the byte order of their names, three fields: the name in UTF-8; the kind as a word
    ///    (`es_module`, `wasm`, `text`, `data` or `json`); the 32 bytes of the SHA-256 of its content.
    ///
    /// The same content has the same digest, in whatever order the modules came; a change of one bit anywhere, of a
    /// name or of a kind makes another one. Another canonical form will start with another text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

fn check_module(module: &Module) -> Result<(), BundleError> {
    module::check_name(&module.name).map_err(|why| BundleError::Name { name: shown(&module.name), why })?;
    if module.kind.is_text() && std::str::from_utf8(&module.bytes).is_err() {
        return Err(BundleError::NotUtf8(shown(&module.name)));
    }
    if module.kind == ModuleKind::Json {
        serde_json::from_slice::<IgnoredAny>(&module.bytes)
            .map_err(|why| BundleError::NotJson(shown(&module.name), why.to_string()))?;
    }
    Ok(())
}

/// Hashes the canonical form that [`Bundle::digest`] describes. The modules are sorted.
fn digest(manifest: &LockedManifest, modules: &[Module]) -> Result<Digest, BundleError> {
    let json = serde_json::to_vec(manifest).map_err(|why| LockError::Shape(why.to_string()))?;
    let mut hash = Sha256::new_with_prefix(DOMAIN);
    field(&mut hash, &json);
    hash.update((modules.len() as u64).to_be_bytes());
    for module in modules {
        field(&mut hash, module.name.as_bytes());
        field(&mut hash, module.kind.as_str().as_bytes());
        field(&mut hash, &Sha256::digest(&module.bytes));
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests;
