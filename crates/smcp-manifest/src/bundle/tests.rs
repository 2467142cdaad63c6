//! Bundles within and beyond the limits, and the digest that was promised.

use super::*;
use crate::Manifest;

fn lock() -> LockedManifest {
    let text = "manifest = 1\nname = \"notes\"\nmain = \"index.js\"\ncompatibility_date = \"2026-11-01\"\n";
    Manifest::parse(&format!("{text}[vars]\nGREETING = \"Good day\"\n")).unwrap().lock("index.js")
}

fn module(name: &str, kind: ModuleKind, bytes: &[u8]) -> Module {
    Module { name: name.to_owned(), kind, bytes: bytes.to_vec() }
}

fn main() -> Module {
    module("index.js", ModuleKind::EsModule, b"export default {}\n")
}

#[test]
fn the_digest_is_pinned() {
    let modules = vec![
        module("lib/add.wasm", ModuleKind::Wasm, b"\0asm\x01\0\0\0"),
        main(),
        module("data.json", ModuleKind::Json, b"[1]"),
    ];
    let mut lock = lock();
    lock.limits.set(smcp_types::Limit::CallTimeout, 60_000);
    let bundle = Bundle::new(lock, modules).unwrap();
    let names: Vec<_> = bundle.modules().iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["data.json", "index.js", "lib/add.wasm"]);
    // Computed from the description in `Bundle::digest` by another program (Python's hashlib), not by this one.
    // If this fails, every stored version has lost its name: a new canonical form needs a new text in front.
    assert_eq!(
        bundle.digest().to_string(),
        "2e4873d200ea47afb9afa7ff287050525f9f9c57b5a25fbf79b66fadb2751932"
    );
}

#[test]
fn the_limits_hold() {
    let many = |count: usize| {
        (0..count).map(|n| module(&format!("m{n}.txt"), ModuleKind::Text, b"")).chain([main()])
    };
    assert!(Bundle::new(lock(), many(MAX_MODULES - 1).collect()).is_ok());
    assert_eq!(Bundle::new(lock(), many(MAX_MODULES).collect()), Err(BundleError::TooMany(MAX_MODULES + 1)));
    let large = |bytes: usize| {
        let data = module("a.bin", ModuleKind::Data, &vec![0; bytes - main().bytes.len()]);
        Bundle::new(lock(), vec![main(), data])
    };
    assert!(large(MAX_BUNDLE_BYTES).is_ok());
    assert_eq!(large(MAX_BUNDLE_BYTES + 1), Err(BundleError::TooLarge(MAX_BUNDLE_BYTES + 1)));
}

#[test]
fn modules_that_break_a_rule_are_refused() {
    use ModuleKind::{Data, EsModule, Json, Text, Wasm};
    for (modules, text) in [
        (vec![], "the main module \"index.js\" is not in the bundle"),
        (vec![module("index.mjs", EsModule, b"")], "the main module \"index.js\" is not in the bundle"),
        (
            vec![module("index.js", Text, b"")],
            "the main module \"index.js\" is of kind text, and must be es_module",
        ),
        (vec![main(), main()], "two modules are called \"index.js\""),
        (vec![main(), module("a.txt", Text, b"\xff")], "the module \"a.txt\" is not UTF-8"),
        (vec![module("index.js", EsModule, b"\xff")], "the module \"index.js\" is not UTF-8"),
        (vec![main(), module("a.json", Json, b"\"\xff\"")], "the module \"a.json\" is not UTF-8"),
        (
            vec![main(), module("a.json", Json, b"{")],
            "the module \"a.json\" is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            vec![main(), module("../a", Wasm, b"")],
            "\"../a\": a module's name has no empty, `.` or `..` segments and does not start or end with `/`",
        ),
        (
            vec![main(), module("smcp-a.js", EsModule, b"")],
            "\"smcp-a.js\": module names that start with `smcp-` or `smcp:` are the platform's",
        ),
    ] {
        assert_eq!(Bundle::new(lock(), modules).unwrap_err().to_string(), text);
    }
    assert!(
        Bundle::new(lock(), vec![main(), module("a", Data, b"\xff"), module("b", Wasm, b"\xff")]).is_ok()
    );
    let wrong = LockedManifest { endpoint: "mcp".to_owned(), ..lock() };
    assert!(matches!(Bundle::new(wrong, vec![main()]), Err(BundleError::Manifest(LockError::Rule { .. }))));
}
