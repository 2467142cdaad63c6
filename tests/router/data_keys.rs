//! The keys of encryption at rest through the API: rotated, destroyed, the master key replaced.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use smcp_core::{
    ports::{Blobs, DataKeyStore, TenantStore},
    vault::key_of,
};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, World, bundle, call_add};
use smcp_types::TenantId;

const KEYS: &str = "/api/v1/tenants/home/data-keys";

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#))).await
}

async fn ask(world: &World, method: Method, path: &str) -> Answer {
    world.api(method, path, &world.admin, json!({})).await
}

fn states(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    items.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

/// The stored bundle of a version.
async fn blob(world: &World, digest: &str) -> (TenantId, String, Bytes) {
    let tenant = TenantStore::by_slug(&*world.stores, &"home".parse().unwrap()).await.unwrap().unwrap().id;
    let server = ask(world, Method::GET, "/api/v1/tenants/home/servers/srv").await.json();
    let name = format!("bundles/{}/{digest}", server["id"].as_str().unwrap());
    let bytes = Blobs::get(&*world.stores, tenant, &name).await.unwrap().unwrap();
    (tenant, name, bytes)
}

fn shows(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn bundles_are_sealed_and_no_key_is_shown() {
    let world = world().await;
    let digest = world.deploy("home", "srv", &[("WORD", "xyzzy")]).await;
    let (tenant, _, bytes) = blob(&world, &digest).await;
    assert!(!shows(&bytes, "export default") && !shows(&bytes, "xyzzy") && key_of(&bytes).is_some());
    let answer = ask(&world, Method::GET, KEYS).await;
    assert_eq!(states(&answer), ["active"]);
    assert_eq!(answer.json()["items"][0]["id"], key_of(&bytes).unwrap().to_string());
    let stored = DataKeyStore::list(&*world.stores, tenant).await.unwrap();
    let mut members: Vec<_> = answer.json()["items"][0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["created_at", "id", "since", "state"], "{stored:?}");
}

#[tokio::test]
async fn a_rotation_answers_at_once() {
    let world = world().await;
    // Ids of keys made in the same millisecond have no order.
    world.clock.advance(Duration::from_millis(1));
    let answer = ask(&world, Method::POST, &format!("{KEYS}/rotate")).await;
    assert_eq!(states(&answer), ["retiring", "active"]);
    let digest = world.deploy("home", "srv", &[("A", "1")]).await;
    let (.., bytes) = blob(&world, &digest).await;
    assert_eq!(answer.json()["items"][1]["id"], key_of(&bytes).unwrap().to_string(), "under the new key");
}

#[tokio::test]
async fn destroyed_code_can_only_come_again_from_outside() {
    let world = world().await;
    let deploy = "/api/v1/tenants/home/servers/srv/versions";
    let known = world.api(Method::POST, deploy, &world.admin, bundle("srv", &[])).await;
    let digest = known.json()["version"]["digest"].as_str().unwrap().to_owned();
    // One from before there was encryption: sealed first, so that it goes too.
    let (tenant, name, _) = blob(&world, &digest).await;
    let old = Bytes::from_static(b"smcp-bundle-1\nexport default");
    Blobs::put(&*world.stores, tenant, &name, old).await.unwrap();

    let answer = ask(&world, Method::DELETE, KEYS).await;
    assert_eq!(states(&answer), ["destroyed"]);
    let (.., bytes) = blob(&world, &digest).await;
    assert!(!shows(&bytes, "export default"));
    let lost = key_of(&bytes).unwrap();
    assert_eq!(answer.json()["items"][0]["id"], lost.to_string());

    let activate = format!("{deploy}/{digest}/activate");
    let refused = world.api(Method::POST, &activate, &world.admin, json!({})).await;
    let (status, problem) = (refused.status.as_u16(), refused.json());
    let told = problem["detail"].as_str().unwrap_or_else(|| panic!("{status} {problem}"));
    assert!(status == 409 && told.starts_with(&format!("version {digest} cannot be started: ")), "{problem}");
    assert!(told.contains("under a key that has been destroyed"), "{problem}");
    assert_eq!(problem["hint"], "deploy it again: smcp deploy");

    world.clock.advance(Duration::from_millis(1));
    let again = world.api(Method::POST, deploy, &world.admin, bundle("srv", &[])).await;
    assert_eq!((again.status.as_u16(), again.json()["known"].clone()), (200, json!(true)));
    let (.., bytes) = blob(&world, &digest).await;
    assert_ne!(key_of(&bytes).unwrap(), lost, "it is readable again, under a new key");
    assert_eq!(states(&ask(&world, Method::GET, KEYS).await), ["destroyed", "active"]);
    let other = world.api(Method::GET, "/api/v1/tenants/other/data-keys", &world.root, json!({})).await;
    assert_eq!(states(&other), ["active"], "the neighbour's are untouched");
}

#[tokio::test]
async fn the_platforms_admins_alone_replace_the_master_key() {
    let world = world().await;
    let own = "/api/v1/tenants/platform/master-key/rotate";
    for (key, path, status) in [
        (&world.admin, "/api/v1/tenants/home/master-key/rotate", 403),
        (&world.admin, own, 404),
        (&world.root, "/api/v1/tenants/home/master-key/rotate", 403),
    ] {
        let refused = world.api(Method::POST, path, key, json!({})).await;
        assert_eq!(refused.status.as_u16(), status, "{path}");
    }
    for role in ["mcp_user", "read_only"] {
        let key = world.new_key("platform", role).await;
        assert_eq!(world.api(Method::POST, own, &key, json!({})).await.status.as_u16(), 403, "{role}");
    }
    for _ in 0..2 {
        let done = world.api(Method::POST, own, &world.root, json!({})).await;
        assert_eq!((done.status.as_u16(), done.json()), (200, json!({ "ring_keys": 4, "data_keys": 2 })));
    }
    // Nothing stops meanwhile: keys verify, servers answer, what is sealed opens.
    assert_eq!(world.mcp(&world.user, call_add()).await.status.as_u16(), 200);
    let known = world.api(
        Method::POST,
        "/api/v1/tenants/home/servers/srv/versions",
        &world.admin,
        bundle("srv", &[]),
    );
    assert_eq!(known.await.json()["known"], Value::Bool(true));
    assert_eq!(states(&ask(&world, Method::GET, KEYS).await), ["active"]);
}
