//! Every route without a credential and with another tenant's, derived from the contract (STYLE 18).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use smcp_api::{OPERATIONS, Operation, OperationId};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, bundle, call_add};

/// Operations that need no credential. May only shrink.
const OPEN: &[OperationId] = &[OperationId::GetOpenApi];
/// Operations about no tenant. May only shrink.
const ABOUT_NO_TENANT: &[OperationId] = &[
    OperationId::GetOpenApi,
    OperationId::WhoAmI,
    OperationId::GetHealth,
    OperationId::ListTenants,
    OperationId::CreateTenant,
];

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await
}

fn method(operation: &Operation) -> Method {
    operation.method.as_str().parse().unwrap()
}

fn path(operation: &Operation, tenant: &str, server: &str) -> String {
    let path = operation.path.replace("{tenant}", tenant).replace("{server}", server);
    path.replace("{version}", &"0".repeat(64))
        .replace("{key}", &"a".repeat(26))
        .replace("{secret}", "TOKEN")
        .replace("{database}", "notes")
        .replace("{namespace}", "notes")
        .replace("{bucket}", "notes")
}

fn body(operation: &Operation) -> Value {
    match operation.id {
        OperationId::DeployVersion => bundle("srv", &[]),
        OperationId::CreateKey => json!({ "name": "k", "role": "admin" }),
        OperationId::CreateTenant => json!({ "slug": "new" }),
        OperationId::SetSecret | OperationId::RotateSecret => json!({ "value": "v" }),
        OperationId::QueryDatabase | OperationId::ImportDatabase => json!({ "sql": "SELECT 1" }),
        OperationId::PutKvEntry => json!({ "value": "" }),
        OperationId::SetCeilings => json!({ "ceilings": { "memory_mb": 256 } }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_route_without_a_credential() {
    let world = world().await;
    // What hosted code is told about a caller is no credential, whoever presents it.
    world.mcp(&world.user, call_add()).await;
    let caller = world.isolates.seen().remove(0).headers["smcp-caller"].to_str().unwrap().to_owned();
    let mut shapes = Vec::new();
    for operation in OPERATIONS {
        assert_eq!(operation.authenticated, !OPEN.contains(&operation.id), "{}", operation.id.as_str());
        if !operation.authenticated {
            continue;
        }
        for key in ["", "nonsense", &world.user.replace("smcp", "smcq"), &caller] {
            let answer =
                world.api(method(operation), &path(operation, "home", "srv"), key, body(operation)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", operation.id.as_str());
            shapes.push(answer.shape());
        }
    }
    assert!(shapes.iter().all(|shape| *shape == shapes[0]), "all alike");
}

/// With a key of another tenant, of any role: the same answer as for a tenant that does not exist.
#[tokio::test]
async fn every_route_with_a_key_of_another_tenant() {
    let world = world().await;
    let admin = world.new_key("other", "admin").await;
    for operation in OPERATIONS.iter().filter(|operation| !ABOUT_NO_TENANT.contains(&operation.id)) {
        for key in [&admin, &world.neighbour] {
            let theirs =
                world.api(method(operation), &path(operation, "home", "srv"), key, body(operation)).await;
            let ghost =
                world.api(method(operation), &path(operation, "ghost", "srv"), key, body(operation)).await;
            assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{}", operation.id.as_str());
            assert_eq!(theirs.shape(), ghost.shape(), "{}", operation.id.as_str());
        }
    }
}

/// Roles on every operation, as one table: a key of home against home.
#[tokio::test]
async fn roles_on_operations() {
    let mut table = String::new();
    for operation in OPERATIONS {
        table += &format!("{:<16}", operation.id.as_str());
        for role in ["admin", "mcp_user", "read_only"] {
            // A world of its own for each: what one may delete, the next must still find.
            let world = world().await;
            let key = world.new_key("home", role).await;
            let answer =
                world.api(method(operation), &path(operation, "home", "srv"), &key, body(operation)).await;
            table += &format!(" {}", answer.status.as_u16());
        }
        table.push('\n');
    }
    // A 404 for an admin is a version or key that is not there, a 400 an entry without its key.
    insta::assert_snapshot!(table, @r"
    WhoAmI           200 200 200
    GetHealth        200 200 200
    GetOpenApi       200 200 200
    ListTenants      200 200 200
    CreateTenant     403 403 403
    GetTenant        200 200 200
    SetCeilings      403 403 403
    GetUsage         200 200 200
    ListKeys         200 403 200
    CreateKey        201 403 403
    RotateKey        404 403 403
    RevokeKey        404 403 403
    ListDataKeys     200 403 200
    RotateDataKeys   200 403 403
    DestroyData      200 403 403
    RotateMasterKey  403 403 403
    ListServers      200 200 200
    GetServer        200 200 200
    DeleteServer     204 403 403
    LiftQuarantine   403 403 403
    ListVersions     200 200 200
    DeployVersion    200 403 403
    GetVersion       404 404 404
    ActivateVersion  404 403 403
    ListSecrets      200 403 200
    SetSecret        200 403 403
    RotateSecret     404 403 403
    RemoveSecret     404 403 403
    ListDatabases    200 403 403
    QueryDatabase    404 403 403
    ExportDatabase   404 403 403
    ImportDatabase   200 403 403
    DeleteDatabase   404 403 403
    ListKvNamespaces 200 403 403
    ListKvKeys       200 403 403
    GetKvEntry       400 403 403
    PutKvEntry       400 403 403
    DeleteKvEntry    400 403 403
    ListBuckets      200 403 403
    ListObjects      200 403 403
    GetObject        400 403 403
    PutObject        400 403 403
    DeleteObject     400 403 403
    GetLogs          200 403 200
    ");
}

/// Whatever is wrong with a request to the API, the answer is a problem document whose status is its own.
#[tokio::test]
async fn refusals_are_problem_documents() {
    let world = world().await;
    let logs = "/api/v1/tenants/home/servers/srv/logs";
    let mut table = String::new();
    for (method, path) in [
        (Method::GET, "/api/v1/tenants?limit=abc".to_owned()),
        (Method::GET, "/api/v1/tenants?limit=-1".to_owned()),
        (Method::GET, "/api/v1/tenants?after=x".to_owned()),
        (Method::GET, format!("{logs}?follow=maybe")),
        (Method::GET, format!("{logs}?level=loud")),
        (Method::GET, "/api/v1/tenants/%ff".to_owned()),
        (Method::GET, "/api/v1/nothing".to_owned()),
        (Method::PUT, "/api/v1/tenants".to_owned()),
    ] {
        let answer = world.api(method, &path, &world.admin, json!({})).await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.json()["status"], answer.status.as_u16(), "{path}");
        table +=
            &format!("{} {path}: {}\n", answer.status.as_u16(), answer.json()["detail"].as_str().unwrap());
    }
    insta::assert_snapshot!(table, @r"
    400 /api/v1/tenants?limit=abc: Failed to deserialize query string: limit: invalid digit found in string
    400 /api/v1/tenants?limit=-1: Failed to deserialize query string: limit: invalid digit found in string
    400 /api/v1/tenants?after=x: `after` is not a page's `next`
    400 /api/v1/tenants/home/servers/srv/logs?follow=maybe: Failed to deserialize query string: follow: provided string was not `true` or `false`
    400 /api/v1/tenants/home/servers/srv/logs?level=loud: `level` is debug, info, warn or error
    404 /api/v1/tenants/%ff: no such path
    404 /api/v1/nothing: no such path
    405 /api/v1/tenants: this path has no such method
    ");
}

#[tokio::test]
async fn uploads_are_checked_from_scratch() {
    let world = world().await;
    let good = bundle("srv", &[]);
    let change = |pointer: &str, value: Value| {
        let mut bent = good.clone();
        *bent.pointer_mut(pointer).unwrap() = value;
        bent
    };
    let module = good["modules"][0].clone();
    let many = vec![module.clone(); 65];
    let mut table = String::new();
    for (name, upload) in [
        ("another name", change("/manifest/name", json!("other"))),
        ("unknown format", change("/manifest/format", json!(2))),
        ("unknown requirement", change("/manifest/requires", json!(["time-travel"]))),
        ("main not there", change("/manifest/main", json!("gone.js"))),
        ("path upwards", change("/modules/0/name", json!("../main.js"))),
        ("the wrapper's name", change("/modules/0/name", json!("smcp-wrapper.js"))),
        ("not base64", change("/modules/0/content", json!("***"))),
        ("65 modules", change("/modules", json!(many))),
        ("twice the same", change("/modules", json!([module, module]))),
        ("a flag for Python", change("/manifest/compatibility_flags", json!(["python_workers"]))),
        ("no limit", change("/manifest/limits/call_timeout_ms", json!(0))),
    ] {
        let path = "/api/v1/tenants/home/servers/srv/versions";
        let answer = world.api(Method::POST, path, &world.admin, upload).await;
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        table += &format!("{name:<20} {} {detail}\n", answer.status.as_u16());
    }
    insta::assert_snapshot!(table, @r#"
    another name         400 the manifest's `name` is not the server of this path
    unknown format       400 `manifest`: the locked manifest has format 2, but this node reads format 1 only
    unknown requirement  400 `manifest`: the locked manifest requires what this node does not offer: time-travel
    main not there       400 the main module "gone.js" is not in the bundle
    path upwards         400 "../main.js": a module's name has no empty, `.` or `..` segments and does not start or end with `/`
    the wrapper's name   400 "smcp-wrapper.js": module names that start with `smcp-` or `smcp:` are the platform's
    not base64           400 module `main.js`: its content is not base64
    65 modules           413 a bundle has at most 64 modules
    twice the same       400 two modules are called "main.js"
    a flag for Python    400 `manifest`: the locked manifest is not valid: `compatibility_flags` is not offered: Python servers are not hosted
    no limit             400 `manifest`: the locked manifest is not valid: `limits.call_timeout_ms` must be between 1 and 300000 milliseconds
    "#);
}

#[tokio::test]
async fn the_same_content_is_the_same_version_and_goes_back() {
    let world = world().await;
    let path = "/api/v1/tenants/home/servers/srv/versions";
    let first = world.api(Method::POST, path, &world.admin, bundle("srv", &[])).await;
    assert_eq!((first.status.as_u16(), first.json()["known"].clone()), (200, json!(true)));
    let old = first.json()["version"]["digest"].as_str().unwrap().to_owned();
    let new = world.deploy("home", "srv", &[("A", "1")]).await;
    for digest in [&new, &old, &old] {
        let done =
            world.api(Method::POST, &format!("{path}/{digest}/activate"), &world.admin, json!({})).await;
        assert_eq!((done.status.as_u16(), done.json()["active_version"].clone()), (200, json!(digest)));
    }
}
