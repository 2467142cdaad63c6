//! The checked-in document is the one this code makes, and it refers to nothing that is not there.

use super::*;

#[test]
fn the_checked_in_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/v1.json");
    let current = format!("{:#}\n", document());
    if option_env!("SMCP_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == current,
        "{path} is out of date: run SMCP_BLESS=1 cargo test -p smcp-api and look at the diff"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_is_itself() {
    let document = document();
    let mut open = vec![&document];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            seen += 1;
        }
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(members) => open.extend(members.values()),
            _ => {}
        }
    }
    assert!(seen > 40);
    for operation in OPERATIONS {
        assert_eq!(operation.id.operation().path, operation.path);
    }
    assert!(document["components"]["schemas"].as_object().unwrap().values().all(|schema| schema.is_object()));
}
