//! What a request must be before hosted code hears of it, and what events must be before a client does.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, World, bundle, call_add, calling_add, modern};

const DONE: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete"}}"#;

/// A world whose server `srv` asks for its arguments to be checked.
async fn checking() -> World {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(DONE))).await;
    let mut upload = bundle("srv", &[]);
    upload["manifest"]["validate"] = "arguments".into();
    upload["manifest"]["requires"] = json!(["validate"]);
    let path = "/api/v1/tenants/home/servers/srv/versions";
    let deployed = world.api(Method::POST, path, &world.root, upload).await;
    let digest =
        deployed.json()["version"]["digest"].as_str().unwrap_or_else(|| panic!("{deployed:?}")).to_owned();
    let active = world.api(Method::POST, &format!("{path}/{digest}/activate"), &world.root, json!({})).await;
    assert_eq!(active.status, StatusCode::OK);
    world
}

fn call(arguments: &Value) -> Value {
    let mut message = call_add();
    message["params"]["arguments"] = arguments.clone();
    message
}

fn code(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["error"]["code"].clone())
}

#[tokio::test]
async fn wrong_arguments_reach_no_hosted_code() {
    let world = checking().await;
    let wrong = json!({ "region": ["secret"] });
    let words =
        "invalid arguments: they do not fit the tool's inputSchema: \"/region\" must be string (type)";
    for revision in ["2025-03-26", "2025-06-18"] {
        let answer = world.mcp_with(&world.user, &[("mcp-protocol-version", revision)], call(&wrong)).await;
        let expected = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": -32602, "message": words } });
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{revision}");
    }
    let mut result = json!({ "content": [{ "type": "text", "text": words }], "isError": true });
    let headers = [("mcp-protocol-version", "2025-11-25")];
    let answer = world.mcp_with(&world.user, &headers, call(&wrong)).await;
    assert_eq!(answer.json(), json!({ "jsonrpc": "2.0", "id": 7, "result": result }));
    result["resultType"] = "complete".into();
    let answer = world.mcp_with(&world.user, &calling_add("2026-07-28"), modern(call(&wrong))).await;
    assert_eq!(answer.json(), json!({ "jsonrpc": "2.0", "id": 7, "result": result }));
    let mut task = call(&wrong);
    task["params"]["task"] = json!({});
    assert_eq!(code(&world.mcp_with(&world.user, &headers, task).await), (200, json!(-32602)));
    let mut twin = call(&json!({}));
    twin["params"]["Arguments"] = wrong.clone();
    assert_eq!(code(&world.mcp_with(&world.user, &headers, twin).await), (200, json!(-32602)));
    let mut forged = modern(call(&wrong));
    forged["params"]["requestState"] = "forged".into();
    let answer = world.mcp_with(&world.user, &calling_add("2026-07-28"), forged.clone()).await;
    assert_eq!(answer.json()["error"]["code"], -32020, "the header of `region` is missing");
    forged["params"]["arguments"] = json!({ "more": 1 });
    let answer = world.mcp_with(&world.user, &calling_add("2026-07-28"), forged).await;
    assert_eq!(code(&answer), (200, json!(-32602)), "a state that we did not give");
    let second = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": { "name": "add", "arguments": wrong } });
    let batch = world.mcp(&world.user, json!([call(&json!({})), second])).await;
    assert_eq!((code(&batch), batch.json()["id"].clone()), ((200, json!(-32602)), json!(8)));
    assert_eq!(world.isolates.seen().len(), 0);
    for fine in [json!({}), json!({ "region": "eu", "more": [1] })] {
        assert_eq!(world.mcp(&world.user, call(&fine)).await.status, StatusCode::OK);
    }
    assert_eq!(world.isolates.seen().len(), 2);
}

#[tokio::test]
async fn a_lock_that_asks_for_it_must_say_so_and_pin() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(DONE))).await;
    for (requires, definitions, told) in [
        (json!([]), "pinned", "must name `validate`"),
        (json!(["validate"]), "dynamic", "needs `definitions = \\\"pinned\\\"`"),
    ] {
        let mut upload = bundle("srv", &[]);
        upload["manifest"]["validate"] = "arguments".into();
        upload["manifest"]["requires"] = requires;
        upload["manifest"]["definitions"] = definitions.into();
        let path = "/api/v1/tenants/home/servers/srv/versions";
        let refused = world.api(Method::POST, path, &world.root, upload).await;
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(refused.status == StatusCode::BAD_REQUEST && text.contains(told), "{text}");
    }
}

#[tokio::test]
async fn parameters_are_what_the_revision_says() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(DONE))).await;
    let request = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let headers = [("mcp-protocol-version", "2025-11-25")];
    for (method, params, told) in [
        (
            "initialize",
            json!({ "protocolVersion": "2025-11-25" }),
            "initialize: `/params/capabilities` is missing",
        ),
        (
            "tools/call",
            json!({ "name": "add", "arguments": [1] }),
            "tools/call: `/params/arguments` must be an object",
        ),
        ("tools/list", json!({ "cursor": 1 }), "tools/list: `/params/cursor` must be a string"),
        (
            "logging/setLevel",
            json!({ "level": 1 }),
            "logging/setLevel: `/params/level` must be one of debug,",
        ),
        (
            "ping",
            json!({ "_meta": { "progressToken": {} } }),
            "ping: `/params/_meta/progressToken` must be a string or",
        ),
    ] {
        let answer = world.mcp_with(&world.user, &headers, request(method, params)).await;
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(code(&answer) == (200, json!(-32602)) && message.starts_with(told), "{method}: {answer:?}");
    }
    let progress =
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progress": 1 } });
    assert_eq!(code(&world.mcp_with(&world.user, &headers, progress).await), (400, json!(-32602)));
    let listen = request("subscriptions/listen", json!({ "notifications": { "toolsListChanged": 1 } }));
    let modern_headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    let answer = world.mcp_with(&world.user, &modern_headers, modern(listen)).await;
    assert_eq!(code(&answer), (200, json!(-32602)));
    assert_eq!(world.isolates.seen().len(), 0);
}

#[tokio::test]
async fn a_batch_counts_by_its_requests_and_has_each_id_once() {
    let both = format!("[{DONE},{}]", DONE.replace('7', "8"));
    let world = World::new(ScriptedIsolates::new(move |_| Scripted::json(both.clone()))).await;
    let mut second = call_add();
    let twice = world.mcp(&world.user, json!([call_add(), second.clone()])).await;
    assert_eq!(code(&twice), (400, json!(-32600)));
    second["id"] = 8.into();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = world.mcp(&world.user, json!([call_add(), note.clone(), second])).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(world.isolates.seen().iter().map(|seen| seen.calls).collect::<Vec<_>>(), [2]);
    // What a member may not, none of them does: a reader may list and not call.
    let list = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list" });
    let refused = world.mcp(&world.reader, json!([list, call_add()])).await;
    assert_eq!((refused.status, refused.json()["id"].clone()), (StatusCode::FORBIDDEN, json!(7)));
    assert_eq!(world.isolates.seen().len(), 1);
}

/// Events of hosted code against what a client is told on a revision with sessions.
#[tokio::test]
async fn events_are_judged_as_answers_are() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let stray = DONE.replace('7', "8");
    for (first, fine) in [
        (note, true),
        (stray.as_str(), false),
        ("<h1>", false),
        ("[]", false),
        (r#"{"jsonrpc":"2.0","id":7}"#, false),
    ] {
        let events = format!("data: {first}\n\ndata: {DONE}\n\n");
        let world = World::new(ScriptedIsolates::new(move |_| Scripted::events(events.clone()))).await;
        for revision in ["2025-03-26", "2025-11-25"] {
            let headers = [("mcp-protocol-version", revision)];
            let answer = world.mcp_with(&world.user, &headers, call_add()).await;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(text.contains(DONE), fine, "{revision}: {text}");
            assert_eq!(text.contains(first) && first != DONE, fine, "{revision}: {text}");
            if !fine {
                let id = answer.header("x-request-id");
                assert!(
                    text.contains("-32603") && text.contains(&format!("\"requestId\":\"{id}\"")),
                    "{text}"
                );
                assert_eq!(text.matches("\"id\":7").count(), 1, "one answer: {text}");
            }
        }
    }
}

#[tokio::test]
async fn the_answer_to_initialize_is_judged_too() {
    let initialize = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } } });
    let result =
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;
    let answer = |id: u8| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    for (answer, fine) in [
        (Scripted::json(answer(7)), true),
        (Scripted::events(format!("data: {}\n\n", answer(7))), true),
        (Scripted::json(answer(8)), false),
        (Scripted::events(format!("data: {}\n\n", answer(8))), false),
        (Scripted::events(format!("data: hello\n\ndata: {}\n\n", answer(7))), false),
        (Scripted::json("{"), false),
    ] {
        let world = World::new(ScriptedIsolates::new(move |_| answer.clone())).await;
        let told = world.mcp(&world.user, initialize.clone()).await;
        let expected = if fine { (200, Value::Null) } else { (502, json!(-32603)) };
        assert_eq!(code(&told), expected, "{told:?}");
        assert!(fine || told.json()["error"]["data"]["requestId"] == told.header("x-request-id"), "{told:?}");
    }
}
