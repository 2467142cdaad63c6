//! Sessions: the id a client holds is ours, sealed, and of use to nobody else (P3, DESIGN 5).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, World, call_add, calling_add, modern};

const INNER: &str = "inner-session-of-the-hosted-server";

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } })
}

/// A hosted server with sessions; it has lost the one whose call says so.
fn stateful() -> Arc<ScriptedIsolates> {
    ScriptedIsolates::new(|request| {
        let body = String::from_utf8_lossy(&request.body);
        if body.contains("initialize") {
            let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "protocolVersion": "2025-06-18",
                "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
            return Scripted::events(format!("event: message\ndata: {result}\n\n"))
                .header("mcp-session-id", INNER);
        }
        if body.contains("forgotten") {
            return Scripted::of(404, "application/json", "{}");
        }
        Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)
    })
}

async fn begin(world: &World, key: &str) -> String {
    let answer = world.mcp(key, initialize()).await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    let id = answer.header("mcp-session-id").to_owned();
    assert!(!id.is_empty() && !id.contains(INNER));
    id
}

async fn call(world: &World, key: &str, session: &str) -> Answer {
    world.mcp_with(key, &[("mcp-session-id", session)], call_add()).await
}

#[tokio::test]
async fn the_hosted_servers_own_id_stays_inside() {
    let world = World::new(stateful()).await;
    let id = begin(&world, &world.user).await;
    assert!(id.bytes().all(|b| (0x21..=0x7e).contains(&b)));
    assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200);
    let seen = world.isolates.seen();
    assert_eq!(seen[1].headers["mcp-session-id"], INNER);
    assert_ne!(begin(&world, &world.user).await, id);
}

/// The hot path touches memory only: also right after every verification was forgotten.
#[tokio::test]
async fn a_warm_call_uses_no_store() {
    let world = World::new(stateful()).await;
    let id = begin(&world, &world.user).await;
    for forget in [false, true] {
        if forget {
            let new = json!({ "name": "gone", "role": "read_only" });
            let made = world.api(Method::POST, "/api/v1/tenants/home/keys", &world.admin, new).await.json();
            let path = format!("/api/v1/tenants/home/keys/{}", made["id"].as_str().unwrap());
            assert_eq!(world.api(Method::DELETE, &path, &world.admin, json!({})).await.status.as_u16(), 200);
        }
        call(&world, &world.user, &id).await;
        tokio::task::yield_now().await;
        let before = world.stores.uses();
        for _ in 0..10 {
            assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200);
        }
        assert_eq!(world.stores.uses(), before);
    }
}

#[tokio::test]
async fn a_stolen_or_forged_id_is_no_session() {
    let world = World::new(stateful()).await;
    let id = begin(&world, &world.user).await;
    let other_user = world.new_key("home", "mcp_user").await;
    let mut bent = id.clone().into_bytes();
    let last = bent.len() - 5;
    bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    let before = world.isolates.seen().len();
    let ghost = call(&world, &world.user, "no-such-session").await;
    assert_eq!(ghost.status.as_u16(), 404);
    for (key, session) in [
        (&other_user, id.as_str()),
        (&world.user, bent.as_str()),
        (&world.user, INNER),
        (&world.user, ""),
        (&world.user, &"A".repeat(5000)),
    ] {
        assert_eq!(call(&world, key, session).await.shape(), ghost.shape(), "{session:.20}");
    }
    // Of another tenant's server, with a key that is good there.
    let bearer = format!("Bearer {}", world.neighbour);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("accept", "*/*"),
        ("mcp-session-id", id.as_str()),
    ];
    let elsewhere = world.send(Method::POST, "/t/other/srv/mcp", &headers, call_add().to_string()).await;
    assert_eq!(elsewhere.shape(), ghost.shape());
    assert_eq!(world.isolates.seen().len(), before, "none of them reached hosted code");
    assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200, "and its owner still has it");
}

#[tokio::test]
async fn sessions_end() {
    let world = World::new(stateful()).await;
    let bearer = format!("Bearer {}", world.user);

    let deleted = begin(&world, &world.user).await;
    let headers = [("authorization", bearer.as_str()), ("mcp-session-id", deleted.as_str())];
    assert_eq!(world.send(Method::DELETE, "/t/home/srv/mcp", &headers, "").await.status.as_u16(), 200);
    assert_eq!(world.isolates.seen().last().unwrap().method, Method::DELETE, "the hosted server is told");
    assert_eq!(call(&world, &world.user, &deleted).await.status.as_u16(), 404, "deleted");

    let lost = begin(&world, &world.user).await;
    let forgotten = json!({ "jsonrpc": "2.0", "id": 7, "method": "ping", "params": { "x": "forgotten" } });
    let answer = world.mcp_with(&world.user, &[("mcp-session-id", &lost)], forgotten).await;
    assert_eq!(answer.status.as_u16(), 404, "lost by the hosted server");
    assert_eq!(call(&world, &world.user, &lost).await.status.as_u16(), 404);

    let idle = begin(&world, &world.user).await;
    world.clock.advance(Duration::from_secs(3601));
    assert_eq!(call(&world, &world.user, &idle).await.status.as_u16(), 404, "idle for an hour");

    let busy = begin(&world, &world.user).await;
    for _ in 0..47 {
        world.clock.advance(Duration::from_secs(1800));
        assert_eq!(call(&world, &world.user, &busy).await.status.as_u16(), 200);
    }
    world.clock.advance(Duration::from_secs(1801));
    assert_eq!(call(&world, &world.user, &busy).await.status.as_u16(), 404, "a day old");
}

async fn activate_another(world: &World, word: &str) {
    let digest = world.deploy("home", "srv", &[("X", word)]).await;
    let path = format!("/api/v1/tenants/home/servers/srv/versions/{digest}/activate");
    assert_eq!(world.api(Method::POST, &path, &world.admin, json!({})).await.status.as_u16(), 200);
}

/// What hosted code has seen, by method.
fn methods(world: &World) -> Vec<String> {
    let method =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap_or_default()["method"].to_string();
    world.isolates.seen().iter().map(|request| method(&request.body).replace('"', "")).collect()
}

/// A session goes along to a version that agrees to what its client was told, and ends with one that does not.
#[tokio::test]
async fn another_version_is_told_of_the_session() {
    let agrees = Arc::new(AtomicBool::new(true));
    let revision = Arc::clone(&agrees);
    let isolates = ScriptedIsolates::new(move |request| {
        if !String::from_utf8_lossy(&request.body).contains("\"initialize\"") {
            return Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        }
        let revision = if revision.load(Ordering::SeqCst) { "2025-06-18" } else { "2025-03-26" };
        let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "protocolVersion": revision,
            "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
        Scripted::json(result.to_string()).header("mcp-session-id", "another")
    });
    let world = World::new(isolates).await;
    let id = begin(&world, &world.user).await;
    activate_another(&world, "2").await;
    for _ in 0..2 {
        assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200);
    }
    let expected = ["initialize", "initialize", "notifications/initialized", "tools/call", "tools/call"];
    assert_eq!(methods(&world), expected, "told once");
    assert_eq!(world.isolates.seen().last().unwrap().headers["mcp-session-id"], "another");
    agrees.store(false, Ordering::SeqCst);
    activate_another(&world, "3").await;
    for _ in 0..2 {
        assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 404);
    }
}

/// What a client has asked of a session is asked of whoever begins it again.
#[tokio::test]
async fn what_a_client_wants_of_a_session_is_not_forgotten_with_it() {
    let world = World::new(stateful()).await;
    let id = begin(&world, &world.user).await;
    for (method, params) in [
        ("logging/setLevel", json!({ "level": "info" })),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("resources/subscribe", json!({ "uri": "x:a" })),
        ("resources/subscribe", json!({ "uri": "x:b" })),
        ("resources/unsubscribe", json!({ "uri": "x:a" })),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer = world.mcp_with(&world.user, &[("mcp-session-id", &id)], message).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    }
    let before = world.isolates.seen().len();
    activate_another(&world, "2").await;
    assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200);
    let expected =
        ["initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe", "tools/call"];
    assert_eq!(methods(&world)[before..], expected);
    let wishes: Vec<Value> = world.isolates.seen()[before + 2..before + 4]
        .iter()
        .map(|wish| serde_json::from_slice(&wish.body).unwrap())
        .collect();
    assert_eq!(wishes[0]["params"], json!({ "level": "debug" }));
    assert_eq!(wishes[1]["params"], json!({ "uri": "x:b" }));
}

/// A process that was started anew has lost its sessions: it is told of them again, and the client notices nothing.
#[tokio::test]
async fn a_session_survives_the_hosted_process() {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let isolates = ScriptedIsolates::new(move |request| {
        if String::from_utf8_lossy(&request.body).contains("\"initialize\"") {
            let inner = format!("process-{}", count.fetch_add(1, Ordering::SeqCst));
            let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "protocolVersion": "2025-06-18",
                "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
            return Scripted::json(result.to_string()).header("mcp-session-id", inner);
        }
        if request.headers["mcp-session-id"] == "process-0" {
            return Scripted::of(404, "application/json", "{}");
        }
        Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)
    });
    let world = World::new(isolates).await;
    let id = begin(&world, &world.user).await;
    for _ in 0..2 {
        assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200);
    }
    assert_eq!(given.load(Ordering::SeqCst), 2);
    let world = world.restarted().await;
    assert_eq!(call(&world, &world.user, &id).await.status.as_u16(), 200, "nor does it of ours");
}

#[tokio::test]
async fn a_session_keeps_to_its_revision() {
    let world = World::new(stateful()).await;
    let id = begin(&world, &world.user).await;
    let named = [("2025-06-18", 200), ("2025-11-25", 400), ("2025-03-26", 200), ("2026-07-28", 200)];
    for (revision, status) in named {
        let [version, method, name] = calling_add(revision);
        let headers = [("mcp-session-id", id.as_str()), version, method, name];
        let answer = world.mcp_with(&world.user, &headers, modern(call_add())).await;
        assert_eq!(answer.status.as_u16(), status, "{revision}");
    }
    // On 2026-07-28 the id meant nothing and did not reach hosted code.
    assert!(!world.isolates.seen().last().unwrap().headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn a_rotated_key_is_the_same_caller() {
    let world = World::new(stateful()).await;
    let made = world.api(
        Method::POST,
        "/api/v1/tenants/home/keys",
        &world.admin,
        json!({ "name": "k", "role": "mcp_user" }),
    );
    let made = made.await.json();
    let id = begin(&world, made["key"].as_str().unwrap()).await;
    let path = format!("/api/v1/tenants/home/keys/{}/rotate", made["id"].as_str().unwrap());
    let rotated = world.api(Method::POST, &path, &world.admin, json!({ "grace_seconds": 60 })).await.json();
    assert_eq!(call(&world, rotated["key"].as_str().unwrap(), &id).await.status.as_u16(), 200);
}

#[tokio::test]
async fn unsound_session_ids_of_hosted_code_are_refused() {
    for inner in ["with space", "", "x\u{7f}", &"x".repeat(513)] {
        let inner = inner.to_owned();
        let world = World::new(ScriptedIsolates::new(move |_| {
            let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "protocolVersion": "2025-06-18",
                "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
            Scripted::json(result.to_string()).header("mcp-session-id", inner.clone())
        }))
        .await;
        let answer = world.mcp(&world.user, initialize()).await;
        assert!(answer.status.is_server_error(), "{answer:?}");
        assert!(!answer.headers.contains_key("mcp-session-id"));
    }
}
