//! Bad input gets the specified error and never reaches hosted code (issue "Bad input", P2).

use axum::body::Body;
use http::Method;
use serde_json::json;
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{MCP, NO_HEADER, World, call_add};

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#))).await
}

/// Bodies that are no acceptable message, each for one reason.
fn bad_messages() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}{}}}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let large =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":"{}"}}}}"#, "x".repeat(1 << 20));
    vec![
        ("not json", b"{".to_vec()),
        ("empty", b"".to_vec()),
        ("invalid utf-8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec()),
        ("byte order mark", b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}".to_vec()),
        ("two values", br#"{"jsonrpc":"2.0","id":1,"method":"ping"} {}"#.to_vec()),
        ("no version", br#"{"id":1,"method":"ping"}"#.to_vec()),
        ("null id", br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_vec()),
        ("fractional id", br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#.to_vec()),
        ("params array", br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#.to_vec()),
        ("key twice", br#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#.to_vec()),
        ("key twice, escaped", br#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"x"}"#.to_vec()),
        (
            "name twice in params",
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","name":"rm"}}"#.to_vec(),
        ),
        ("too deep", deep.into_bytes()),
        ("empty batch", b"[]".to_vec()),
        (
            "initialize in a batch",
            br#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]"#.to_vec(),
        ),
        (
            "tools/call without name",
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#.to_vec(),
        ),
        (
            "tool that is not pinned",
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}}"#.to_vec(),
        ),
        ("over 1 MiB", large.into_bytes()),
    ]
}

/// Status, JSON-RPC code and id of the answer to each bad body; hosted code sees none of them.
#[tokio::test]
async fn bad_bodies() {
    let world = world().await;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    let bearer = format!("Bearer {}", world.user);
    let mut table = String::new();
    for (name, body) in bad_messages() {
        let headers = [("authorization", bearer.as_str()), MCP[0], MCP[1]];
        let answer = world.send(Method::POST, "/t/home/srv/mcp", &headers, body).await;
        let (code, id) = (answer.json()["error"]["code"].clone(), answer.json().get("id").cloned());
        table += &format!("{name:<24} {} {code} id {id:?}\n", answer.status.as_u16());
    }
    for revision in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let headers =
            [("authorization", bearer.as_str()), MCP[0], MCP[1], ("mcp-protocol-version", revision)];
        let answer = world.send(Method::POST, "/t/home/srv/mcp", &headers, batch).await;
        table += &format!(
            "batch on {revision:<15} {} {}\n",
            answer.status.as_u16(),
            answer.json()["error"]["code"]
        );
    }
    insta::assert_snapshot!(table, @r"
    not json                 400 -32700 id None
    empty                    400 -32700 id None
    invalid utf-8            400 -32700 id None
    byte order mark          400 -32700 id None
    two values               400 -32700 id None
    no version               400 -32600 id Some(Number(1))
    null id                  400 -32600 id None
    fractional id            400 -32600 id None
    params array             400 -32600 id Some(Number(1))
    key twice                400 -32600 id Some(Number(1))
    key twice, escaped       400 -32600 id Some(Number(1))
    name twice in params     400 -32600 id Some(Number(1))
    too deep                 400 -32600 id Some(Number(1))
    empty batch              400 -32600 id None
    initialize in a batch    400 -32600 id Some(Number(1))
    tools/call without name  200 -32602 id Some(Number(1))
    tool that is not pinned  200 -32602 id Some(Number(1))
    over 1 MiB               413 -32000 id None
    batch on 2025-06-18      400 -32600
    batch on 2025-11-25      400 -32600
    batch on 2026-07-28      400 -32600
    ");
    assert_eq!(world.isolates.seen().len(), 0, "nothing bad reached hosted code");
}

/// What HTTP itself asks of a request.
#[tokio::test]
async fn bad_requests() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.user);
    let base = [("authorization", bearer.as_str()), MCP[0], MCP[1]];
    let with = |name: &'static str, value: &'static str| {
        let mut headers: Vec<(&str, &str)> = base.into_iter().filter(|(known, _)| *known != name).collect();
        headers.push((name, value));
        headers
    };
    let twice = |name: &'static str, value: &'static str| {
        let mut headers = with(name, value);
        headers.push((name, value));
        headers
    };
    let cases = [
        ("content type", with("content-type", "text/plain")),
        ("no content type", with("content-type", NO_HEADER)),
        ("accepts json alone", with("accept", "application/json")),
        ("accepts html", with("accept", "text/html")),
        ("refuses json", with("accept", "application/json;q=0, text/event-stream")),
        ("foreign origin", with("origin", "https://evil.example")),
        ("null origin", with("origin", "null")),
        ("origin on another port", with("origin", "http://localhost:1")),
        ("foreign host", with("host", "evil.example:8787")),
        ("no host", with("host", NO_HEADER)),
        ("two content types", twice("content-type", "application/json")),
        ("two revisions", twice("mcp-protocol-version", "2025-06-18")),
        ("two origins", twice("origin", "http://localhost:8787")),
        ("unknown revision", with("mcp-protocol-version", "1999-01-01")),
        ("no credential", with("authorization", NO_HEADER)),
        ("basic credential", with("authorization", "Basic c21jcA==")),
        ("bad key", with("authorization", "Bearer smcp_x")),
    ];
    let mut table = String::new();
    for (name, headers) in &cases {
        let answer = world.send(Method::POST, "/t/home/srv/mcp", headers, call_add().to_string()).await;
        table += &format!("{name:<24} {} {}\n", answer.status.as_u16(), answer.json()["error"]["code"]);
    }
    let declared = [base[0], base[1], base[2], ("content-length", "1048577")];
    let answer = world.send(Method::POST, "/t/home/srv/mcp", &declared, Body::empty()).await;
    table += &format!("{:<24} {}\n", "announces over 1 MiB", answer.status.as_u16());
    for method in [Method::PUT, Method::PATCH] {
        let answer = world.send(method.clone(), "/t/home/srv/mcp", &base, "").await;
        table += &format!("{method:<24} {}\n", answer.status.as_u16());
    }
    insta::assert_snapshot!(table, @r"
    content type             415 -32600
    no content type          415 -32600
    accepts json alone       406 -32600
    accepts html             406 -32600
    refuses json             406 -32600
    foreign origin           403 -32000
    null origin              403 -32000
    origin on another port   403 -32000
    foreign host             403 -32000
    no host                  403 -32000
    two content types        400 -32600
    two revisions            400 -32600
    two origins              403 -32000
    unknown revision         400 -32022
    no credential            401 -32000
    basic credential         401 -32000
    bad key                  401 -32000
    announces over 1 MiB     413
    PUT 405
    PATCH 405
    ");
    assert_eq!(world.isolates.seen().len(), 0, "nothing bad reached hosted code");
}

/// Our own origin, loopback's other names and the allowed ones may call, and a browser is told so.
#[tokio::test]
async fn good_origins() {
    let world = world().await;
    for origin in ["http://localhost:8787", "http://127.0.0.1:8787", "https://app.example"] {
        let answer = world.mcp_with(&world.user, &[("origin", origin)], call_add()).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, origin));
    }
    let preflight = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let answer = world.send(Method::OPTIONS, "/t/home/srv/mcp", &preflight, "").await;
    assert_eq!(answer.status.as_u16(), 204);
    assert!(answer.header("access-control-allow-headers").contains("mcp-session-id"));
}

/// Without a valid credential every well-formed name answers alike; with one, what is missing and what is another's.
#[tokio::test]
async fn a_stranger_and_a_ghost_look_the_same() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.user);
    let names = [
        "/t/home/srv/mcp",
        "/t/home/ghost/mcp",
        "/t/other/srv/mcp",
        "/t/ghost/srv/mcp",
        "/t/platform/srv/mcp",
    ];
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let mut shapes = Vec::new();
        for name in names {
            for credential in [NO_HEADER, "Bearer nonsense"] {
                let headers = [("authorization", credential), MCP[0], MCP[1]];
                shapes.push(world.send(method.clone(), name, &headers, call_add().to_string()).await.shape());
            }
        }
        assert!(
            shapes[0].starts_with("401") && shapes[0].contains("www-authenticate: Bearer"),
            "{}",
            shapes[0]
        );
        assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{method}: {shapes:#?}");
        let mut shapes = Vec::new();
        for name in &names[1..] {
            let headers = [("authorization", bearer.as_str()), MCP[0], MCP[1]];
            shapes.push(world.send(method.clone(), name, &headers, call_add().to_string()).await.shape());
        }
        assert!(shapes[0].starts_with("404"), "{}", shapes[0]);
        assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{method}: {shapes:#?}");
    }
    let malformed = world.send(Method::POST, "/t/Home/srv/mcp", &MCP, "").await;
    assert_eq!(malformed.status.as_u16(), 404, "the form of a name comes before any credential");
    assert_eq!(world.isolates.seen().len(), 0);
}

/// Roles on MCP methods: who may not, learns it and no more.
#[tokio::test]
async fn roles_on_methods() {
    let world = world().await;
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let extension = json!({ "jsonrpc": "2.0", "id": 7, "method": "acme/x" });
    // A call in the clothes of a notification is a call.
    let unasked = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "add" } });
    let mut table = String::new();
    for (role, key) in [
        ("admin", &world.admin),
        ("mcp_user", &world.user),
        ("read_only", &world.reader),
        ("root", &world.root),
    ] {
        for (what, message) in
            [("list", &list), ("call", &call_add()), ("unasked call", &unasked), ("extension", &extension)]
        {
            let answer = world.mcp(key, message.clone()).await;
            table += &format!("{role:<10} {what:<14} {}\n", answer.status.as_u16());
        }
    }
    insta::assert_snapshot!(table, @r"
    admin      list           200
    admin      call           200
    admin      unasked call   200
    admin      extension      200
    mcp_user   list           200
    mcp_user   call           200
    mcp_user   unasked call   200
    mcp_user   extension      200
    read_only  list           200
    read_only  call           403
    read_only  unasked call   403
    read_only  extension      403
    root       list           403
    root       call           403
    root       unasked call   403
    root       extension      403
    ");
}
