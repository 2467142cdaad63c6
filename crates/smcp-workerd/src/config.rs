//! From a bundle to the text of a workerd configuration.

pub(crate) mod bindings;

use std::{collections::BTreeMap, fmt::Write as _};

use smcp_core::{
    ports::Target,
    wrapper::{ENTRY_NAME, WRAPPER_FLAG, WRAPPER_NAME, WRAPPER_SOURCE, entry_source},
};
use smcp_manifest::{Bundle, LockedManifest, Module, ModuleKind, SandboxClass};
use smcp_types::{Error, Refusal, Result, Secret};
use zeroize::Zeroizing;

/// The socket that hosted code listens on.
pub(crate) const MAIN_SOCKET: &str = "in";
/// The socket that answers as long as the event loop turns; the watchdog's.
pub(crate) const HEALTH_SOCKET: &str = "health";
/// The header in which labels reach the wrapper as `request.cf`; workerd takes it off the request.
pub(crate) const LABELS_HEADER: &str = "x-smcp-cf";

/// The services and sockets around the worker. Paths here are placeholders that the launcher overrides by name, so that
/// one configuration serves every process of the version. `internet` must be defined: workerd adds an open network
/// service otherwise.
const SURROUNDINGS: &str = r#"
    ( name = "egress", external = ( address = "unix:/out/egress.sock", http = ( style = proxy ) ) ),
    ( name = "internet", external = ( address = "unix:/out/egress.sock", http = ( style = proxy ) ) ),
    ( name = "health", disk = ( path = "/health" ) ) ],
  sockets = [
    ( name = "in", address = "unix:/in", service = "main",
      http = ( style = proxy, cfBlobHeader = "x-smcp-cf" ) ),
    ( name = "health", address = "unix:/health", service = "health", http = () ) ] );
"#;

/// `cloudflare:email` needs a module that the runtime leaves to whoever can send mail. Libraries import it at once and use
/// it never: they are to load.
const HEAD: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  logging = ( structuredLogging = true ),
  extensions = [ ( modules = [ ( name = "cloudflare-internal:email", internal = true, esModule =
    "export default { EmailMessage: class EmailMessage { constructor() { throw new Error('this platform sends no mail'); } } };"
  ) ] ) ],
"#;

/// How V8 is set up: a part of the configuration, because `workerd serve` takes no flags for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    /// The memory limit its heap is to fit in, in MiB; `None` for V8's own idea.
    memory_mb: Option<u32>,
    /// Whether nothing is compiled to machine code.
    jitless: bool,
}

impl Engine {
    /// As a target asks for it.
    pub(crate) fn of(target: &Target, heap_flags: bool) -> Self {
        let jitless = match target.class {
            SandboxClass::Standard => false,
            SandboxClass::Hardened => true,
        };
        Self { memory_mb: heap_flags.then_some(target.limits.memory_mb), jitless }
    }

    /// Half of the memory is for old objects; buffers, WebAssembly and V8 itself share the rest. Each request leaves some
    /// KiB outside of the heap that only a full collection frees, and V8 counts them little: it must begin to collect
    /// when the heap is small, or the process of a blameless server grows until its memory limit ends it.
    fn flags(self) -> Vec<String> {
        let mut flags = Vec::new();
        if let Some(memory) = self.memory_mb {
            flags.push(format!("--max-old-space-size={}", memory / 2));
            flags.push(format!("--max-semi-space-size={}", (memory / 64).clamp(1, 16)));
            flags.push(format!("--initial-old-space-size={}", (memory / 32).clamp(4, 8)));
        }
        if self.jitless {
            flags.push("--jitless".to_owned());
        }
        flags
    }

    /// Tells its configurations from others of the same bundle.
    pub(crate) fn name(self) -> String {
        let heap = self.memory_mb.map_or_else(|| "any".to_owned(), |memory| memory.to_string());
        format!("{heap}{}", if self.jitless { "-jitless" } else { "" })
    }
}

/// Changes whenever the text for the same bundle would: part of the name of a compiled configuration.
pub(crate) fn fingerprint() -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    // Not a security boundary: a collision after an upgrade is all it has to avoid.
    (HEAD, SURROUNDINGS, WRAPPER_SOURCE, entry_source("main.js", [])).hash(&mut hasher);
    (include_str!("config.rs"), include_str!("config/bindings.rs")).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What a configuration holds beside the bundle: the server's own.
#[derive(Default)]
pub(crate) struct Given {
    /// What stands in front of the ids of its objects, if it has any.
    pub(crate) key: Option<String>,
    /// Secrets in the clear, by their names; a name that is not here has a placeholder.
    pub(crate) secrets: BTreeMap<String, Secret<String>>,
}

/// The configuration of a bundle.
///
/// # Errors
/// `Invalid` when a module has one of the platform's own names.
pub(crate) fn config_text(bundle: &Bundle, engine: Engine, given: &Given) -> Result<Zeroizing<String>> {
    let manifest = bundle.manifest();
    let mut text = Zeroizing::new(HEAD.to_owned());
    // Not moved as it grows: what is left behind of it would not be wiped.
    text.reserve(size_of(bundle, given));
    text.push_str("  v8Flags = [ ");
    for flag in engine.flags() {
        push_literal(&mut text, flag.as_bytes());
        text.push_str(", ");
    }
    text.push_str("],\n  services = [\n");
    text.push_str("    ( name = \"main\", worker = ( globalOutbound = \"egress\",\n      modules = [");
    let entry = entry_source(&manifest.main, manifest.durable_objects.iter().map(|one| one.class.as_str()));
    push_module(&mut text, ENTRY_NAME, "esModule", entry.as_bytes());
    push_module(&mut text, WRAPPER_NAME, "esModule", WRAPPER_SOURCE.as_bytes());
    for module in bundle.modules() {
        check_name(module)?;
        push_module(&mut text, &module.name, field(module.kind), &module.bytes);
    }
    text.push_str(" ],\n      compatibilityDate = ");
    push_literal(&mut text, manifest.compatibility_date.as_bytes());
    text.push_str(",\n      compatibilityFlags = [ ");
    for flag in flags(manifest) {
        push_literal(&mut text, flag.as_bytes());
        text.push_str(", ");
    }
    text.push_str("],\n      bindings = [ ");
    bindings::push_bindings(&mut text, manifest, &given.secrets);
    text.push(']');
    bindings::push_classes(&mut text, manifest, given.key.as_deref());
    text.push_str(" ) ),");
    bindings::push_services(&mut text, manifest);
    text.push_str(SURROUNDINGS);
    Ok(text)
}

/// More than the text can take, if it holds secrets.
fn size_of(bundle: &Bundle, given: &Given) -> usize {
    if given.secrets.is_empty() {
        return 0;
    }
    let modules: usize = bundle.modules().iter().map(|module| module.bytes.len() + module.name.len()).sum();
    let secrets: usize = given.secrets.values().map(|secret| secret.expose().len()).sum();
    // Four characters for each byte at most, and what stands around them.
    4 * (modules + secrets) + (1 << 20)
}

fn check_name(module: &Module) -> Result<()> {
    if module.name == ENTRY_NAME || module.name == WRAPPER_NAME {
        let message =
            format!("a module may not be called {}: the platform adds one of that name", module.name);
        return Err(Error::Invalid(Refusal::new(message).hint("rename the module")));
    }
    Ok(())
}

/// The manifest's flags and the one the wrapper needs. Who asks to be without it gets the rest of the wish.
fn flags(manifest: &LockedManifest) -> impl Iterator<Item = &str> {
    let unwanted = [WRAPPER_FLAG, "no_nodejs_als"];
    (manifest.compatibility_flags.iter().map(String::as_str))
        .filter(move |flag| !unwanted.contains(flag))
        .chain([WRAPPER_FLAG])
}

fn field(kind: ModuleKind) -> &'static str {
    match kind {
        ModuleKind::EsModule => "esModule",
        ModuleKind::Wasm => "wasm",
        ModuleKind::Text => "text",
        ModuleKind::Data => "data",
        ModuleKind::Json => "json",
    }
}

fn push_module(text: &mut String, name: &str, field: &str, bytes: &[u8]) {
    text.push_str("\n        ( name = ");
    push_literal(text, name.as_bytes());
    let _ = write!(text, ", {field} = ");
    push_literal(text, bytes);
    text.push_str(" ),");
}

/// Cap'n Proto's string literal; it holds text and bytes alike.
fn push_literal(text: &mut String, bytes: &[u8]) {
    text.reserve(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            0x20..=0x7e => text.push(char::from(byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_literal() {
        let mut text = String::new();
        push_literal(&mut text, b"a\"b\\c\nd\0\x7f\xff\r e");
        assert_eq!(text, r#""a\"b\\c\nd\x00\x7f\xff\x0d e""#);
    }

    #[test]
    fn the_surroundings_use_the_names_the_rest_of_the_crate_does() {
        assert!(SURROUNDINGS.contains(&format!("cfBlobHeader = \"{LABELS_HEADER}\"")));
        for name in [MAIN_SOCKET, HEALTH_SOCKET] {
            assert!(SURROUNDINGS.contains(&format!("( name = \"{name}\", address")), "{name}");
        }
    }
}
