//! Any bytes as a body: no panic, and what is accepted is JSON that serde_json reads too, with nothing lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};
use smcp_mcp::{Batches, Body, Message, MessageKind, Method, Revision, errors, parse};

fuzz_target!(|body: &[u8]| {
    let is_json = serde_json::from_slice::<&RawValue>(body).is_ok();
    for batches in [Batches::Refused, Batches::Allowed] {
        match parse(body, batches) {
            Ok(read) => {
                assert!(is_json && batches_fit(&read, batches));
                read.messages().iter().for_each(check);
            }
            Err(error) => {
                assert!(is_json || error.code == errors::PARSE_ERROR, "no JSON, but {error:?}");
                assert!(error.code == errors::PARSE_ERROR || error.code == errors::INVALID_REQUEST);
                assert!(error.code == errors::INVALID_REQUEST || error.id.is_none());
                assert!(error.message.len() < 1000, "{}", error.message.len());
            }
        }
    }
});

fn batches_fit(body: &Body<'_>, batches: Batches) -> bool {
    match body {
        Body::Single(_) => true,
        Body::Batch(messages) => batches == Batches::Allowed && (1..=100).contains(&messages.len()),
    }
}

fn check(message: &Message<'_>) {
    let value: Value = serde_json::from_str(message.raw).expect("accepted text is JSON");
    assert_eq!(value["jsonrpc"], "2.0");
    assert_eq!(value.get("method").and_then(Value::as_str), message.method());
    assert!(distinct(message.raw, &value), "a key was lost: {}", message.raw);
    if let MessageKind::Request { id, .. } = &message.kind {
        assert_eq!(serde_json::to_value(id).expect("an id is JSON"), value["id"]);
    }
    if let (Some(name), params) = (message.method(), message.params()) {
        let method = Method::of(name);
        let _ = method.listened_resources(params);
        let _ = method.arguments(params);
        let shown = name.chars().count() + 200;
        for revision in Revision::ALL {
            if let Err(error) = method.check_params(revision, params) {
                assert!(error.to_string().chars().count() < shown, "{error}");
            }
        }
        if method == Method::ToolsCall && method.subject(params).is_ok() {
            assert!(value["params"]["name"].is_string());
        }
    }
}

/// Whether `Value`, whose maps keep one of two equal keys, has as many members as the text has colons outside strings.
fn distinct(text: &str, value: &Value) -> bool {
    let (mut colons, mut in_string, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => colons += 1,
            _ => {}
        }
    }
    members(value) == colons
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
