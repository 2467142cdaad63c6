//! What goes out, what comes back, and other sides that lie.

use futures_util::StreamExt as _;
use smcp_core::ports::{LogLevel, Outbound as _};

use crate::{
    stage::{get, plain, request},
    upstream::{HANG, answering, ok},
};

const URL: &str = "http://api.example/v1/items?key=hidden";

#[tokio::test]
async fn a_request_goes_out_as_it_was_meant() {
    let stage = plain(answering(&[&ok(b"hello")]));
    let headers = [
        ("host", "evil.example"),
        ("x-smcp-tenant", "evil"),
        ("cf-worker", "evil"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("accept-encoding", "br"),
        ("authorization", "Bearer own"),
        ("content-length", "4"),
    ];
    let got = stage
        .fetch(request("POST", "http://API.example:80/v1/items?q=%20a", &headers, &[b"da", b"ta"]))
        .await;
    assert_eq!((got.status, got.text().as_str()), (200, "hello"));
    let mut lines: Vec<String> = stage.world.requests()[0].split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "POST /v1/items?q=%20a HTTP/1.1");
    assert_eq!(lines.pop().unwrap(), "data");
    lines.sort_unstable();
    assert_eq!(
        lines.join("|").trim_start_matches('|'),
        "accept-encoding: br|authorization: Bearer own|connection: close|content-length: 4|host: api.example"
    );
}

#[tokio::test]
async fn bodies_are_framed_by_us() {
    let stage = plain(answering(&[&ok(b"hello")]));
    stage.fetch(request("POST", URL, &[("transfer-encoding", "chunked")], &[b"da", b"ta"])).await;
    stage.fetch(request("POST", URL, &[("content-length", "0")], &[])).await;
    stage.fetch(request("GET", URL, &[], &[b"no length, no body"])).await;
    let [chunked, empty, none] = stage.world.requests().try_into().unwrap();
    assert!(
        chunked.contains("transfer-encoding: chunked\r\n")
            && chunked.ends_with("2\r\nda\r\n2\r\nta\r\n0\r\n\r\n")
    );
    assert!(empty.contains("content-length: 0\r\n"), "{empty}");
    assert!(!none.contains("length") && !none.contains("transfer") && none.ends_with("\r\n\r\n"), "{none}");
}

#[tokio::test]
async fn two_words_about_a_length_are_refused() {
    let stage = plain(answering(&[&ok(b"hello")]));
    for headers in [
        &[("content-length", "4"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "4"), ("content-length", "5")],
        &[("content-length", "4,4")],
        &[("content-length", "0x4")],
        &[("content-length", "-1")],
        &[("transfer-encoding", "chunked, chunked")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "identity"), ("transfer-encoding", "chunked")],
    ] {
        assert_eq!(stage.refused(request("POST", URL, headers, &[b"data"])).await.0, 400, "{headers:?}");
    }
}

#[tokio::test]
async fn an_answer_comes_back_without_what_is_not_its_business() {
    let head = "HTTP/1.1 201 Made\r\nx-smcp-egress: refused\r\nX-SMCP-Tenant: evil\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
                connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\nproxy-authenticate: Basic\r\ntransfer-encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n";
    let stage = plain(answering(&[head.as_bytes()]));
    let got = stage.fetch(get(URL)).await;
    assert_eq!((got.status, got.text().as_str(), got.broken), (201, "hello", false));
    let names: Vec<String> =
        got.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    assert_eq!(names, ["set-cookie=a=1", "set-cookie=b=2"]);
}

#[tokio::test]
async fn answers_stream() {
    let stage = plain(answering(&[b"HTTP/1.1 200 OK\r\n\r\n", b"data: 1\n\n", HANG]));
    let mut body = stage.begin(get(URL)).await.into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "data: 1\n\n");
}

#[tokio::test]
async fn other_sides_that_lie_are_failures() {
    let large = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(80 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: 1\r\n".repeat(200));
    for answer in [
        "",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "<html>HTTP/0.9</html>",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx a: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        &large,
        &many,
    ] {
        let stage = plain(answering(&[answer.as_bytes()]));
        let got = stage.fetch(get(URL)).await;
        assert_eq!((got.status, got.own()), (502, Some("failed")), "{answer:.60}: {}", got.text());
        assert_eq!(stage.log().pop().unwrap().0, LogLevel::Warn);
    }
}

#[tokio::test]
async fn chunks_decide_where_a_body_ends_and_a_length_beside_them_goes() {
    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let stage = plain(answering(&[both.as_bytes()]));
    let got = stage.fetch(get(URL)).await;
    assert_eq!((got.status, got.text().as_str(), got.headers.len()), (200, "hello", 0));
}

#[tokio::test]
async fn a_body_that_ends_early_is_broken() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nffffffffffffffffff\r\n",
    ] {
        let stage = plain(answering(&[answer.as_bytes()]));
        let got = stage.fetch(get(URL)).await;
        assert!(got.broken && got.text() == "hello", "{answer}: {}", got.text());
        assert!(stage.log().pop().unwrap().1.contains("then it broke off"));
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_nobodys() {
    let two = [ok(b"hello"), ok(b"smuggled")].concat();
    let stage = plain(answering(&[&two]));
    assert_eq!(stage.fetch(get(URL)).await.text(), "hello");
    assert_eq!(stage.fetch(get(URL)).await.text(), "hello", "and no connection is used twice");
    assert_eq!(stage.world.dialled().len(), 2);
}

#[tokio::test]
async fn no_address_that_answers_is_a_failure_in_words() {
    let stage = plain(answering(&[&ok(b"hello")]));
    stage.dns.set("api.example", &[&["9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4"]]);
    let down = ["9.9.9.1:80", "9.9.9.2:80", "9.9.9.3:80"]
        .map(|address| address.parse::<std::net::SocketAddr>().unwrap());
    stage.world.down.lock().unwrap().extend(down);
    let got = stage.fetch(get(URL)).await;
    assert_eq!((got.status, stage.world.dialled().len()), (502, 3), "so many are tried");
    assert!(got.text().contains("api.example could not be reached: connection refused"), "{}", got.text());
    let got = stage.fetch(get("http://missing.example/")).await;
    assert_eq!(got.status, 403);
}

#[tokio::test]
async fn the_log_has_every_request_without_its_query() {
    let stage = plain(answering(&[&ok(b"hello")]));
    let trace =
        [("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("content-length", "4")];
    stage.fetch(request("POST", URL, &trace, &[b"data"])).await;
    stage.fetch(get("http://user:hidden@api.example/?hidden")).await;
    let log = stage.log();
    assert_eq!(
        log[0],
        (
            LogLevel::Debug,
            "egress: POST http://api.example/v1/items: 200, 4 bytes out, 5 bytes in, 0 ms, \
             trace 4bf92f3577b34da6a3ce929d0e0e4736"
                .to_owned()
        )
    );
    assert_eq!(log[1].0, LogLevel::Warn);
    assert!(!log.iter().any(|(_, line)| line.contains("hidden")), "{log:?}");
    assert!(stage.world.requests()[0].contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    let version = &stage.workload.version;
    let traffic = stage.egress.traffic(version.tenant, Some(version.server));
    assert_eq!((traffic.requests, traffic.refused, traffic.bytes_out, traffic.bytes_in), (2, 1, 4, 5));
    stage.egress.forget(version.tenant, version.server);
    assert_eq!(stage.egress.traffic(version.tenant, Some(version.server)).requests, 0);
    assert_eq!(stage.egress.traffic(version.tenant, None), traffic, "the tenant's sums stay");
}
