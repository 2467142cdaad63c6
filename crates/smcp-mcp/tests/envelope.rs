//! The envelope under arbitrary input: it never panics, keeps what is valid, and finds every repeated key.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::{
    prelude::{Just, Strategy, TestCaseError, any},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
    sample::Index,
};
use serde_json::{Map, Value, json, value::RawValue};
use smcp_mcp::{Batches, Body, MessageId, MessageKind, Outcome, errors, parse};

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300_f64..1e300).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            object_of(inner, 0..20).prop_map(Value::from),
        ]
    })
}

fn object_of(
    value: impl Strategy<Value = Value>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec((any::<String>(), value), size).prop_map(Map::from_iter)
}

fn id() -> impl Strategy<Value = Value> {
    let bound = (1_i64 << 53) - 1;
    prop_oneof![any::<String>().prop_map(Value::from), (-bound..=bound).prop_map(Value::from)]
}

fn message() -> impl Strategy<Value = Value> {
    let params = proptest::option::of(object_of(json(), 0..5));
    let call = (proptest::option::of(id()), any::<String>(), params).prop_map(|(id, method, params)| {
        let mut message = json!({"jsonrpc": "2.0", "method": method});
        id.into_iter().for_each(|id| message["id"] = id);
        params.into_iter().for_each(|params| message["params"] = params.into());
        message
    });
    let result = (id(), object_of(json(), 0..5));
    let result = result.prop_map(|(id, result)| json!({"jsonrpc": "2.0", "id": id, "result": result}));
    let error = (id(), any::<i64>(), any::<String>(), json()).prop_map(
        |(id, code, text, data)| json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text, "data": data}}),
    );
    prop_oneof![4 => call, 1 => result, 1 => error]
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap()
}

/// What `parse` understood, as the JSON it came from.
fn rebuilt(kind: &MessageKind<'_>) -> Value {
    let mut message = json!({"jsonrpc": "2.0"});
    let mut put = |key: &str, value: Value| message[key] = value;
    let id_value = |id: &MessageId| serde_json::to_value(id).unwrap();
    match kind {
        MessageKind::Request { id, method, params } => {
            put("id", id_value(id));
            put("method", json!(method));
            params.iter().for_each(|params| put("params", value(params)));
        }
        MessageKind::Notification { method, params } => {
            put("method", json!(method));
            params.iter().for_each(|params| put("params", value(params)));
        }
        MessageKind::Response { id, outcome } => {
            id.iter().for_each(|id| put("id", id_value(id)));
            match outcome {
                Outcome::Result(result) => put("result", value(result)),
                Outcome::Error(error) => {
                    let data = error.data.map_or(Value::Null, value);
                    put("error", json!({"code": error.code, "message": error.message, "data": data}));
                }
            }
        }
    }
    message
}

/// Every character as an escape: another spelling of the same key.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn check_any(body: &[u8]) -> Result<(), TestCaseError> {
    let is_json = serde_json::from_slice::<&RawValue>(body).is_ok();
    for batches in [Batches::Refused, Batches::Allowed] {
        match parse(body, batches) {
            Ok(_) => prop_assert!(is_json),
            Err(error) => {
                prop_assert!([errors::PARSE_ERROR, errors::INVALID_REQUEST].contains(&error.code));
                prop_assert!(is_json || error.code == errors::PARSE_ERROR);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_any(&body)?;
    }

    #[test]
    fn broken_messages_never_panic(
        message in message(),
        at in any::<Index>(),
        patch in proptest::collection::vec(any::<u8>(), 0..3),
        cut in 0_usize..4,
    ) {
        let mut body = message.to_string().into_bytes();
        let at = at.index(body.len());
        body.splice(at..(at + cut).min(body.len()), patch);
        check_any(&body)?;
    }

    #[test]
    fn valid_messages_are_understood_whole(message in message(), pretty in any::<bool>()) {
        let text = if pretty { format!("{message:#}") } else { message.to_string() };
        let body = parse(text.as_bytes(), Batches::Refused).map_err(|why| TestCaseError::fail(format!("{why}: {text}")))?;
        prop_assert_eq!(body.messages()[0].raw, &text);
        // Through text, as the parser saw it: not every f64 survives serde_json's default reader to the last bit.
        let message: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(rebuilt(&body.messages()[0].kind), message);
    }

    #[test]
    fn valid_batches_keep_their_order(messages in proptest::collection::vec(message(), 1..6)) {
        let text = Value::from(messages.clone()).to_string();
        match parse(text.as_bytes(), Batches::Allowed) {
            Ok(Body::Batch(read)) => {
                let raws: Vec<_> = read.iter().map(|message| message.raw.to_owned()).collect();
                prop_assert_eq!(raws, messages.iter().map(Value::to_string).collect::<Vec<_>>());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        prop_assert_eq!(parse(text.as_bytes(), Batches::Refused).unwrap_err().code, errors::INVALID_REQUEST);
    }

    #[test]
    fn a_repeated_key_is_found_at_any_depth(
        keys in proptest::collection::btree_set(any::<String>(), 1..40),
        which in any::<Index>(),
        layers in proptest::collection::vec(any::<bool>(), 0..60),
        escape in any::<bool>(),
        in_batch in any::<bool>(),
    ) {
        let keys: Vec<&String> = keys.iter().collect();
        let twin = keys[which.index(keys.len())];
        let mut members: Vec<String> = keys.iter().map(|key| format!("{}:0", json!(key))).collect();
        let spelled = if escape { format!("\"{}\"", escaped(twin)) } else { json!(twin).to_string() };
        let build = |members: &[String]| {
            let mut inner = format!("{{{}}}", members.join(","));
            for array in &layers {
                inner = if *array { format!("[{inner}]") } else { format!("{{\"in\":{inner}}}") };
            }
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"p":{inner}}}}}"#);
            if in_batch { format!("[{message}]") } else { message }
        };
        let fine = build(&members);
        prop_assert!(parse(fine.as_bytes(), Batches::Allowed).is_ok(), "{}", fine);
        members.push(format!("{spelled}:1"));
        let error = parse(build(&members).as_bytes(), Batches::Allowed).unwrap_err();
        prop_assert_eq!(error.code, errors::INVALID_REQUEST);
        prop_assert!(error.message.contains("twice"), "{}", error);
    }
}
