//! HTTP+SSE of 2024-11-05: the endpoint event, messages, and that a stream is its caller's alone.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, call_add};

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } })
}

/// A hosted server with sessions: `initialize` as JSON, calls as events.
async fn world() -> World {
    world_that(false).await
}

async fn world_that(begins_with_events: bool) -> World {
    World::new(ScriptedIsolates::new(move |request| {
        if String::from_utf8_lossy(&request.body).contains("\"initialize\"") {
            let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "protocolVersion": "2024-11-05",
                "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
            let answer = match begins_with_events {
                true => Scripted::events(format!("event: message\nid: 1\ndata: {result}\n\n")),
                false => Scripted::json(result.to_string()),
            };
            return answer.header("mcp-session-id", "inner");
        }
        Scripted::events("id: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n")
    }))
    .await
}

async fn open(world: &World, key: &str) -> (BodyDataStream, String) {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    let opened = world.open(Method::GET, "/t/home/srv/sse", &headers, "").await;
    assert_eq!(opened.status().as_u16(), 200);
    let mut body = opened.into_body().into_data_stream();
    let first = read(&mut body).await;
    let path = first.strip_prefix("event: endpoint\ndata: ").unwrap().trim().to_owned();
    (body, path)
}

async fn read(body: &mut BodyDataStream) -> String {
    String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap()
}

async fn post(world: &World, key: &str, path: &str, message: &Value) -> u16 {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    world.send(Method::POST, path, &headers, message.to_string()).await.status.as_u16()
}

#[tokio::test]
async fn old_clients_are_served_in_the_same_sessions() {
    for begins_with_events in [true, false] {
        let world = world_that(begins_with_events).await;
        let (mut body, path) = open(&world, &world.user).await;
        assert_eq!(post(&world, &world.user, &path, &initialize()).await, 202);
        let first = read(&mut body).await;
        let message = first.strip_prefix("event: message\ndata: ").unwrap().trim();
        let message: Value = serde_json::from_str(message).unwrap();
        assert_eq!(message["result"]["protocolVersion"], "2024-11-05");
    }
    let world = world().await;
    let (mut body, path) = open(&world, &world.user).await;
    assert_eq!(post(&world, &world.user, &path, &initialize()).await, 202);
    read(&mut body).await;
    assert_eq!(post(&world, &world.user, &path, &call_add()).await, 202);
    assert_eq!(read(&mut body).await, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n");
    assert_eq!(world.isolates.seen().last().unwrap().headers["mcp-session-id"], "inner");
    let unknown = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": { "name": "rm" } });
    assert_eq!(post(&world, &world.user, &path, &unknown).await, 202);
    assert!(read(&mut body).await.contains("unknown tool: rm"));
    drop(body);
    assert_eq!(post(&world, &world.user, &path, &call_add()).await, 404, "closed");
}

#[tokio::test]
async fn a_stream_is_its_callers_alone() {
    let world = world().await;
    let (_body, path) = open(&world, &world.user).await;
    let stranger = world.new_key("home", "mcp_user").await;
    let elsewhere = path.replace("/home/", "/other/");
    for (key, path) in [
        (&stranger, path.as_str()),
        (&world.neighbour, elsewhere.as_str()),
        (&world.user, "/t/home/srv/messages?session_id=00"),
        (&world.user, "/t/home/srv/messages"),
    ] {
        assert_eq!(post(&world, key, path, &initialize()).await, 404, "{path}");
    }
    let before = world.isolates.seen().len();
    let bearer = format!("Bearer {}", world.neighbour);
    let refused = world.open(Method::GET, "/t/home/srv/sse", &[("authorization", bearer.as_str())], "").await;
    assert_eq!(refused.status().as_u16(), 404);
    let nobody = world.open(Method::GET, "/t/home/srv/sse", &[], "").await;
    assert_eq!((nobody.status().as_u16(), world.isolates.seen().len()), (401, before));
    assert_eq!(post(&world, &world.user, &path, &initialize()).await, 202);
}

/// What waits on a stream that nobody reads has a bound.
#[tokio::test]
async fn messages_do_not_pile_up_on_a_stream_that_is_not_read() {
    let world = world().await;
    let (body, path) = open(&world, &world.user).await;
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(post(&world, &world.user, &path, &call_add()).await);
    }
    assert_eq!((statuses[0], statuses[15], statuses[16], statuses[19]), (202, 202, 503, 503));
    drop(body);
}

#[tokio::test]
async fn a_stream_has_no_head() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.user);
    for path in ["/t/home/srv/sse", "/t/home/srv/mcp"] {
        let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
        let answer = world.open(Method::HEAD, path, &headers, "").await;
        assert_eq!(answer.status().as_u16(), 405, "{path}");
    }
    assert!(world.isolates.seen().is_empty());
}
