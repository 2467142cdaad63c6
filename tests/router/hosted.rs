//! What hosted code may see of a caller, and what it may answer (DESIGN 20).

use http::Method;
use serde_json::json;
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, call_add, modern};

const GOOD: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

#[tokio::test]
async fn credentials_and_platform_headers_never_reach_hosted_code() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(GOOD))).await;
    let headers = [
        ("cookie", "a=b"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-smcp-request-id", "forged"),
        ("X-SMCP-Caller", "forged"),
        ("Smcp-Caller", "forged"),
        ("smcp-caller", "forged twice"),
        ("SMCP-REQUEST-ID", "forged"),
        ("smcp_caller", "forged"),
        ("x_smcp_caller", "forged"),
        ("smcp-anything", "forged"),
        ("x-smcp-binding", "KV"),
        ("x-api-key", "secret"),
        ("proxy-authorization", "Basic x"),
        ("connection", "keep-alive, x-evil"),
        ("x-evil", "1"),
        ("transfer-encoding", "identity"),
        ("mcp-param-region", "eu"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("user-agent", "x"),
    ];
    let answer = world.mcp_with(&world.user, &headers, call_add()).await;
    assert_eq!(answer.status.as_u16(), 200);
    let seen = world.isolates.seen().remove(0);
    let (token, id) = (&seen.headers["smcp-caller"], &seen.headers["smcp-request-id"]);
    assert_eq!(id, answer.header("x-request-id"));
    let mut names: Vec<String> =
        seen.headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    names.sort();
    let names = names.join("\n").replace(token.to_str().unwrap(), "[token]");
    let span = &seen.headers["traceparent"].to_str().unwrap()[36..52];
    assert_ne!(span, "b7ad6b7169203331", "a span of ours");
    insta::assert_snapshot!(names.replace(id.to_str().unwrap(), "[request]").replace(span, "[span]"), @r"
    accept: application/json, text/event-stream
    content-type: application/json
    smcp-caller: [token]
    smcp-request-id: [request]
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-[span]-01
    ");
    assert_eq!(seen.url.to_string(), "http://localhost:8787/mcp");
    assert_eq!(seen.body, call_add().to_string(), "the body passes unchanged");
}

/// What the mirrors of 2026-07-28 say is what the body says, or the request goes nowhere; for older revisions they do
/// not exist.
#[tokio::test]
async fn mirrors_tell_the_truth() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(GOOD))).await;
    let list = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    for (message, method, name, status) in [
        (call_add(), "tools/call", "add", 200),
        (call_add(), "tools/call", "=?base64?YWRk?=", 200),
        (call_add(), "tools/list", "add", 400),
        (call_add(), "tools/call", "rm", 400),
        (call_add(), "tools/call", "=?base64?***?=", 400),
        (list.clone(), "tools/call", "add", 400),
        (list, "tools/list", "whatever", 200),
    ] {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
        let answer = world.mcp_with(&world.user, &headers, modern(message)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {name}");
        if status == 400 {
            assert_eq!(answer.json()["error"]["code"], -32020);
        }
    }
    let headers = [("mcp-method", "tools/call"), ("mcp-param-region", "eu")];
    assert_eq!(world.mcp_with(&world.user, &headers, call_add()).await.status.as_u16(), 200);
    let seen = world.isolates.seen();
    let names: Vec<_> = seen.last().unwrap().headers.keys().map(http::HeaderName::as_str).collect();
    assert!(!names.iter().any(|name| name.starts_with("mcp-")), "{names:?}");
}

/// Status and content type of hosted code against what the client gets.
#[tokio::test]
async fn answers_of_hosted_code() {
    let cases = [
        ("json", Scripted::json(GOOD)),
        ("events", Scripted::events(format!("data: {GOOD}\n\n"))),
        ("202", Scripted::of(202, "", "")),
        ("404 json", Scripted::of(404, "application/json", GOOD)),
        ("404 text", Scripted::of(404, "text/plain", "<script>")),
        ("500 html", Scripted::of(500, "text/html", "<h1>")),
        ("401", Scripted::of(401, "application/json", GOOD)),
        ("301", Scripted::of(301, "text/html", "").header("location", "https://evil.example")),
        ("204", Scripted::of(204, "", "")),
        ("html", Scripted::of(200, "text/html", "<h1>")),
        ("almost json", Scripted::of(200, "application/jsonp", GOOD)),
        ("407", Scripted::of(407, "application/json", GOOD)),
        ("encoded", Scripted::json(GOOD).header("content-encoding", "gzip")),
    ];
    let mut table = String::new();
    for (name, answer) in cases {
        let world = World::new(ScriptedIsolates::new(move |_| answer.clone())).await;
        let told = world.mcp(&world.user, call_add()).await;
        let body = String::from_utf8_lossy(&told.body).replace(told.header("x-request-id"), "[request]");
        // Events have ids of ours, which are never the same.
        let without_ids = |line: &&str| !line.starts_with("id: ");
        let body = body.lines().filter(without_ids).collect::<Vec<_>>().join("\n");
        table += &format!(
            "{name:<12} {} {} {}\n",
            told.status.as_u16(),
            told.header("content-type"),
            body.trim_end()
        );
    }
    insta::assert_snapshot!(table, @r#"
    json         200 application/json {"jsonrpc":"2.0","id":7,"result":{}}
    events       200 text/event-stream data: {"jsonrpc":"2.0","id":7,"result":{}}
    202          202  
    404 json     404 application/json {"jsonrpc":"2.0","id":7,"result":{}}
    404 text     404  
    500 html     500  
    401          502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered 401, which a hosted server may not","data":{"requestId":"[request]","hint":"answer 200, 202, 4xx or 5xx; authentication is the platform's"}}}
    301          502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered 301, which a hosted server may not","data":{"requestId":"[request]","hint":"answer 200, 202, 4xx or 5xx; authentication is the platform's"}}}
    204          502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered 204, which a hosted server may not","data":{"requestId":"[request]","hint":"answer 200, 202, 4xx or 5xx; authentication is the platform's"}}}
    html         502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered with a content type that is neither application/json nor text/event-stream","data":{"requestId":"[request]"}}}
    almost json  502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered with a content type that is neither application/json nor text/event-stream","data":{"requestId":"[request]"}}}
    407          502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered 407, which a hosted server may not","data":{"requestId":"[request]","hint":"answer 200, 202, 4xx or 5xx; authentication is the platform's"}}}
    encoded      502 application/json {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server failed: it answered with an encoded body","data":{"requestId":"[request]","hint":"leave out Content-Encoding: the platform reads what hosted servers answer"}}}
    "#);
}

/// Garbage in the place of an answer: an error with a request id, whatever the revision.
#[tokio::test]
async fn answers_that_are_not_mcp() {
    for garbage in [
        "{",
        "null",
        "[]",
        r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":7,"result":{},"result":{}}"#,
        r#"[{"jsonrpc":"2.0","id":7,"result":{}},{"jsonrpc":"2.0","id":7,"result":{}}]"#,
    ] {
        let world = World::new(ScriptedIsolates::new(move |_| Scripted::json(garbage))).await;
        let told = world.mcp(&world.user, call_add()).await;
        assert_eq!(told.status.as_u16(), 502, "{garbage}");
        let error = &told.json()["error"];
        assert_eq!((&error["code"], &told.json()["id"]), (&json!(-32603), &json!(7)), "{garbage}");
        assert_eq!(error["data"]["requestId"], told.header("x-request-id"), "{garbage}");
    }
}

#[tokio::test]
async fn response_headers_pass_an_allowlist() {
    let answer = Scripted::json(GOOD)
        .header("set-cookie", "session=1")
        .header("www-authenticate", "Basic")
        .header("access-control-allow-origin", "*")
        .header("link", "<https://evil.example>; rel=preload")
        .header("clear-site-data", "\"*\"")
        .header("content-security-policy", "default-src *")
        .header("x-request-id", "forged")
        .header("mcp-session-id", "unasked")
        .header("location", "https://evil.example")
        .header("allow", "EVIL")
        .header("retry-after", "3");
    let world = World::new(ScriptedIsolates::new(move |_| answer.clone())).await;
    let told = world.mcp(&world.user, call_add()).await;
    insta::assert_snapshot!(told.shape(), @r#"
    200 OK
    cache-control: no-store
    content-security-policy: default-src 'none'; sandbox
    content-type: application/json
    referrer-policy: no-referrer
    retry-after: 3
    x-content-type-options: nosniff

    {"jsonrpc":"2.0","id":7,"result":{}}
    "#);
}

#[tokio::test]
async fn a_server_without_a_version_and_methods_of_2026_07_28() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json(GOOD))).await;
    world.deploy("home", "fresh", &[]).await;
    let bearer = format!("Bearer {}", world.user);
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream, application/json")];
    let post = [headers[0], headers[1], ("content-type", "application/json")];
    let empty = world.send(Method::POST, "/t/home/fresh/mcp", &post, call_add().to_string()).await;
    assert_eq!(
        (empty.status.as_u16(), empty.json()["error"]["data"]["hint"].clone()),
        (503, json!("deploy one: smcp deploy"))
    );
    for method in [Method::GET, Method::DELETE] {
        let headers = [headers[0], headers[1], ("mcp-protocol-version", "2026-07-28")];
        let answer = world.send(method, "/t/home/srv/mcp", &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    }
    assert_eq!(world.isolates.seen().len(), 0);
}
