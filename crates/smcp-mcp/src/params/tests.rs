//! Parameters, good and bad, by revision.

use super::*;
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};

fn fault(revision: Revision, method: &str, params: &Value) -> Option<String> {
    let raw = serde_json::value::to_raw_value(params).unwrap();
    Method::of(method).check_params(revision, Some(&raw)).err().map(|error| error.to_string())
}

const ALL: [Revision; 5] = Revision::ALL;

#[test]
fn what_the_schema_allows_passes() {
    let client = json!({ "name": "c", "version": "1", "title": "C", "icons": [] });
    for (method, params) in [
        ("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client })),
        ("ping", json!({})),
        ("ping", json!({ "_meta": { "progressToken": "a", "x.example/y": [1] } })),
        ("tools/list", json!({ "cursor": "c" })),
        ("tools/list", json!({ "cursor": null })),
        ("tools/call", json!({ "name": "add" })),
        (
            "tools/call",
            json!({ "name": "add", "arguments": { "a": [1, null] }, "_meta": { "progressToken": 7 } }),
        ),
        ("tools/call", json!({ "name": "add", "arguments": null, "task": { "ttl": 1.5 }, "more": 1 })),
        ("prompts/get", json!({ "name": "p", "arguments": { "a": "b" } })),
        ("resources/read", json!({ "uri": "a:b" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } }),
        ),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/resource", "uri": "a:{b}" }, "argument": { "name": "b", "value": "" },
                "context": { "arguments": { "a": "b" } } }),
        ),
        ("logging/setLevel", json!({ "level": "emergency" })),
        (
            "subscriptions/listen",
            json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["a:b"] } }),
        ),
        ("tasks/get", json!({ "taskId": "t" })),
        ("notifications/cancelled", json!({ "requestId": 1, "reason": "r" })),
        (
            "notifications/progress",
            json!({ "progressToken": 1, "progress": 0.5, "total": 2, "message": "m" }),
        ),
        ("notifications/initialized", json!({ "_meta": {} })),
        ("x.example/anything", json!({ "name": 1, "_meta": 7 })),
    ] {
        for revision in ALL {
            assert_eq!(fault(revision, method, &params), None, "{revision} {method} {params}");
        }
    }
    assert_eq!(fault(Revision::V2025_11_25, "notifications/cancelled", &json!({})), None);
    assert_eq!(Method::Ping.check_params(Revision::V2025_03_26, None), Ok(()));
    assert_eq!(Method::ToolsList.check_params(Revision::V2025_03_26, None), Ok(()));
}

const LEGACY: &[Revision] = Revision::ALL.split_at(4).0;
const MODERN: &[Revision] = Revision::ALL.split_at(4).1;

fn told(cases: Vec<(&[Revision], &str, Value, &str)>) {
    for (revisions, method, params, told) in cases {
        for revision in revisions {
            let expected = format!("{method}: {told}");
            assert_eq!(fault(*revision, method, &params), Some(expected), "{revision} {params}");
        }
    }
}

#[test]
fn anything_else_is_told_by_its_place() {
    let initialize = |key: &str, value: Value| {
        let mut params = json!({ "protocolVersion": "x", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
        params[key] = value;
        params
    };
    told(vec![
        (LEGACY, "initialize", json!({}), "`/params/protocolVersion` is missing"),
        (
            LEGACY,
            "initialize",
            initialize("protocolVersion", json!(1)),
            "`/params/protocolVersion` must be a string",
        ),
        (
            LEGACY,
            "initialize",
            initialize("protocolVersion", json!(null)),
            "`/params/protocolVersion` must be a string",
        ),
        (
            LEGACY,
            "initialize",
            initialize("capabilities", json!([])),
            "`/params/capabilities` must be an object",
        ),
        (
            LEGACY,
            "initialize",
            initialize("clientInfo", json!("c")),
            "`/params/clientInfo` must be an object",
        ),
        (
            LEGACY,
            "initialize",
            initialize("clientInfo", json!({ "name": "c" })),
            "`/params/clientInfo/version` is missing",
        ),
        (&ALL, "tools/call", json!({ "arguments": {} }), "`/params/name` is missing"),
        (
            &ALL,
            "tools/call",
            json!({ "name": "a", "arguments": [1] }),
            "`/params/arguments` must be an object",
        ),
        (&ALL, "tools/call", json!({ "name": "a", "_meta": [] }), "`/params/_meta` must be an object"),
        (
            &ALL,
            "tools/call",
            json!({ "name": "a", "_meta": { "progressToken": 1.5 } }),
            "`/params/_meta/progressToken` must be a string or an integer",
        ),
        (
            &ALL[3..4],
            "tools/call",
            json!({ "name": "a", "task": { "ttl": "1" } }),
            "`/params/task/ttl` must be a number",
        ),
        (
            MODERN,
            "tools/call",
            json!({ "name": "a", "requestState": 1 }),
            "`/params/requestState` must be a string",
        ),
    ]);
    // What a revision does not know is an extension's there.
    for (revision, method) in
        [(Revision::V2025_06_18, "tasks/get"), (Revision::V2025_11_25, "server/discover")]
    {
        assert_eq!(fault(revision, method, &json!({ "_meta": 1 })), None);
    }
}

#[test]
fn so_are_names_and_lists() {
    told(vec![
        (
            LEGACY,
            "logging/setLevel",
            json!({ "level": "loud" }),
            "`/params/level` must be one of debug, info, notice, warning, error, critical, alert, emergency",
        ),
        (&ALL, "tools/list", json!({ "cursor": 1 }), "`/params/cursor` must be a string"),
        (
            MODERN,
            "subscriptions/listen",
            json!({ "notifications": { "resourceSubscriptions": [1] } }),
            "`/params/notifications/resourceSubscriptions` must be a list of strings",
        ),
        (&ALL[..3], "notifications/cancelled", json!({}), "`/params/requestId` is missing"),
        (LEGACY, "notifications/progress", json!({ "progressToken": 1 }), "`/params/progress` is missing"),
        (
            &ALL,
            "prompts/get",
            json!({ "name": "p", "arguments": { "a": 1 } }),
            "`/params/arguments` must be an object of strings",
        ),
        (&ALL, "resources/read", json!({}), "`/params/uri` is missing"),
        (LEGACY, "resources/subscribe", json!({ "uri": {} }), "`/params/uri` must be a string"),
        (
            &ALL,
            "completion/complete",
            json!({ "ref": { "type": "ref/tool" } }),
            "`/params/ref/type` must be one of ref/prompt, ref/resource",
        ),
        (
            &ALL,
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt" }, "argument": { "name": "a" } }),
            "`/params/argument/value` is missing",
        ),
        (MODERN, "subscriptions/listen", json!({}), "`/params/notifications` is missing"),
        (&ALL[3..], "tasks/cancel", json!({}), "`/params/taskId` is missing"),
    ]);
}

proptest! {
    /// Every revision leaves its objects open, and no JSON at all is a panic.
    #[test]
    fn members_that_no_schema_names_change_nothing(
        key in "[a-z.]{1,12}/[a-z]{1,8}",
        value in "[a-z0-9]{0,8}",
        at in 0_usize..5,
    ) {
        let revision = ALL[at];
        for (method, mut params) in [
            ("tools/call", json!({ "name": "add", "arguments": {}, "_meta": {} })),
            ("prompts/get", json!({ "name": "add", "_meta": {} })),
            ("resources/read", json!({ "uri": "a:b", "_meta": {} })),
            ("notifications/progress", json!({ "progressToken": 1, "progress": 1, "_meta": {} })),
        ] {
            for place in ["", "/_meta"] {
                if let Some(object) = params.pointer_mut(place).and_then(Value::as_object_mut) {
                    object.insert(key.clone(), json!([value, { "n": 1 }]));
                }
            }
            prop_assert_eq!(fault(revision, method, &params), None, "{}", params);
        }
    }

    #[test]
    fn anything_is_taken_or_told(method in 0_usize..25, text in "[{}\\[\\]\"a:,0-9.e-]{0,40}", at in 0_usize..5) {
        let methods = Method::known();
        let method = &methods[method % methods.len()];
        if let Ok(raw) = RawValue::from_string(text)
            && let Err(error) = method.check_params(ALL[at], Some(&raw))
        {
            prop_assert!(error.to_string().len() < 300);
        }
    }
}
