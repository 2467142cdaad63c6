//! API keys: rotation with grace, expiry, revocation at once, limits to some servers.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, bundle, call_add};

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#))).await
}

async fn make(world: &World, body: Value) -> (String, String) {
    let made = world.api(Method::POST, "/api/v1/tenants/home/keys", &world.admin, body).await;
    let made = made.json();
    (
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned(),
        made["key"].as_str().unwrap().to_owned(),
    )
}

async fn works(world: &World, key: &str) -> bool {
    let status = world.mcp(key, call_add()).await.status.as_u16();
    assert!(status == 200 || status == 401, "{status}");
    status == 200
}

#[tokio::test]
async fn a_key_is_shown_once_and_is_recognisable() {
    let world = world().await;
    let (id, key) = make(&world, json!({ "name": "k", "role": "mcp_user" })).await;
    let tenant = world.api(Method::GET, "/api/v1/tenants/home", &world.admin, json!({})).await.json();
    assert!(key.starts_with(&format!("smcp_{}_", tenant["id"].as_str().unwrap())));
    let list = world.api(Method::GET, "/api/v1/tenants/home/keys", &world.admin, json!({})).await;
    assert!(list.body.windows(id.len()).any(|w| w == id.as_bytes()));
    let secret = &key[key.len() - 39..];
    assert!(!String::from_utf8_lossy(&list.body).contains(secret));
}

#[tokio::test]
async fn revocation_is_at_once() {
    let world = world().await;
    let (id, key) = make(&world, json!({ "name": "k", "role": "mcp_user" })).await;
    assert!(works(&world, &key).await, "and is now remembered");
    let path = format!("/api/v1/tenants/home/keys/{id}");
    assert_eq!(world.api(Method::DELETE, &path, &world.admin, json!({})).await.status.as_u16(), 200);
    assert!(!works(&world, &key).await);
    let again = world.api(Method::POST, &format!("{path}/rotate"), &world.admin, json!({})).await;
    assert_eq!(again.status.as_u16(), 409, "a revoked key does not come back");
}

#[tokio::test]
async fn rotation_has_a_grace_and_expiry_an_end() {
    let world = world().await;
    let end = smcp_core::ports::Clock::now(&*world.clock).0 + 3_600_000;
    let (id, old) = make(&world, json!({ "name": "k", "role": "mcp_user", "expires_at": end })).await;
    let path = format!("/api/v1/tenants/home/keys/{id}/rotate");
    let rotated = world.api(Method::POST, &path, &world.admin, json!({ "grace_seconds": 60 })).await.json();
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(rotated["id"], id.as_str(), "the lineage stays");
    assert!(works(&world, &old).await && works(&world, new).await);
    world.clock.advance(Duration::from_secs(61));
    assert!(!works(&world, &old).await && works(&world, new).await);
    let rotated = world.api(Method::POST, &path, &world.admin, json!({})).await.json();
    assert!(!works(&world, new).await, "no grace unless it is asked for");
    let new = rotated["key"].as_str().unwrap();
    world.clock.advance(Duration::from_secs(3540));
    assert!(!works(&world, new).await, "expired");
}

#[tokio::test]
async fn a_key_limited_to_a_server_knows_no_other() {
    let world = world().await;
    world.deploy("home", "second", &[]).await;
    let (_, key) = make(&world, json!({ "name": "k", "role": "mcp_user", "servers": ["second"] })).await;
    assert_eq!(world.mcp(&key, call_add()).await.status.as_u16(), 404);
    let list = world.api(Method::GET, "/api/v1/tenants/home/servers", &key, json!({})).await.json();
    let slugs: Vec<_> = list["items"].as_array().unwrap().iter().map(|server| &server["slug"]).collect();
    assert_eq!(slugs, ["second"]);
    for (path, status) in [
        ("/api/v1/tenants/home/servers/second", 200),
        ("/api/v1/tenants/home/servers/srv", 404),
        ("/api/v1/tenants/home", 404),
        ("/api/v1/tenants/home/keys", 404),
    ] {
        assert_eq!(world.api(Method::GET, path, &key, json!({})).await.status.as_u16(), status, "{path}");
    }
}

/// A pipeline's key: it deploys its server and nothing else.
#[tokio::test]
async fn an_admin_key_limited_to_a_server_deploys_that_one() {
    let world = world().await;
    let (_, key) = make(&world, json!({ "name": "ci", "role": "admin", "servers": ["srv"] })).await;
    for (server, status) in [("srv", 201), ("fresh", 404)] {
        let path = format!("/api/v1/tenants/home/servers/{server}/versions");
        let answer = world.api(Method::POST, &path, &key, bundle(server, &[("A", "2")])).await;
        assert_eq!(answer.status.as_u16(), status, "{server}");
    }
}

#[tokio::test]
async fn bad_keys_to_be_are_refused() {
    let world = world().await;
    for bad in [
        json!({ "name": "", "role": "admin" }),
        json!({ "name": "a\nb", "role": "admin" }),
        json!({ "name": "k", "role": "god" }),
        json!({ "name": "k", "role": "admin", "expires_at": 1 }),
        json!({ "name": "k", "role": "admin", "unknown": 1 }),
        json!({ "role": "admin" }),
        json!({ "name": "k", "role": "admin", "expires_at": i64::MAX }),
        json!({ "name": "k", "role": "admin", "servers": vec!["srv"; 201] }),
    ] {
        let refused = world.api(Method::POST, "/api/v1/tenants/home/keys", &world.admin, bad.clone()).await;
        assert_eq!(refused.status.as_u16(), 400, "{bad}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
}
