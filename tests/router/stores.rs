//! KV namespaces and buckets through the management API: whose they are, who may look, and what comes out.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::World;
use tower::ServiceExt as _;

const KV: &str = "/api/v1/tenants/home/kv";
const OBJECTS: &str = "/api/v1/tenants/home/objects";

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await
}

/// Every operation on one namespace and one bucket.
fn operations() -> Vec<(Method, String, Value)> {
    let put = json!({ "value": "aGk=" });
    vec![
        (Method::GET, KV.to_owned(), json!({})),
        (Method::GET, format!("{KV}/notes/keys"), json!({})),
        (Method::GET, format!("{KV}/notes/entry?key=a"), json!({})),
        (Method::POST, format!("{KV}/notes/entry?key=a"), put),
        (Method::DELETE, format!("{KV}/notes/entry?key=a"), json!({})),
        (Method::GET, OBJECTS.to_owned(), json!({})),
        (Method::GET, format!("{OBJECTS}/files/keys"), json!({})),
        (Method::GET, format!("{OBJECTS}/files/object?key=a"), json!({})),
        (Method::POST, format!("{OBJECTS}/files/object?key=a"), json!({})),
        (Method::DELETE, format!("{OBJECTS}/files/object?key=a"), json!({})),
    ]
}

#[tokio::test]
async fn values_are_stored_listed_read_and_removed() {
    let world = world().await;
    let key = "a%2Fb%20%C3%BC%00%26"; // a/b ü, NUL, &
    let entry =
        json!({ "value": "AP8=", "metadata": { "n": [1, 2.5] }, "expires_at": 4_000_000_000_000_i64 });
    let path = format!("{KV}/notes/entry?key={key}");
    let put = world.api(Method::POST, &path, &world.admin, entry.clone()).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT, "{put:?}");
    let got = world.api(Method::GET, &path, &world.admin, json!({})).await;
    assert_eq!(got.json(), entry);
    let keys = world.api(Method::GET, &format!("{KV}/notes/keys?prefix=a/"), &world.admin, json!({})).await;
    assert_eq!(keys.json()["items"][0]["name"], "a/b ü\0&");
    let list = world.api(Method::GET, KV, &world.admin, json!({})).await.json();
    assert_eq!(list["items"], json!([{ "name": "notes", "entries": 1 }]));
    assert!(list["used_bytes"].as_u64().unwrap() > 0 && list["quota_bytes"] == 1 << 20, "{list}");
    world.api(Method::DELETE, &path, &world.admin, json!({})).await;
    let gone = world.api(Method::GET, &path, &world.admin, json!({})).await;
    assert_eq!((gone.status, gone.json()["detail"].clone()), (StatusCode::NOT_FOUND, json!("no such key")));
}

#[tokio::test]
async fn pages_lead_through_a_namespace() {
    let world = world().await;
    for number in 0..5 {
        let path = format!("{KV}/notes/entry?key=k{number}");
        world.api(Method::POST, &path, &world.admin, json!({ "value": "" })).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{KV}/notes/keys?limit=2{after}");
        let page = world.api(Method::GET, &path, &world.admin, json!({})).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|key| key["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["k0", "k1", "k2", "k3", "k4"]);
    let foreign =
        world.api(Method::GET, &format!("{KV}/other/keys?limit=2{after}"), &world.admin, json!({})).await;
    assert_eq!(foreign.status, StatusCode::BAD_REQUEST, "a page of another namespace leads nowhere");
}

#[tokio::test]
async fn an_object_comes_back_as_it_went_and_never_as_a_page() {
    let world = world().await;
    let path = format!("{OBJECTS}/files/object?key=x&content_type=text/html&metadata=%7B%22a%22:%22b%22%7D");
    let stored = world.api(Method::POST, &path, &world.admin, json!("<script>")).await;
    assert_eq!(stored.json()["size"], 10, "{stored:?}");
    assert_eq!(stored.json()["metadata"], json!({ "a": "b" }));
    let got = world.api(Method::GET, &format!("{OBJECTS}/files/object?key=x"), &world.admin, json!({})).await;
    assert_eq!(got.body, "\"<script>\"");
    assert_eq!(got.header("content-type"), "application/octet-stream");
    assert_eq!(got.header("content-disposition"), "attachment");
    let list = world.api(Method::GET, &format!("{OBJECTS}/files/keys"), &world.admin, json!({})).await.json();
    assert_eq!(list["items"][0]["content_type"], "text/html");
}

/// What servers have stored is its tenant's administrator's to see: not who may look at everything else, and not the
/// platform's.
#[tokio::test]
async fn only_the_tenants_own_administrator_looks_into_it() {
    let world = world().await;
    for (method, path, body) in operations() {
        for (key, expected) in [
            (&world.admin, [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::NOT_FOUND].as_slice()),
            (&world.user, &[StatusCode::FORBIDDEN]),
            (&world.reader, &[StatusCode::FORBIDDEN]),
            (&world.root, &[StatusCode::FORBIDDEN]),
            (&world.neighbour, &[StatusCode::NOT_FOUND]),
        ] {
            let answer = world.api(method.clone(), &path, key, body.clone()).await;
            assert!(expected.contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let world = world().await;
    for name in ["..", "A", "a%2Fb", "-a", "%00"] {
        for (method, path, body) in operations() {
            let path = path.replace("/notes/", &format!("/{name}/")).replace("/files/", &format!("/{name}/"));
            if !path.contains(name) {
                continue;
            }
            let answer = world.api(method, &path, &world.admin, body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer:?}");
        }
    }
}

/// Who sends slowly, or does not say how much, holds room of the own tenant, and no more than there is.
#[tokio::test]
async fn what_is_on_its_way_in_has_its_room() {
    let world = world().await;
    let endless = |key: &str| {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let request = Request::post(format!("{KV}/notes/entry?key=a")).header("host", "localhost:8787");
        let request = request.header("authorization", format!("Bearer {key}"));
        request.header("content-type", "application/json").body(body).unwrap()
    };
    let mut first = Box::pin(world.router.clone().oneshot(endless(&world.admin)));
    assert!(futures_util::poll!(&mut first).is_pending());
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(futures_util::poll!(&mut first).is_pending());
    }
    let second = world.router.clone().oneshot(endless(&world.admin)).await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE, "two of 34 MiB are more than a tenant has");
    let small = world
        .api(Method::POST, &format!("{KV}/notes/entry?key=a"), &world.admin, json!({ "value": "" }))
        .await;
    assert_eq!(small.status, StatusCode::NO_CONTENT, "{small:?}");
    drop(first);
    let mut third = Box::pin(world.router.clone().oneshot(endless(&world.admin)));
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut third).is_pending(), "what was let go is there again");
        tokio::task::yield_now().await;
    }
}
