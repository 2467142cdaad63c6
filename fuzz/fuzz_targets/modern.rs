//! A header value and a message of 2026-07-28: values decode back to what they were, and a state changes nothing around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smcp_mcp::{
    Batches, MessageKind, Mirrors, Outcome, Revision, check_modern, decode_header_value, encode_header_value,
    parse, rounds,
};

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (header, body) = (&input[..end], &input[end + 1..]);
    if let Ok(text) = std::str::from_utf8(header) {
        if let Some(decoded) = decode_header_value(text) {
            let again = encode_header_value(&decoded).into_owned();
            assert_eq!(decode_header_value(&again).as_deref(), Some(&*decoded));
        }
        assert_eq!(decode_header_value(&encode_header_value(text)).as_deref(), Some(text));
    }
    if let Ok(schema) = serde_json::from_slice::<serde_json::Value>(body) {
        let _ = Mirrors::of(&schema).check(Some(&schema), |_| vec![header]);
    }
    let Ok(parsed) = parse(body, Batches::Refused) else { return };
    let message = &parsed.messages()[0];
    let _ = check_modern(message, Revision::V2026_07_28, |_| Some(header));
    match &message.kind {
        MessageKind::Request { params: Some(params), .. } => {
            let same = rounds::same_in_every_round(Some(params));
            let text = rounds::with_brought_state(message, Some("s")).expect("it has parameters");
            let parsed = parse(text.as_bytes(), Batches::Refused).expect("what we write is what we read");
            let message = &parsed.messages()[0];
            assert_eq!(rounds::brought_state(message.params()), Ok(Some("s".to_owned())));
            assert_eq!(rounds::same_in_every_round(message.params()), same);
        }
        MessageKind::Response { outcome: Outcome::Result(result), .. } => {
            if let Ok(Some(_)) = rounds::question(result) {
                let text = rounds::with_asked_state(message, "s").expect("it has a result");
                let parsed = parse(text.as_bytes(), Batches::Refused).expect("what we write is what we read");
                let MessageKind::Response { outcome: Outcome::Result(result), .. } = &parsed.messages()[0].kind
                else {
                    panic!("a response stays one")
                };
                let asked = rounds::question(result).expect("a string").expect("a question");
                assert_eq!(asked.state.as_deref(), Some("s"));
            }
        }
        MessageKind::Request { .. } | MessageKind::Notification { .. } | MessageKind::Response { .. } => {}
    }
});
