//! Locks as they come from outside.

use super::*;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "compatibility_date": "2026-11-01",
        "compatibility_flags": ["a", "b"],
        "definitions": "dynamic",
        "endpoint": "/mcp",
        "format": 1,
        "limits": {"call_timeout_ms": 1},
        "main": "index.js",
        "name": "notes",
        "requires": [],
        "vars": {"B": "2", "A": "1"},
    })
}

fn read(lock: &Value) -> Result<LockedManifest, LockError> {
    LockedManifest::from_json(lock.to_string().as_bytes())
}

#[test]
fn the_form_is_canonical() {
    let lock = read(&good()).unwrap();
    let json = serde_json::to_string(&lock).unwrap();
    assert_eq!(LockedManifest::from_json(json.as_bytes()), Ok(lock));
    // A map of serde_json may keep any order; a BTreeMap does not.
    let sorted: BTreeMap<String, Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&sorted).unwrap(), json, "keys stand in order");
    assert!(json.contains(r#""vars":{"A":"1","B":"2"}"#));
}

#[test]
fn what_was_not_asked_for_is_not_written() {
    let json = serde_json::to_string(&read(&good()).unwrap()).unwrap();
    assert!(!json.contains("sandbox") && json.contains(r#""limits":{"call_timeout_ms":1}"#), "{json}");
    let mut lock = good();
    lock["sandbox"] = json!("hardened");
    lock["limits"] = json!({"memory_mb": 64, "call_timeout_ms": 1});
    let json = serde_json::to_string(&read(&lock).unwrap()).unwrap();
    assert!(json.contains(r#""limits":{"call_timeout_ms":1,"memory_mb":64}"#), "{json}");
    assert!(json.contains(r#""requires":[],"sandbox":"hardened","vars""#), "{json}");
}

#[test]
fn a_later_release_is_refused_by_what_it_needs() {
    let mut lock = good();
    lock["queues"] = json!([{"binding": "NOTES"}]);
    lock["requires"] = json!(["kv", "queues", "workflows"]);
    let error = read(&lock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the locked manifest requires what this node does not offer: queues, workflows"
    );
    lock["format"] = json!(2);
    assert_eq!(read(&lock), Err(LockError::Format(2)));
    lock["format"] = json!(1);
    lock["requires"] = json!([]);
    assert!(matches!(read(&lock), Err(LockError::Shape(text)) if text.contains("unknown field `queues`")));
}

#[test]
fn what_is_checked_of_calls_must_be_understood() {
    let mut lock = good();
    lock["validate"] = json!("arguments");
    lock["definitions"] = json!("pinned");
    assert!(matches!(read(&lock), Err(LockError::Rule { path, .. }) if path == "requires"));
    lock["requires"] = json!(["validate"]);
    let read_back = read(&lock).unwrap();
    assert_eq!(read_back.validation, crate::Validation::Arguments);
    assert!(
        serde_json::to_string(&read_back)
            .unwrap()
            .contains(r#""requires":["validate"],"validate":"arguments","vars""#)
    );
    lock["definitions"] = json!("dynamic");
    assert!(matches!(read(&lock), Err(LockError::Rule { path, .. }) if path == "validate"));
    lock["validate"] = json!("results");
    assert!(matches!(read(&lock), Err(LockError::Shape(_))));
    lock["validate"] = json!("nothing");
    assert!(
        !serde_json::to_string(&read(&lock).unwrap()).unwrap().contains("nothing"),
        "as in locks before it"
    );
}

#[test]
fn hostile_values_are_refused() {
    for (path, value) in [
        ("name", json!("platform")),
        ("main", json!("smcp-wrapper.js")),
        ("main", json!("../index.js")),
        ("main", json!("")),
        ("endpoint", json!("http://other/")),
        ("endpoint", json!("/mcp?x")),
        ("compatibility_date", json!("today")),
        ("compatibility_flags", json!(["b", "a"])),
        ("compatibility_flags", json!(["a", "a"])),
        ("compatibility_flags", json!(["A\n"])),
        ("compatibility_flags", json!((0..65).map(|n| format!("f{n:02}")).collect::<Vec<_>>())),
        ("vars", json!({"A": "x".repeat(5121)})),
        ("vars", json!({"__proto__": "x"})),
        ("vars", json!({"SMCP_X": "x"})),
        (
            "vars",
            json!(
                (0..20)
                    .map(|n| (format!("V{n}"), json!("x".repeat(5000))))
                    .collect::<serde_json::Map<_, _>>()
            ),
        ),
        ("limits", json!({"call_timeout_ms": 0})),
        ("limits", json!({"call_timeout_ms": 300_001})),
        ("limits", json!({"call_timeout_ms": 1, "memory_mb": 1})),
    ] {
        let mut lock = good();
        lock[path] = value.clone();
        match read(&lock) {
            Err(LockError::Rule { path: told, .. }) => {
                assert!(told.starts_with(path), "{path} {value}: {told}")
            }
            other => panic!("{path} {value}: {other:?}"),
        }
    }
    for (path, value) in [
        ("name", json!("No")),
        ("name", json!("admin")),
        ("definitions", json!("Pinned")),
        ("limits", json!({"call_timeout_ms": 1, "memory": 1})),
        ("sandbox", json!("none")),
        ("limits", json!({"call_timeout_ms": -1})),
        ("vars", json!({"A": 1})),
        ("extra", json!(null)),
    ] {
        let mut lock = good();
        lock[path] = value.clone();
        assert!(matches!(read(&lock), Err(LockError::Shape(_))), "{path} {value}");
    }
    for text in ["", "[]", "{}", "{\"format\":1,\"format\":1}", "\u{feff}{}"] {
        assert!(matches!(LockedManifest::from_json(text.as_bytes()), Err(LockError::Shape(_))), "{text}");
    }
}
