//! The client against a stand-in platform: what it asks, and what it makes of answers.

use std::net::TcpListener;

use serde_json::{Map, Value, json};
use smcp_api::{
    Ceilings, DatabaseQuery, DatabaseScript, KvEntry, LogLevel, Method, NewKey, NewTenant, OPERATIONS,
    RotateKey, SecretValue,
};

use super::{
    stub::{answer, platform},
    *,
};

/// What each operation is asked with here, in the order of `OPERATIONS`.
fn ask_all(client: &Client) -> Vec<Result<(), ClientError>> {
    let tenant = NewTenant { slug: "acme".to_owned() };
    let key =
        NewKey { name: "ci".to_owned(), role: "admin".to_owned(), servers: Vec::new(), expires_at: None };
    let deploy = Deploy {
        manifest: serde_json::value::RawValue::from_string("{}".to_owned()).unwrap(),
        modules: Vec::new(),
    };
    let value = SecretValue { value: "hush".to_owned() };
    let query = DatabaseQuery { sql: "SELECT 1".to_owned(), params: Vec::new() };
    let entry = KvEntry { value: String::new(), metadata: None, expires_at: None };
    let script = DatabaseScript { sql: "SELECT 1".to_owned() };
    vec![
        client.whoami().map(drop),
        client.health().map(drop),
        client.openapi().map(drop),
        client.list_tenants(Some("t1")).map(drop),
        client.create_tenant(&tenant).map(drop),
        client.get_tenant("{tenant}").map(drop),
        client.set_ceilings("{tenant}", &Ceilings::default()).map(drop),
        client.usage("{tenant}").map(drop),
        client.list_keys("{tenant}").map(drop),
        client.create_key("{tenant}", &key).map(drop),
        client.rotate_key("{tenant}", "{key}", &RotateKey { grace_seconds: 1 }).map(drop),
        client.revoke_key("{tenant}", "{key}").map(drop),
        client.list_data_keys("{tenant}").map(drop),
        client.rotate_data_keys("{tenant}").map(drop),
        client.destroy_data("{tenant}").map(drop),
        client.rotate_master_key("{tenant}").map(drop),
        client.list_servers("{tenant}", None).map(drop),
        client.get_server("{tenant}", "{server}").map(drop),
        client.delete_server("{tenant}", "{server}"),
        client.lift("{tenant}", "{server}").map(drop),
        client.list_versions("{tenant}", "{server}").map(drop),
        client.deploy("{tenant}", "{server}", &deploy).map(drop),
        client.get_version("{tenant}", "{server}", "{version}").map(drop),
        client.activate("{tenant}", "{server}", "{version}").map(drop),
        client.list_secrets("{tenant}", "{server}").map(drop),
        client.set_secret("{tenant}", "{server}", "{secret}", &value).map(drop),
        client.rotate_secret("{tenant}", "{server}", "{secret}", &value).map(drop),
        client.remove_secret("{tenant}", "{server}", "{secret}"),
        client.list_databases("{tenant}").map(drop),
        client.query_database("{tenant}", "{database}", &query).map(drop),
        client.export_database("{tenant}", "{database}").map(drop),
        client.import_database("{tenant}", "{database}", &script).map(drop),
        client.delete_database("{tenant}", "{database}"),
        client.list_namespaces("{tenant}").map(drop),
        client.list_kv("{tenant}", "{namespace}", StorePart::default()).map(drop),
        client.get_kv("{tenant}", "{namespace}", "k").map(drop),
        client.put_kv("{tenant}", "{namespace}", "k", &entry),
        client.delete_kv("{tenant}", "{namespace}", "k"),
        client.list_buckets("{tenant}").map(drop),
        client.list_objects("{tenant}", "{bucket}", StorePart::default()).map(drop),
        client.get_object("{tenant}", "{bucket}", "k").map(drop),
        client.put_object(("{tenant}", "{bucket}"), NewObject::default(), Vec::new()).map(drop),
        client.delete_object("{tenant}", "{bucket}", "k"),
        client.logs("{tenant}", "{server}", LogFilter::default()).map(drop),
    ]
}

#[test]
fn every_operation_is_asked_where_the_contract_says() {
    let problem = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no","request_id":"r"}"#;
    let (client, heard) =
        platform(OPERATIONS.iter().map(|_| answer(404, "application/problem+json", problem)).collect());
    for (result, operation) in ask_all(&client).into_iter().zip(OPERATIONS) {
        assert!(matches!(result, Err(ClientError::Problem(problem)) if problem.detail == "no"));
        let request = heard.recv().unwrap();
        let path = request.line.split('?').next().unwrap().replace("%7B", "{").replace("%7D", "}");
        assert_eq!(path, format!("{} {}", operation.method.as_str(), operation.path));
        assert_eq!(request.header("authorization"), Some("Bearer smcp_key"));
        assert_eq!(request.header("user-agent"), Some("smcp-test/1"));
        let has_body = operation.method == Method::Post && operation.request.is_some();
        assert_eq!(request.header("content-type"), has_body.then_some("application/json"));
        assert_eq!(request.body.is_empty(), !has_body);
    }
}

#[test]
fn good_answers_are_read_and_the_query_says_what_is_wanted() {
    let who = r#"{"principal":"p","tenant":"acme","roles":["admin"],"later":1}"#;
    let (client, heard) = platform(vec![
        answer(200, "application/json", who),
        answer(200, "application/json", r#"{"items":[]}"#),
    ]);
    assert_eq!(client.whoami().unwrap().tenant, "acme", "members of later releases are no mistake");
    let filter = LogFilter {
        limit: Some(5),
        level: Some(LogLevel::Warn),
        request: None,
        trace: Some("0a".to_owned()),
    };
    assert!(client.logs("a", "b", filter).unwrap().items.is_empty());
    assert_eq!(heard.recv().unwrap().line, "GET /api/v1/whoami");
    assert_eq!(
        heard.recv().unwrap().line,
        "GET /api/v1/tenants/a/servers/b/logs?limit=5&level=warn&trace=0a"
    );
}

#[test]
fn a_followed_log_is_an_iterator() {
    let line = r#"{"at":1,"level":"info","message":"hello","source":"server"}"#;
    let body = format!(": hello\n\ndata: {line}\n\nid: 1\n\ndata: {line}\n\ndata: no\n\n");
    let (client, heard) = platform(vec![answer(200, "text/event-stream", &body)]);
    let mut lines = client.follow_logs("a", "b", LogFilter::default()).unwrap();
    assert_eq!(heard.recv().unwrap().line, "GET /api/v1/tenants/a/servers/b/logs?follow=true");
    assert_eq!(lines.next().unwrap().unwrap().message, "hello");
    assert_eq!(lines.next().unwrap().unwrap().message, "hello");
    assert!(matches!(lines.next(), Some(Err(ClientError::NotOurs { .. }))));
    assert!(lines.next().is_none());
}

#[test]
fn other_answers_are_not_ours() {
    for (status, kind, body) in [
        (200, "text/html", "<p>"),
        (502, "text/html", "<p>"),
        (404, "application/problem+json", "{}"),
        (302, "text/html", ""),
    ] {
        let (client, _heard) = platform(vec![answer(status, kind, body)]);
        assert!(matches!(client.whoami(), Err(ClientError::NotOurs { .. })), "{status} {kind}");
    }
}

#[test]
fn redirects_are_not_followed() {
    let moved = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    let (client, _heard) = platform(vec![moved]);
    let error = client.whoami().unwrap_err().to_string();
    assert!(error.contains("307"), "{error}");
}

#[test]
fn nobody_there() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::new(format!("http://{free}").parse().unwrap(), None, "t");
    let error = client.whoami().unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach http://{free}/api/v1/whoami: connection refused"));
}

fn rpc(id: i64, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

#[test]
fn a_session_with_a_hosted_server() {
    let hello = answer(200, "application/json", &rpc(1, json!({ "protocolVersion": "2025-06-18" })));
    let hello = hello.replacen("\r\n", "\r\nMcp-Session-Id: s1\r\n", 1);
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let stream = format!("data: {note}\n\ndata: {ping}\n\ndata: {}\n\n", rpc(4, json!({ "content": [] })));
    let (client, heard) = platform(vec![
        hello,
        answer(202, "text/plain", ""),
        answer(200, "application/json", &rpc(2, json!({ "tools": [{ "name": "a" }], "nextCursor": "2" }))),
        answer(200, "application/json", &rpc(3, json!({ "tools": [{ "name": "b" }] }))),
        answer(200, "text/event-stream", &stream),
        answer(202, "text/plain", ""),
        answer(405, "text/plain", ""),
    ]);
    let mut session = client.mcp("/t/a/b/mcp", "smcp", "1").unwrap();
    assert_eq!(session.tools().unwrap(), [json!({ "name": "a" }), json!({ "name": "b" })]);
    assert_eq!(session.call("a", Map::new()).unwrap(), json!({ "content": [] }));
    session.end().unwrap();
    let heard: Vec<_> = heard.iter().collect();
    assert!(heard.iter().all(|request| request.line.ends_with(" /t/a/b/mcp")));
    assert_eq!((heard[0].header("mcp-session-id"), heard[0].header("mcp-protocol-version")), (None, None));
    for request in &heard[1..] {
        assert_eq!(request.header("mcp-session-id"), Some("s1"));
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-06-18"));
    }
    assert!(heard[3].body.contains(r#""cursor":"2""#));
    let pong: serde_json::Value = serde_json::from_str(&heard[5].body).unwrap();
    assert_eq!(pong, json!({ "id": "p", "jsonrpc": "2.0", "result": {} }));
    assert!(heard[6].line.starts_with("DELETE"));
}

#[test]
fn errors_of_a_hosted_server() {
    let error =
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"no such server","data":{"requestId":"r"}}}"#;
    let (client, _heard) = platform(vec![answer(404, "application/json", error)]);
    let Err(ClientError::Rpc { status, code, message, data }) =
        client.mcp("/t/a/b/mcp", "smcp", "1").map(drop)
    else {
        panic!("a JSON-RPC error")
    };
    assert_eq!((status, code, &*message), (404, -32000, "no such server"));
    assert_eq!(data, Some(json!({ "requestId": "r" })));
    let future = answer(200, "application/json", &rpc(1, json!({ "protocolVersion": "2099-01-01" })));
    for strange in
        [future, answer(200, "application/json", "[]"), answer(200, "text/event-stream", "data: {}")]
    {
        let (client, _heard) = platform(vec![strange]);
        assert!(matches!(client.mcp("/t/a/b/mcp", "smcp", "1").map(drop), Err(ClientError::NotOurs { .. })));
    }
}
