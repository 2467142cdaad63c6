//! Secrets go to the very place of their rule, over TLS to the host that its certificate names, and nowhere else.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use smcp_core::ports::Purpose;
use smcp_egress::TcpDialer;
use tokio::net::TcpListener;

use crate::{
    stage::{Stage, get, request, setup},
    upstream::{World, answering, authority, ok},
};

const SECRET: &str = "s3cret-token-0123456789";

pub(crate) fn rules(port: u16) -> Value {
    let rule = |prefix: &str, methods: Value, into: Value| {
        json!({
            "host": "api.example", "port": port, "path_prefix": prefix, "secret": "TOKEN", "into": into, "methods": methods,
        })
    };
    let ports = if port == 443 { vec![80, 443] } else { vec![port] };
    let allow = ["api.example", "other.example", "wrong.example"];
    let allow = allow.map(|host| json!({ "host": host, "ports": ports }));
    json!({
        "allow": allow,
        "inject": [
            rule("/v1/", json!([]), json!({ "header": { "name": "authorization", "format": "Bearer {}" } })),
            rule("/query", json!(["GET"]), json!({ "query": { "name": "key" } })),
            rule("/basic", json!([]), json!({ "basic": { "user": "me" } })),
        ],
    })
}

/// Behind TLS in memory, with the token set.
fn secured() -> Stage {
    let (root, tls) = authority(&["api.example", "other.example"]);
    let mut setup = setup(rules(443));
    setup.root = Some(root);
    let stage = setup.build(World::new(answering(&[&ok(b"hello")]), Some(tls)));
    for host in ["api.example", "other.example", "wrong.example"] {
        stage.dns.set(host, &[&["9.9.9.9"]]);
    }
    stage.secret("TOKEN", SECRET);
    stage
}

fn header<'r>(request: &'r str, name: &str) -> Vec<&'r str> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn a_server_on_loopback_sees_the_secret_through_a_permitted_range() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at: SocketAddr = listener.local_addr().unwrap();
    let (root, tls) = authority(&["api.example"]);
    let world = World::new(answering(&[&ok(b"hello")]), Some(tls));
    let mut setup = setup(rules(at.port()));
    setup.networks = vec!["127.0.0.1/32"];
    setup.root = Some(root);
    setup.dialer = Some(Box::new(TcpDialer));
    let stage = setup.build(world.clone());
    stage.dns.set("api.example", &[&["127.0.0.1"]]);
    stage.secret("TOKEN", SECRET);
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        world.clone().serve(stream).await.unwrap();
    };
    let (got, ()) =
        tokio::join!(stage.fetch(get(&format!("https://api.example:{}/v1/items", at.port()))), serve);
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    assert_eq!(header(&world.requests()[0], "authorization"), [format!("Bearer {SECRET}")]);
    assert_eq!(header(&world.requests()[0], "host"), [format!("api.example:{}", at.port())]);
    assert!(!stage.log().iter().any(|(_, line)| line.contains(SECRET)));
}

#[tokio::test]
async fn what_the_code_put_there_goes_and_so_do_parts_and_encodings() {
    let stage = secured();
    let own = [
        ("Authorization", "Bearer own"),
        ("range", "bytes=0-7"),
        ("if-range", "\"a\""),
        ("accept-encoding", "br, gzip"),
        ("connection", "authorization"),
        ("x-own", "stays"),
    ];
    assert_eq!(stage.fetch(request("GET", "https://api.example/v1/items", &own, &[])).await.status, 200);
    let asked = &stage.world.requests()[0];
    assert_eq!(header(asked, "authorization"), [format!("Bearer {SECRET}")]);
    assert_eq!(header(asked, "accept-encoding"), ["identity"]);
    assert_eq!(header(asked, "x-own"), ["stays"]);
    assert!(header(asked, "range").is_empty() && header(asked, "if-range").is_empty());

    stage.fetch(get("https://api.example/query?key=own&a=1&k%65y=own")).await;
    assert!(stage.world.requests()[1].starts_with(&format!("GET /query?a=1&key={SECRET} HTTP/1.1\r\n")));
    stage.fetch(request("PUT", "https://api.example/basic", &[("authorization", "own")], &[])).await;
    let basic = "Basic bWU6czNjcmV0LXRva2VuLTAxMjM0NTY3ODk=";
    assert_eq!(header(&stage.world.requests()[2], "authorization"), [basic]);
    assert!(
        !stage.log().iter().any(|(_, line)| line.contains(SECRET) || line.contains("bWU6")),
        "{:?}",
        stage.log()
    );
    assert!(stage.log()[1].1.contains("GET https://api.example/query: 200"));
}

#[tokio::test]
async fn nothing_else_gets_it() {
    let stage = secured();
    for (method, url) in [
        ("GET", "https://api.example/"),
        ("GET", "https://api.example/v1"),
        ("GET", "https://api.example/v10/items"),
        ("GET", "https://api.example/V1/items"),
        ("GET", "https://api.example//v1/items"),
        ("GET", "https://api.example/x/../v1/items"),
        ("GET", "https://api.example/%76%31/items"),
        ("GET", "https://api.example/a?/v1/items"),
        ("POST", "https://api.example/query"),
        ("GET", "https://other.example/v1/items"),
    ] {
        let own = [("authorization", "Bearer own")];
        let got = stage.fetch(request(method, url, &own, &[])).await;
        assert_eq!(got.status, 200, "{url} {}", got.text());
        let asked = stage.world.requests().pop().unwrap();
        assert!(!asked.contains(SECRET), "{asked}");
        assert_eq!(header(&asked, "authorization"), ["Bearer own"]);
    }
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_refused_where_it_decides() {
    let stage = secured();
    for path in [
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/%252e%252e/admin",
        "/v1//admin",
        "/v1/%5c..%5cadmin",
        "/v1/..;/admin",
        "/v1/a%2f..%2f..%2fadmin",
    ] {
        let (status, text) = stage.refused(get(&format!("https://api.example{path}"))).await;
        assert!(status == 403 && text.contains("more than one way"), "{path}: {text}");
    }
}

#[tokio::test]
async fn never_in_the_clear_and_never_to_another_name() {
    let (root, _) = authority(&["api.example"]);
    let mut plain = setup(rules(443));
    plain.root = Some(root);
    let plain = plain.build(World::new(answering(&[&ok(b"hello")]), None));
    plain.dns.set("api.example", &[&["9.9.9.9"]]);
    plain.secret("TOKEN", SECRET);
    assert_eq!(plain.fetch(get("http://api.example/v1/items")).await.status, 200);
    assert!(!plain.world.requests()[0].contains(SECRET));
    // Whoever speaks no TLS gets not a byte of the request.
    let silent = plain.fetch(get("https://api.example/v1/items"));
    assert_eq!(plain.while_waiting(silent, &[Duration::from_secs(31)]).await.status, 504);
    assert!(
        !plain.world.requests().iter().any(|request| request.contains("items") && request.contains("Bearer"))
    );

    let stage = secured();
    let got = stage.fetch(get("https://wrong.example/v1/items")).await;
    assert!(got.status == 502 && got.text().contains("no TLS with wrong.example"), "{}", got.text());
    assert!(stage.world.requests().is_empty());
}

#[tokio::test]
async fn only_the_roots_are_believed() {
    let (other_root, _) = authority(&["api.example"]);
    let (_, tls) = authority(&["api.example"]);
    let mut setup = setup(rules(443));
    setup.root = Some(other_root);
    let stage = setup.build(World::new(answering(&[&ok(b"hello")]), Some(tls)));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage.secret("TOKEN", SECRET);
    let got = stage.fetch(get("https://api.example/v1/items")).await;
    assert_eq!((got.status, got.own()), (502, Some("failed")), "{}", got.text());
    assert!(stage.world.requests().is_empty());
}

#[tokio::test]
async fn a_secret_that_is_missing_or_unfit_is_told_with_the_command_that_sets_it() {
    let stage = secured();
    for value in ["line\nbreak", "nul\0byte"] {
        stage.secret("TOKEN", value);
        let (_, text) = stage.refused(get("https://api.example/v1/items")).await;
        assert!(text.contains("smcp secrets set TOKEN --server weather") && !text.contains(value), "{text}");
    }
    let (root, tls) = authority(&["api.example"]);
    let mut setup = setup(rules(443));
    setup.root = Some(root);
    let stage = setup.build(World::new(answering(&[&ok(b"hello")]), Some(tls)));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    let (status, text) = stage.refused(get("https://api.example/v1/items")).await;
    assert!(status == 403 && text.contains("smcp secrets set TOKEN --server weather"), "{text}");
    assert_eq!(stage.fetch(get("https://api.example/free")).await.status, 200);
}

#[tokio::test]
async fn a_trial_gets_none() {
    let revealed = Arc::new(Mutex::new(0));
    let mut trial = setup(rules(443));
    trial.purpose = Purpose::Trial;
    let seen = Arc::clone(&revealed);
    let stage = trial.build(World::new(
        Arc::new(move |_| {
            *seen.lock().unwrap() += 1;
            vec![ok(b"hello")]
        }),
        None,
    ));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage.secret("TOKEN", SECRET);
    assert_eq!(stage.refused(get("https://api.example/v1/items")).await.0, 403);
    assert_eq!(*revealed.lock().unwrap(), 0);
}
