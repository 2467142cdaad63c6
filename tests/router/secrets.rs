//! Secrets of servers: values go in, are kept sealed, and come out nowhere but where the manifest puts them.

use http::Method;
use serde_json::{Value, json};
use smcp_core::ports::SecretSource as _;
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, bundle, call_add};

const GOOD: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
const PATH: &str = "/api/v1/tenants/home/servers/srv/secrets";
const VALUE: &str = "s3cr3t-\u{e9}-value";

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json(GOOD))).await
}

async fn set(world: &World, name: &str, value: &str) -> Value {
    let done =
        world.api(Method::POST, &format!("{PATH}/{name}"), &world.admin, json!({ "value": value })).await;
    assert_eq!(done.status.as_u16(), 200, "{done:?}");
    assert!(!String::from_utf8_lossy(&done.body).contains(value), "never shown");
    done.json()
}

/// Deploys and activates a version of `srv` that reads a secret in the clear; returns the deploy's answer.
async fn deploy_reader(world: &World) -> Value {
    let mut upload = bundle("srv", &[("V", "2")]);
    upload["manifest"]["secrets"] = json!({ "plain": ["TOKEN"] });
    upload["manifest"]["requires"] = json!(["secrets"]);
    let path = "/api/v1/tenants/home/servers/srv/versions";
    let deployed = world.api(Method::POST, path, &world.admin, upload).await;
    assert_eq!(deployed.status.as_u16(), 201, "{deployed:?}");
    let digest = deployed.json()["version"]["digest"].as_str().unwrap().to_owned();
    let done = world.api(Method::POST, &format!("{path}/{digest}/activate"), &world.admin, json!({})).await;
    assert_eq!(done.status.as_u16(), 200, "{done:?}");
    deployed.json()
}

#[tokio::test]
async fn a_value_is_set_changed_and_removed_and_never_shown() {
    let world = world().await;
    assert_eq!(set(&world, "TOKEN", VALUE).await["version"], 1);
    assert_eq!(set(&world, "TOKEN", "second").await["version"], 2);
    let rotated = world
        .api(Method::POST, &format!("{PATH}/TOKEN/rotate"), &world.admin, json!({ "value": "third" }))
        .await;
    assert_eq!((rotated.status.as_u16(), rotated.json()["version"].clone()), (200, json!(3)));
    let list = world.api(Method::GET, PATH, &world.reader, json!({})).await;
    assert_eq!(list.json()["items"][0]["name"], "TOKEN");
    assert!(!String::from_utf8_lossy(&list.body).contains("third"));
    let gone = world.api(Method::DELETE, &format!("{PATH}/TOKEN"), &world.admin, json!({})).await;
    assert_eq!(gone.status.as_u16(), 204);
    for (method, path) in
        [(Method::DELETE, format!("{PATH}/TOKEN")), (Method::POST, format!("{PATH}/TOKEN/rotate"))]
    {
        let answer = world.api(method, &path, &world.admin, json!({ "value": "x" })).await;
        assert_eq!(answer.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn what_is_revealed_is_the_newest_value_of_this_very_server() {
    let world = world().await;
    let server = |tenant: &str| format!("/api/v1/tenants/{tenant}/servers/srv");
    let id = async |tenant: &str| {
        let shown = world.api(Method::GET, &server(tenant), &world.root, json!({})).await.json();
        shown["id"].as_str().unwrap().parse().unwrap()
    };
    let tenant = async |tenant: &str| {
        let shown =
            world.api(Method::GET, &format!("/api/v1/tenants/{tenant}"), &world.root, json!({})).await.json();
        shown["id"].as_str().unwrap().parse().unwrap()
    };
    let (home, other) = (tenant("home").await, tenant("other").await);
    let (ours, theirs) = (id("home").await, id("other").await);
    let revealed = async |tenant, server| {
        world.secrets.reveal(tenant, server, "TOKEN").await.unwrap().map(|value| value.expose().clone())
    };
    assert_eq!(revealed(home, ours).await, None);
    for value in [VALUE, "second"] {
        set(&world, "TOKEN", value).await;
        assert_eq!(revealed(home, ours).await.as_deref(), Some(value), "what was known before is forgotten");
    }
    assert_eq!(revealed(other, theirs).await, None);
    assert_eq!(revealed(other, ours).await, None);
    assert_eq!(
        world.api(Method::DELETE, &server("home"), &world.admin, json!({})).await.status.as_u16(),
        204
    );
    assert_eq!(revealed(home, ours).await, None, "gone with its server");
}

#[tokio::test]
async fn names_and_values_have_rules() {
    let world = world().await;
    let mut table = String::new();
    for (name, value) in [
        ("1A", json!("x")),
        ("A-B", json!("x")),
        ("SMCP_X", json!("x")),
        ("A", json!("")),
        ("A", json!("a\u{0}b")),
        ("A", json!("x".repeat((16 << 10) + 1))),
        ("A", json!(7)),
    ] {
        let answer =
            world.api(Method::POST, &format!("{PATH}/{name}"), &world.admin, json!({ "value": value })).await;
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        table += &format!("{} {name}: {detail}\n", answer.status.as_u16());
    }
    insta::assert_snapshot!(table, @r#"
    400 1A: a secret's name has 1 to 128 letters, digits and `_`, starts with no digit and not with SMCP_
    400 A-B: a secret's name has 1 to 128 letters, digits and `_`, starts with no digit and not with SMCP_
    400 SMCP_X: a secret's name has 1 to 128 letters, digits and `_`, starts with no digit and not with SMCP_
    400 A: a secret has 1 to 16384 bytes of text without NUL
    400 A: a secret has 1 to 16384 bytes of text without NUL
    400 A: a secret has 1 to 16384 bytes of text without NUL
    400 A: the body: invalid type: integer `7`, expected a string at line 1 column 10
    "#);
    for n in 0..64 {
        set(&world, &format!("N{n}"), "some-value").await;
    }
    let full = world.api(Method::POST, &format!("{PATH}/MORE"), &world.admin, json!({ "value": "x" })).await;
    assert_eq!(full.status.as_u16(), 409);
}

#[tokio::test]
async fn a_version_that_reads_a_secret_says_so_and_waits_until_it_is_set() {
    let world = world().await;
    let deployed = deploy_reader(&world).await;
    let warnings = deployed["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].as_str().unwrap().contains("can read the secret TOKEN"));
    assert!(warnings[1].as_str().unwrap().contains("smcp secrets set TOKEN --server srv"));
    let log = world
        .api(Method::GET, "/api/v1/tenants/home/servers/srv/logs?level=warn", &world.admin, json!({}))
        .await;
    assert!(String::from_utf8_lossy(&log.body).contains("can read the secret TOKEN"));
    let refused = world.mcp(&world.user, call_add()).await;
    assert_eq!(refused.status.as_u16(), 503);
    let error = refused.json()["error"].clone();
    assert!(error["message"].as_str().unwrap().contains("`TOKEN`"), "{error}");
    assert_eq!(error["data"]["hint"], "set it: smcp secrets set TOKEN --server srv");
    assert_eq!(world.isolates.seen().len(), 0, "nothing was sent");
    set(&world, "TOKEN", VALUE).await;
    assert_eq!(world.mcp(&world.user, call_add()).await.status.as_u16(), 200);
}
