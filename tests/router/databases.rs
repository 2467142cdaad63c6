//! SQL databases through the management API: whose they are, who may look, and what comes out.

use http::{Method, StatusCode};
use serde_json::json;
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::World;

const PATH: &str = "/api/v1/tenants/home/d1";

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await
}

#[tokio::test]
async fn a_database_is_imported_asked_exported_and_deleted() {
    let world = world().await;
    let script = json!({ "sql": "CREATE TABLE t (a);\n" });
    let notes = format!("{PATH}/notes");
    let did = world.api(Method::POST, &format!("{notes}/import"), &world.admin, script).await;
    assert_eq!((did.status, did.json()["statements"].clone()), (StatusCode::OK, json!(1)));
    let list = world.api(Method::GET, PATH, &world.admin, json!({})).await;
    assert_eq!(list.json(), json!({ "items": [{ "name": "notes", "bytes": 20 }] }));
    let query = json!({ "sql": "SELECT 1", "params": [1, "a", null, [0, 255]] });
    let asked = world.api(Method::POST, &format!("{notes}/query"), &world.admin, query).await;
    assert_eq!(asked.json()["results"][0]["rows"], json!([[1]]));
    let script = world.api(Method::GET, &format!("{notes}/export"), &world.admin, json!({})).await;
    assert_eq!(script.header("content-type"), "application/sql; charset=utf-8");
    assert_eq!(script.body, "CREATE TABLE t (a);\n");
    let gone = world.api(Method::DELETE, &notes, &world.admin, json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    for (method, path) in [
        (Method::DELETE, notes.clone()),
        (Method::GET, format!("{notes}/export")),
        (Method::POST, format!("{notes}/query")),
    ] {
        let answer = world.api(method, &path, &world.admin, json!({ "sql": "SELECT 1" })).await;
        assert_eq!(
            (answer.status, answer.json()["detail"].clone()),
            (StatusCode::NOT_FOUND, json!("no such database"))
        );
    }
}

/// What servers have stored is its tenant's administrator's to see: not who may look at everything else, and not the
/// platform's.
#[tokio::test]
async fn only_the_tenants_own_administrator_looks_into_it() {
    let world = world().await;
    for key in [&world.user, &world.reader] {
        for (method, path) in [(Method::GET, PATH.to_owned()), (Method::POST, format!("{PATH}/notes/query"))]
        {
            let answer = world.api(method, &path, key, json!({ "sql": "SELECT 1" })).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    let root = world.api(Method::GET, PATH, &world.root, json!({})).await;
    assert_eq!(root.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_no_query_is_refused() {
    let world = world().await;
    for body in [json!({}), json!({ "sql": 1 }), json!({ "sql": "SELECT 1", "other": 1 }), json!([])] {
        let answer = world.api(Method::POST, &format!("{PATH}/notes/query"), &world.admin, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    }
}
