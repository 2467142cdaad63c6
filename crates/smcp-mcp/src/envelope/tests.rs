//! Bodies, good and bad, with the answer each gets.

use super::*;
use crate::errors::{INVALID_REQUEST, PARSE_ERROR};

fn refused(body: &[u8]) -> (i32, Option<MessageId>) {
    let error = parse(body, Batches::Allowed).expect_err(&String::from_utf8_lossy(body));
    (error.code, error.id)
}

fn single(body: &str) -> Message<'_> {
    match parse(body.as_bytes(), Batches::Refused) {
        Ok(Body::Single(message)) => message,
        other => panic!("{body}: {other:?}"),
    }
}

fn kind(body: &str) -> String {
    match single(body).kind {
        MessageKind::Request { id, method, params } => {
            format!("request {id} {method} {}", params.map_or("-", RawValue::get))
        }
        MessageKind::Notification { method, params } => {
            format!("notification {method} {}", params.map_or("-", RawValue::get))
        }
        MessageKind::Response { id, outcome: Outcome::Result(result) } => {
            format!("result {} {result}", id.map_or("-".to_owned(), |id| id.to_string()))
        }
        MessageKind::Response { id, outcome: Outcome::Error(error) } => {
            let data = error.data.map_or("-", RawValue::get);
            format!(
                "error {} {} {} {data}",
                id.map_or("-".to_owned(), |id| id.to_string()),
                error.code,
                error.message
            )
        }
    }
}

#[test]
fn messages_are_told_apart() {
    for (body, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping -"),
        (
            r#"{"id":"a","params":{"x":[1]},"method":"to\u006fls/call","jsonrpc":"2.0"}"#,
            r#"request a tools/call {"x":[1]}"#,
        ),
        (
            r#"{"jsonrpc":"2.\u0030","method":"notifications/initialized"}"#,
            "notification notifications/initialized -",
        ),
        (r#"{"jsonrpc":"2.0","id":7,"result":{"ok":true}}"#, r#"result 7 {"ok":true}"#),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"n\u006f"}}"#, "error 7 -32601 no -"),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"","data":[2]}}"#, "error - 1  [2]"),
        (r#"{"jsonrpc":"2.0","error":{"code":1,"message":"x","more":0}}"#, "error - 1 x -"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","trace":{"a":1},"x":null}"#, "request 1 ping -"),
        (" \r\n\t{\"jsonrpc\":\"2.0\",\"method\":\"\"} ", "notification  -"),
    ] {
        assert_eq!(kind(body), expected, "{body}");
    }
    let message = single(" {\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"ping\"}\n");
    assert_eq!(
        message.raw, "{\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"ping\"}",
        "raw is the text as it came"
    );
    assert_eq!((message.id(), message.method()), (Some(&1.into()), Some("ping")));
}

#[test]
fn what_is_no_json_is_a_parse_error() {
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"nul",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\"",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}x",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\"}{}",
        b"[{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]]",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",}",
        b"{'jsonrpc':'2.0'}",
        b"{\"a\":1,\"a\":2",
        b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"x\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\ny\"}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":01}}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":NaN}}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":\"\\ud800\"}}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"a\":1e999}}",
        b"\xc2\xa0{}",
        b"{} \x0b",
    ] {
        assert_eq!(refused(body), (PARSE_ERROR, None), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn what_is_no_message_is_an_invalid_request() {
    let one = Some(MessageId::Integer(1));
    for (body, id) in [
        ("null", None),
        ("7", None),
        (r#""x""#, None),
        ("{}", None),
        (r#"{"id":1,"method":"x"}"#, one.clone()),
        (r#"{"jsonrpc":2.0,"id":1,"method":"x"}"#, one.clone()),
        (r#"{"jsonrpc":"2","id":1,"method":"x"}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":null}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":["x"]}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[]}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"y"}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":true,"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"x"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","error":{"code":1,"message":""}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"result":null}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","result":{}}"#, None),
        (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, None),
        (r#"{"jsonrpc":"2.0","id":[],"error":{"code":1,"message":""}}"#, None),
        (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"error":[1,"no"]}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, one.clone()),
    ] {
        assert_eq!(refused(body.as_bytes()), (INVALID_REQUEST, id), "{body}");
    }
}

#[test]
fn a_key_in_two_spellings_is_refused_with_the_id_if_that_is_certain() {
    let one = Some(MessageId::Integer(1));
    for (body, id) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","method":"x","meth\u006fd":"y","id":1}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","paramſ":{}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","y":1,"y":1}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"name":"a","n\u0061me":"b"}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[{"b":{"c":1,"c":1}}]}}"#, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","trace":{"c":1,"c":1}}"#, one),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","id":1}"#, None),
        (r#"{"jsonrpc":"2.0","x":1,"x":1,"id":1,"method":"x","id":2}"#, None),
    ] {
        assert_eq!(refused(body.as_bytes()), (INVALID_REQUEST, id), "{body}");
    }
}

#[test]
fn nesting_has_one_bound_for_the_whole_body() {
    let nested = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{value}}}}}"#)
    };
    single(&nested(MAX_JSON_DEPTH - 2));
    assert_eq!(refused(nested(MAX_JSON_DEPTH - 1).as_bytes()), (INVALID_REQUEST, Some(1.into())));
    assert_eq!(refused(nested(100_000).as_bytes()), (INVALID_REQUEST, Some(1.into())));
    assert_eq!(refused("[".repeat(500_000).as_bytes()), (PARSE_ERROR, None));
    let in_batch = |depth: usize| format!("[{}]", nested(depth));
    assert!(parse(in_batch(MAX_JSON_DEPTH - 3).as_bytes(), Batches::Allowed).is_ok());
    assert_eq!(refused(in_batch(MAX_JSON_DEPTH - 2).as_bytes()), (INVALID_REQUEST, Some(1.into())));
}

#[test]
fn batches_are_for_one_revision_and_hold_messages() {
    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let pings = |count: usize| (1..=count).map(|id| PING.replace('1', &id.to_string())).collect::<Vec<_>>();
    let batch = |count: usize| format!("[{}]", pings(count).join(" , "));
    for (body, batches, why) in [
        (batch(2), Batches::from(Revision::V2025_06_18), "no batches"),
        ("[]".to_owned(), Batches::Refused, "no batches"),
        ("[]".to_owned(), Batches::Allowed, "1 to 100"),
        (batch(MAX_BATCH_MESSAGES + 1), Batches::Allowed, "1 to 100"),
        (format!("[{PING},[{PING}]]"), Batches::Allowed, "JSON objects"),
        (format!("[{PING},1]"), Batches::Allowed, "JSON objects"),
        (format!("[{PING},{PING}]"), Batches::Allowed, "the same id"),
        (format!("[{PING},{{\"jsonrpc\":\"2.0\"}}]"), Batches::Allowed, "`method`"),
        (batch(2).replace("\"ping\"}]", r#""initialize"}]"#), Batches::Allowed, "stands alone"),
        (batch(2).replace("\"ping\"}]", r#""initi\u0061lize"}]"#), Batches::Allowed, "stands alone"),
    ] {
        let error = parse(body.as_bytes(), batches).expect_err(&body);
        assert_eq!(error.code, INVALID_REQUEST, "{body}");
        assert!(error.message.contains(why), "{body}: {error}");
    }
    for count in [1, MAX_BATCH_MESSAGES] {
        let body = batch(count);
        let Ok(Body::Batch(messages)) = parse(body.as_bytes(), Batches::from(Revision::V2025_03_26)) else {
            panic!("{body}");
        };
        assert_eq!(messages.len(), count);
        assert_eq!(messages.iter().map(|message| message.raw).collect::<Vec<_>>(), pings(count));
    }
}

#[test]
fn refusals_speak_to_the_caller() {
    for (body, text) in [
        ("{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        ("\u{feff}{}", "the body is not JSON: it starts with a byte order mark"),
        (r#"{"jsonrpc":"2.0","x":{"a":1,"a":2}}"#, "the key \"a\" appears twice in one object"),
        (r#"{"jsonrpc":"2.0","method":"x","params":[]}"#, "`params` must be an object"),
    ] {
        assert_eq!(parse(body.as_bytes(), Batches::Refused).expect_err(body).to_string(), text);
    }
    let long = format!(r#"{{"{0}":1,"{0}":2}}"#, "k".repeat(1000));
    assert!(parse(long.as_bytes(), Batches::Refused).expect_err("repeated").message.len() < 200);
}
