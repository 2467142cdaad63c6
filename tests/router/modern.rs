//! 2026-07-28: what a request must bring, what an answer must be, whose `requestState` is whose.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, MCP, World, call_add, calling_add, modern};

const DONE: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete"}}"#;
const REVISION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

async fn send(world: &World, key: &str, message: Value) -> Answer {
    world.mcp_with(key, &calling_add("2026-07-28"), modern(message)).await
}

fn told(answer: &Answer) -> (u16, Value, Value) {
    (answer.status.as_u16(), answer.json()["error"]["code"].clone(), answer.json()["id"].clone())
}

#[tokio::test]
async fn refusals_say_what_a_modern_client_can_tell_apart() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(DONE))).await;
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let named = |method: &'static str| [REVISION, ("mcp-method", method)];
    let gone =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "resources/subscribe", "params": { "uri": "a:b" } });
    let mut nameless = modern(list.clone());
    nameless["params"]["_meta"] = json!({});
    for (what, headers, message, expected) in [
        ("no _meta", &named("tools/list")[..], list.clone(), (400, json!(-32602), json!(7))),
        ("empty _meta", &named("tools/list"), nameless, (400, json!(-32602), json!(7))),
        ("no Mcp-Method", &[REVISION], modern(list.clone()), (400, json!(-32020), json!(7))),
        ("gone", &named("resources/subscribe"), modern(gone), (404, json!(-32601), json!(7))),
        (
            "no version header",
            &[("mcp-method", "tools/list")],
            modern(list.clone()),
            (400, json!(-32020), json!(7)),
        ),
        ("no Mcp-Name", &named("tools/call"), modern(call_add()), (400, json!(-32020), json!(7))),
        ("unknown revision", &[("mcp-protocol-version", "2027-01-01")], list, (400, json!(-32022), json!(7))),
        (
            "a response",
            &[REVISION],
            json!({ "jsonrpc": "2.0", "id": 7, "result": {} }),
            (400, json!(-32600), json!(7)),
        ),
    ] {
        let answer = world.mcp_with(&world.user, headers, message).await;
        assert_eq!(told(&answer), expected, "{what}");
    }
    let unmirrored = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "add", "arguments": { "region": "eu" } } });
    assert_eq!(told(&send(&world, &world.user, unmirrored.clone()).await), (400, json!(-32020), json!(7)));
    assert_eq!(world.isolates.seen().len(), 0);
    let [version, method, name] = calling_add("2026-07-28");
    let headers = [version, method, name, ("mcp-param-region", "eu"), ("last-event-id", "1")];
    assert_eq!(world.mcp_with(&world.user, &headers, modern(unmirrored)).await.status.as_u16(), 200);
    let seen = world.isolates.seen().remove(0).headers;
    assert!(seen.contains_key("mcp-param-region") && !seen.contains_key("last-event-id"));
}

/// What hosted code answers, against what a client is told.
#[tokio::test]
async fn answers_are_judged() {
    let unknown = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#;
    let event = |data: &str| Scripted::events(format!("id: 4\nretry: 1\ndata: {data}\n\n"));
    let garbage = [
        Scripted::json("{"),
        Scripted::json(r#"{"jsonrpc":"2.0","id":8,"result":{}}"#),
        Scripted::json(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#),
        Scripted::json(format!("[{DONE}]")),
        Scripted::of(202, "", ""),
        Scripted::of(404, "text/plain", "no"),
    ];
    for answer in garbage {
        let shown = format!("{answer:?}");
        let world = World::new(ScriptedIsolates::new(move |_| answer.clone())).await;
        let answer = send(&world, &world.user, call_add()).await;
        assert_eq!(told(&answer), (502, json!(-32603), json!(7)), "{shown}");
        assert!(answer.json()["error"]["data"]["requestId"].is_string(), "{shown}");
    }
    let world = World::new(ScriptedIsolates::new(move |_| Scripted::json(unknown))).await;
    assert_eq!(told(&send(&world, &world.user, call_add()).await), (404, json!(-32601), json!(7)));
    let world = World::new(ScriptedIsolates::new(move |_| event(DONE))).await;
    let body = send(&world, &world.user, call_add()).await.body;
    assert_eq!(body, format!("data: {DONE}\n\n"), "no event ids on this revision");
    for data in
        ["{", r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#]
    {
        let world = World::new(ScriptedIsolates::new(move |_| event(data))).await;
        let body = send(&world, &world.user, call_add()).await.body;
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.starts_with(r#"data: {"jsonrpc":"2.0","id":7,"error":{"code":-32603"#), "{text}");
        assert!(text.contains("\"data\":{\"requestId\":\""), "{text}");
    }
    let asks = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}}"#;
    let world = World::new(ScriptedIsolates::new(move |_| Scripted::json(asks))).await;
    let answer = send(&world, &world.user, call_add()).await;
    assert_eq!(told(&answer), (400, json!(-32021), json!(7)), "the client has declared nothing");
    assert_eq!(answer.json()["error"]["data"], json!({ "requiredCapabilities": { "roots": {} } }));
}

/// Asks in the first round, tells in the second what state came back.
fn asking() -> std::sync::Arc<ScriptedIsolates> {
    ScriptedIsolates::new(|request| {
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        let result = match message["params"].get("requestState") {
            Some(state) => json!({ "resultType": "complete", "state": state }),
            None if message["params"].get("inputResponses").is_some() => {
                json!({ "resultType": "complete", "state": null })
            }
            None if message["params"]["arguments"]["stateless"] == true => {
                json!({ "resultType": "input_required", "inputRequests": {} })
            }
            None => json!({ "resultType": "input_required", "requestState": "mine" }),
        };
        let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        Scripted::events(format!("data: {body}\n\n"))
    })
}

/// The result in an answer that is one event.
fn result(answer: &Answer) -> Value {
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let data = text.trim().strip_prefix("data: ").unwrap_or(&text);
    serde_json::from_str::<Value>(data).unwrap()["result"].clone()
}

async fn ask(world: &World, arguments: &Value) -> String {
    let mut first = call_add();
    first["params"]["arguments"] = arguments.clone();
    let result = result(&send(world, &world.user, first).await);
    result["requestState"].as_str().unwrap().to_owned()
}

fn retry(state: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": {
        "inputResponses": {}, "requestState": state, "arguments": arguments, "name": "add" } })
}

#[tokio::test]
async fn request_state_is_the_callers_for_this_request_and_not_for_long() {
    let world = World::new(asking()).await;
    let arguments = json!({ "a": 1, "b": [2] });
    let state = ask(&world, &arguments).await;
    assert!(!state.contains("mine"));
    let good = retry(&state, &arguments);
    assert_eq!(result(&send(&world, &world.user, good.clone()).await)["state"], "mine");
    let mut altered = state.clone().into_bytes();
    altered[40] ^= 1;
    let altered = String::from_utf8(altered).unwrap();
    let refused = [
        retry(&altered, &arguments),
        retry("mine", &arguments),
        retry("", &arguments),
        retry(&state, &json!({ "a": 1, "b": [3] })),
        retry(&state, &json!({})),
    ];
    let code =
        async |key: &str, message: Value| send(&world, key, message).await.json()["error"]["code"].clone();
    let before = world.isolates.seen().len();
    for message in refused {
        assert_eq!(code(&world.user, message.clone()).await, -32602, "{message}");
    }
    assert_eq!(code(&world.admin, good.clone()).await, -32602, "somebody else's");
    world.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(code(&world.user, good).await, -32602, "too late");
    assert_eq!(world.isolates.seen().len(), before, "none of them reached hosted code");
}

#[tokio::test]
async fn a_server_without_a_state_of_its_own_sees_none() {
    let world = World::new(asking()).await;
    let arguments = json!({ "stateless": true });
    let state = ask(&world, &arguments).await;
    let answer = send(&world, &world.user, retry(&state, &arguments)).await;
    assert_eq!(result(&answer), json!({ "resultType": "complete", "state": null }));
    assert!(!String::from_utf8_lossy(&world.isolates.seen().last().unwrap().body).contains("requestState"));
}

#[tokio::test]
async fn a_retry_goes_to_the_version_that_asked() {
    let world = World::new(asking()).await;
    let state = ask(&world, &json!({})).await;
    let digest = world.deploy("home", "srv", &[("X", "2")]).await;
    let path = format!("/api/v1/tenants/home/servers/srv/versions/{digest}/activate");
    assert_eq!(world.api(Method::POST, &path, &world.admin, json!({})).await.status.as_u16(), 200);
    let answer = send(&world, &world.user, retry(&state, &json!({}))).await;
    assert_eq!(result(&answer)["state"], "mine");
    let versions = world.isolates.versions();
    assert_eq!(versions.first(), versions.last(), "the first version answers both rounds");
    ask(&world, &json!({})).await;
    assert_ne!(world.isolates.versions().last(), versions.last());
}

/// News reach the client, nobody else's do, and the end is told.
#[tokio::test]
async fn listening() {
    let note = |method: &str, id: u32| {
        json!({ "jsonrpc": "2.0", "method": method,
            "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": id } } })
    };
    let (ours, foreign) = (note("notifications/subscriptions/acknowledged", 7), note("notifications/x", 9));
    let stream = format!("id: 1\ndata: {ours}\n\ndata: {foreign}\n\n");
    let world = World::new(ScriptedIsolates::new(move |_| Scripted::events(stream.clone()))).await;
    let listen = json!({ "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen",
        "params": { "notifications": { "toolsListChanged": true } } });
    let bearer = format!("Bearer {}", world.user);
    let method = ("mcp-method", "subscriptions/listen");
    let headers = [("authorization", bearer.as_str()), MCP[0], MCP[1], REVISION, method];
    let body = modern(listen).to_string();
    let answer = world.send(Method::POST, "/t/home/srv/mcp", &headers, body).await;
    let end = json!({ "jsonrpc": "2.0", "id": 7, "result": { "resultType": "complete",
        "_meta": { "io.modelcontextprotocol/subscriptionId": 7 } } });
    assert_eq!(answer.body, format!("data: {ours}\n\ndata: {end}\n\n"));
}
