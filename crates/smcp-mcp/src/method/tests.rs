//! Which method is about what.

use super::*;

fn raw(text: &str) -> Box<RawValue> {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn names_round_trip() {
    for method in Method::known() {
        assert_eq!(Method::of(method.as_str()), method);
    }
    for other in ["", "Tools/call", "tools/call ", "notifications/message", "x/y"] {
        assert_eq!(Method::of(other), Method::Other(other.to_owned()));
    }
    assert!(Method::Cancelled.is_notification() && !Method::ToolsCall.is_notification());
}

#[test]
fn subjects_are_what_the_parameters_name() {
    let tool = |name: &str| Some(Subject::Tool(name.to_owned()));
    let prompt = |name: &str| Some(Subject::Prompt(name.to_owned()));
    let resource = |uri: &str| Some(Subject::Resource(uri.to_owned()));
    for (method, params, subject) in [
        ("tools/call", r#"{"arguments":{"name":"no"},"name":"add"}"#, tool("add")),
        ("tools/call", r#"{"n\u0061me":"\u0061dd"}"#, tool("add")),
        ("tools/call", r#"{"name":""}"#, tool("")),
        ("prompts/get", r#"{"name":"review","arguments":{}}"#, prompt("review")),
        ("resources/read", r#"{"uri":"file:///a"}"#, resource("file:///a")),
        ("resources/subscribe", r#"{"uri":"a:b"}"#, resource("a:b")),
        ("resources/unsubscribe", r#"{"uri":"a:b"}"#, resource("a:b")),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"p"}}"#, prompt("p")),
        ("completion/complete", r#"{"ref":{"uri":"a:{b}","type":"ref/resource"}}"#, resource("a:{b}")),
        ("tools/list", r#"{"name":"x"}"#, None),
        ("notifications/initialized", "{}", None),
        ("vendor/tool", r#"{"name":"x"}"#, None),
    ] {
        let got = Method::of(method).subject(Some(&raw(params)));
        assert_eq!(got, Ok(subject), "{method} {params}");
    }
    assert_eq!(Method::Ping.subject(None), Ok(None));
}

#[test]
fn parameters_that_name_nothing_are_invalid() {
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":7}"#),
        ("tools/call", r#"{"name":null}"#),
        ("tools/call", r#"{"name":["add"]}"#),
        ("tools/call", r#"{"name":"\ud800"}"#),
        ("tools/call", r#"["add"]"#),
        ("tools/call", r#"{"name":"a","name":"b"}"#),
        ("tools/call", r#"{"name":"a","Name":"b"}"#),
        ("tools/call", r#"{"NAME":"b"}"#),
        ("prompts/get", r#"{"uri":"x"}"#),
        ("resources/read", r#"{"name":"x"}"#),
        ("completion/complete", "{}"),
        ("completion/complete", r#"{"ref":"p"}"#),
        ("completion/complete", r#"{"ref":{"name":"p"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/tool","name":"p"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/resource","name":"p"}}"#),
    ] {
        let got = Method::of(method).subject(Some(&raw(params)));
        assert!(got.is_err(), "{method} {params}: {got:?}");
    }
    let missing = Method::ToolsCall.subject(None).unwrap_err();
    assert_eq!(missing.to_string(), "tools/call: `name` must be a string");
}

#[test]
fn a_listen_names_its_resources() {
    let listen = Method::SubscriptionsListen;
    let uris = |params: &str| listen.listened_resources(Some(&raw(params)));
    assert_eq!(uris(r#"{"notifications":{"toolsListChanged":true}}"#), Ok(vec![]));
    let two = uris(r#"{"notifications":{"resourceSubscriptions":["a:1","a:2"]}}"#);
    assert_eq!(two, Ok(vec!["a:1".to_owned(), "a:2".to_owned()]));
    for bad in ["{}", r#"{"notifications":[]}"#, r#"{"notifications":{"resourceSubscriptions":"a:1"}}"#] {
        assert!(uris(bad).is_err(), "{bad}");
    }
    assert_eq!(Method::Ping.listened_resources(None), Ok(vec![]));
}
