//! A schema and a value on two lines: whatever they are, the schema is compiled or refused, and the check comes to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};
use smcp_mcp::{Misfit, Schema, SchemaRoom};

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(schema) = serde_json::from_slice::<Value>(&input[..end]) else { return };
    let schema = match Schema::compile(&schema, &mut SchemaRoom::default()) {
        Ok(schema) => schema,
        Err(error) => return assert!(error.to_string().len() < 1_000, "{error}"),
    };
    let value = serde_json::from_slice::<&RawValue>(&input[end + 1..]).ok();
    let checked = schema.check(value);
    assert_eq!(checked, schema.check(value), "the same answer every time");
    match checked {
        Ok(()) | Err(Misfit::TooMuchWork) => {}
        Err(misfit) => assert!((1..4_000).contains(&misfit.to_string().len()), "{misfit}"),
    }
});
