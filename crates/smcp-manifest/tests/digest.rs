//! The digest names content: whatever the order, the same; whatever the change, another. And the parser never panics.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::{
    prelude::{Just, Strategy, any},
    prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
    sample::Index,
};
use smcp_manifest::{Bundle, DefinitionsMode, LockedManifest, Manifest, Module, ModuleKind};
use smcp_types::Limit;
use std::collections::BTreeMap;

fn lock() -> impl Strategy<Value = LockedManifest> {
    let vars = proptest::collection::btree_map("[A-Za-z_$][A-Za-z0-9_$]{0,8}", ".{0,20}", 0..4);
    (vars, "/[a-z]{0,5}", 1_u32..300_000, any::<bool>()).prop_map(|(vars, endpoint, timeout, pinned)| {
        let text =
            "manifest = 1\nname = \"notes\"\nmain = \"index.js\"\ncompatibility_date = \"2026-11-01\"\n";
        let mut lock = Manifest::parse(text).unwrap().lock("index.js");
        lock.vars = vars;
        lock.endpoint = endpoint;
        lock.limits.set(Limit::CallTimeout, timeout);
        if pinned {
            lock.limits.set(Limit::Memory, 64);
        }
        lock.definitions = if pinned { DefinitionsMode::Pinned } else { DefinitionsMode::Dynamic };
        lock
    })
}

fn modules() -> impl Strategy<Value = Vec<Module>> {
    let kind = prop_oneof![
        Just(ModuleKind::EsModule),
        Just(ModuleKind::Wasm),
        Just(ModuleKind::Text),
        Just(ModuleKind::Data)
    ];
    // Text, so that every kind may hold it.
    let content = (kind, ".{0,20}").prop_map(|(kind, text)| (kind, text.into_bytes()));
    let rest = proptest::collection::btree_map("[a-h]{1,2}(/[a-h]{1,2})?", content, 0..6);
    (rest, ".{0,20}").prop_map(|(rest, code)| {
        let rest = rest.into_iter().map(|(name, (kind, bytes))| Module { name, kind, bytes });
        let main =
            Module { name: "index.js".to_owned(), kind: ModuleKind::EsModule, bytes: code.into_bytes() };
        rest.chain([main]).collect()
    })
}

/// One change of a bundle, and whether it changed anything.
fn change(lock: &mut LockedManifest, modules: &mut Vec<Module>, what: u8, at: Index) {
    let which = at.index(modules.len());
    let is_main = modules[which].name == "index.js";
    match what {
        0 => lock.limits.set(Limit::Memory, 65),
        1 => lock.endpoint.push('x'),
        2 => _ = lock.vars.insert("NEW_VAR_NAME".to_owned(), String::new()),
        3 => lock.compatibility_flags.push("flag".to_owned()),
        4 => modules[which].bytes.push(b' '),
        5 if !is_main => modules[which].name.push('x'),
        6 if !is_main && modules[which].kind == ModuleKind::Text => modules[which].kind = ModuleKind::Data,
        6 if !is_main => modules[which].kind = ModuleKind::Text,
        7 if !is_main => _ = modules.remove(which),
        _ => modules.push(Module { name: "new.bin".to_owned(), kind: ModuleKind::Data, bytes: Vec::new() }),
    }
}

proptest! {
    #[test]
    fn order_does_not_matter(
        lock in lock(),
        (sorted, shuffled) in modules().prop_flat_map(|modules| (Just(modules.clone()), Just(modules).prop_shuffle())),
    ) {
        let first = Bundle::new(lock.clone(), sorted).unwrap();
        let second = Bundle::new(lock, shuffled).unwrap();
        prop_assert_eq!(first.digest(), second.digest());
        prop_assert_eq!(first, second);
    }

    #[test]
    fn every_change_matters(lock in lock(), modules in modules(), what in 0_u8..9, at in any::<Index>()) {
        let before = Bundle::new(lock.clone(), modules.clone()).unwrap();
        let (mut lock, mut modules) = (lock, modules);
        change(&mut lock, &mut modules, what, at);
        let after = Bundle::new(lock, modules).unwrap();
        prop_assert_ne!(before.digest(), after.digest());
    }

    #[test]
    fn bytes_do_not_move_between_fields(a in "[a-c]{1,4}", b in "[a-c]{1,4}", c in "[a-c]{1,4}", d in "[a-c]{1,4}") {
        let digest = |name: &str, text: &str| {
            let lock = Manifest::parse(
                "manifest = 1\nname = \"n\"\nmain = \"index.js\"\ncompatibility_date = \"2026-11-01\"\n",
            ).unwrap().lock("index.js");
            let main = Module { name: "index.js".to_owned(), kind: ModuleKind::EsModule, bytes: Vec::new() };
            let other = Module { name: name.to_owned(), kind: ModuleKind::Text, bytes: text.as_bytes().to_vec() };
            Bundle::new(lock, vec![main, other]).unwrap().digest()
        };
        prop_assert_eq!(digest(&a, &b) == digest(&c, &d), (a, b) == (c, d));
    }

    #[test]
    fn a_lock_survives_its_json(lock in lock()) {
        let json = serde_json::to_vec(&lock).unwrap();
        prop_assert_eq!(LockedManifest::from_json(&json).unwrap(), lock);
        let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(serde_json::to_vec(&sorted).unwrap(), json);
    }

    #[test]
    fn arbitrary_text_never_panics(
        parts in proptest::collection::vec(
            prop_oneof![
                "(?s).{0,10}",
                Just("manifest = 1\n".to_owned()),
                Just("name = \"a\"\n".to_owned()),
                Just("[vars]\n".to_owned()),
                Just("[[kv]]\n".to_owned()),
                Just("limits.call_timeout_ms = ".to_owned()),
                Just("0x7fffffffffffffff\n".to_owned()),
                Just("main = \"a.ts\"\n".to_owned()),
            ],
            0..12,
        ),
    ) {
        let text = parts.concat();
        if let Err(mistakes) = Manifest::parse(&text) {
            prop_assert!(!mistakes.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(mistakes.iter().all(|mistake| mistake.line.is_none_or(|line| (1..=lines).contains(&line))));
        }
    }
}
