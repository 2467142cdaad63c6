//! Nothing that leaves or comes back is without a bound of bytes, time or number.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;
use smcp_core::ports::{LogLevel, Outbound as _, Purpose};
use smcp_egress::{Concurrency, EgressLimits};

use crate::{
    stage::{Setup, Stage, get, plain, request, setup, workload},
    upstream::{HANG, World, answering, ok},
};

const URL: &str = "http://api.example/";

fn limited(limits: EgressLimits, handler: crate::upstream::Handler) -> Stage {
    let setup = Setup { limits, ..setup(json!({ "allow": [{ "host": "api.example", "ports": [80] }] })) };
    let stage = setup.build(World::new(handler, None));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage
}

#[tokio::test]
async fn each_request_costs_a_token_also_a_refused_one() {
    let stage = plain(answering(&[&ok(b"hello")]));
    while stage.workload.budgets.subrequests.take() {}
    stage.workload.budgets.subrequests.grant(3, 50);
    assert_eq!(stage.fetch(get(URL)).await.status, 200);
    assert_eq!(stage.refused(get("http://other.example/")).await.0, 403);
    assert_eq!(stage.fetch(get(URL)).await.status, 200);
    let (status, text) = stage.refused(get(URL)).await;
    assert!(status == 429 && text.contains("each call of the server adds 50"), "{text}");
    stage.workload.budgets.subrequests.grant(1, 50);
    assert_eq!(stage.fetch(get(URL)).await.status, 200);
}

#[tokio::test]
async fn a_budget_holds_against_requests_at_once() {
    let stage = plain(answering(&[&ok(b"hello")]));
    while stage.workload.budgets.subrequests.take() {}
    stage.workload.budgets.subrequests.grant(5, 50);
    let statuses: Vec<u16> =
        join_all((0..20).map(|_| stage.fetch(get(URL)))).await.iter().map(|got| got.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 15);
}

#[tokio::test]
async fn places_are_shared_between_processes_and_tenants() {
    let concurrency = Concurrency { process: 2, tenant: 3, node: 4 };
    let limits = EgressLimits { concurrency, ..EgressLimits::default() };
    let stage = limited(limits, answering(&[b"HTTP/1.1 200 OK\r\n\r\nhello", HANG]));
    let rules = json!({ "allow": [{ "host": "api.example", "ports": [80] }] });
    let process = |tenant| workload(tenant, &rules, (Purpose::Serving, &[]));
    let (one, two, neighbour, other) = (process(1), process(1), process(2), process(3));
    let mut held = Vec::new();
    for (from, status, words) in [
        (&one, 200, ""),
        (&one, 200, ""),
        (&one, 429, "the server has too many"),
        (&two, 200, ""),
        (&two, 429, "the tenant's servers have too many"),
        (&neighbour, 200, ""),
        (&other, 429, "the platform has too many"),
    ] {
        let response = stage.egress.fetch(from, get(URL)).await;
        assert_eq!(response.status(), status, "{words}");
        let (_, mut body) = response.into_parts();
        if status == 200 {
            held.push(body);
        } else {
            let text = body.next().await.unwrap().unwrap();
            assert!(text.starts_with(words.as_bytes()), "{text:?}");
        }
    }
    // Letting go of an answer gives its place back.
    drop(held.remove(0));
    assert_eq!(stage.egress.fetch(&other, get(URL)).await.status(), 200);
}

#[tokio::test]
async fn a_full_node_still_has_places_for_those_who_have_few() {
    let concurrency = Concurrency { process: 100, tenant: 100, node: 40 };
    let limits = EgressLimits { concurrency, ..EgressLimits::default() };
    let stage = limited(limits, answering(&[b"HTTP/1.1 200 OK\r\n\r\nhello", HANG]));
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(stage.begin(get(URL)).await);
    }
    assert_eq!(stage.begin(get(URL)).await.status(), 429);
    let rules = json!({ "allow": [{ "host": "api.example", "ports": [80] }] });
    let late = workload(2, &rules, (Purpose::Serving, &[]));
    for _ in 0..8 {
        let response = stage.egress.fetch(&late, get(URL)).await;
        assert_eq!(response.status(), 200);
        held.push(response);
    }
    assert_eq!(stage.egress.fetch(&late, get(URL)).await.status(), 429);
}

#[tokio::test]
async fn large_requests_are_refused_before_or_while_they_are_sent() {
    let limits = EgressLimits { request_bytes: 10, ..EgressLimits::default() };
    let stage = limited(limits, answering(&[&ok(b"hello")]));
    let (status, text) =
        stage.refused(request("POST", URL, &[("content-length", "11")], &[b"01234567890"])).await;
    assert!(status == 413 && text.contains("10 bytes"), "{text}");
    let chunked = [("transfer-encoding", "chunked")];
    let got = stage.fetch(request("POST", URL, &chunked, &[b"01234", b"56789", b"0"])).await;
    assert_eq!((got.status, got.own()), (413, Some("refused")));
    assert_eq!(stage.fetch(request("POST", URL, &chunked, &[b"01234", b"56789"])).await.status, 200);
    assert_eq!(
        stage.fetch(request("POST", URL, &[("content-length", "10")], &[b"0123456789"])).await.status,
        200
    );
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_announced_is_not_passed_off_as_one() {
    let stage = plain(answering(&[&ok(b"hello")]));
    for (length, body) in
        [("10", &[&b"0123"[..]][..]), ("2", &[b"0123", b"GET / HTTP/1.1\r\nhost: api.example\r\n\r\n"])]
    {
        let got = stage.fetch(request("POST", URL, &[("content-length", length)], body)).await;
        // Either it fails, or the other side got the announced bytes and no more.
        for asked in stage.world.requests() {
            assert!(!asked.contains("0123GET") && asked.matches("HTTP/1.1").count() <= 1, "{asked}");
        }
        assert!(got.status == 502 || length == "2", "{}", got.status);
    }
}

#[tokio::test]
async fn large_heads_are_refused() {
    let stage = plain(answering(&[&ok(b"hello")]));
    let long = "a".repeat(40 << 10);
    let (status, _) = stage.refused(request("GET", URL, &[("x-a", &long), ("x-b", &long)], &[])).await;
    assert_eq!(status, 431);
    let many: Vec<(String, String)> =
        (0..101).map(|number| (format!("x-{number}"), "a".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(stage.refused(request("GET", URL, &many, &[])).await.0, 431);
}

#[tokio::test]
async fn large_answers_are_cut_off() {
    let limits = EgressLimits { response_bytes: 100_000, ..EgressLimits::default() };
    let piece = vec![b'a'; 60_000];
    let stage = limited(limits, answering(&[b"HTTP/1.1 200 OK\r\n\r\n", &piece, &piece, &piece]));
    let got = stage.fetch(get(URL)).await;
    assert!(got.broken && got.status == 200 && got.body.len() <= 100_000, "{}", got.body.len());
    let (level, line) = stage.log().pop().unwrap();
    assert!(level == LogLevel::Warn && line.contains("then it was too large"), "{line}");
}

#[tokio::test]
async fn a_large_answer_is_never_held_as_a_whole() {
    let piece = vec![b'a'; 1 << 20];
    let mut pieces: Vec<&[u8]> = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 33554432\r\n\r\n"];
    pieces.extend(std::iter::repeat_n(piece.as_slice(), 32));
    let stage = plain(answering(&pieces));
    let mut body = stage.begin(get(URL)).await.into_body();
    let (mut total, mut largest) = (0, 0);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.unwrap();
        (total, largest) = (total + chunk.len(), largest.max(chunk.len()));
    }
    assert_eq!(total, 32 << 20);
    assert!(largest <= 64 << 10, "{largest}");
}

#[tokio::test]
async fn everything_slow_ends_by_the_clock() {
    let seconds = |seconds| [Duration::from_secs(seconds)];
    // The head never comes.
    let stage = plain(answering(&[HANG]));
    let got = stage.while_waiting(stage.fetch(get(URL)), &seconds(31)).await;
    assert_eq!((got.status, got.own()), (504, Some("failed")), "{}", got.text());
    // It comes in drops.
    let stage = plain(answering(&[b"HTTP/1.1 200 OK\r\n", b"x-a: ", HANG]));
    assert_eq!(stage.while_waiting(stage.fetch(get(URL)), &seconds(31)).await.status, 504);
    // The body never ends.
    let stage = plain(answering(&[b"HTTP/1.1 200 OK\r\n\r\nhello", HANG]));
    let got = stage.while_waiting(stage.fetch(get(URL)), &seconds(61)).await;
    assert!(got.broken && got.body == b"hello", "{}", got.text());
    assert!(stage.log().pop().unwrap().1.contains("then it took too long"));
    // The connection is never accepted: each address has its time.
    let stage = plain(answering(&[&ok(b"hello")]));
    stage.dns.set("api.example", &[&["9.9.9.9", "9.9.9.10"]]);
    stage.world.silent.lock().unwrap().push("9.9.9.9:80".parse().unwrap());
    let got = stage.while_waiting(stage.fetch(get(URL)), &seconds(6)).await;
    assert_eq!((got.status, stage.world.dialled().len()), (200, 2));
}

#[tokio::test]
async fn a_request_body_that_trickles_ends_by_the_clock() {
    let stage = plain(answering(&[&ok(b"hello")]));
    let mut trickle = request("POST", URL, &[("transfer-encoding", "chunked")], &[]);
    *trickle.body_mut() =
        stream::iter([Ok(bytes::Bytes::from_static(b"a"))]).chain(stream::pending()).boxed();
    let fetch = stage.egress.fetch(&stage.workload, trickle);
    // The refusal passes over the rest of the body, for ten seconds more.
    let response = stage.while_waiting(fetch, &[Duration::from_secs(31), Duration::from_secs(11)]).await;
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn a_refused_body_is_passed_over_before_the_answer() {
    let stage = plain(answering(&[&ok(b"hello")]));
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let mut refused = request("POST", "http://other.example/", &[("transfer-encoding", "chunked")], &[]);
    *refused.body_mut() = stream::repeat_with(move || {
        counted.fetch_add(1 << 10, std::sync::atomic::Ordering::Relaxed);
        Ok(bytes::Bytes::from(vec![0; 1 << 10]))
    })
    .boxed();
    assert_eq!(stage.refused(refused).await.0, 403);
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 1 << 20, "and no more than that");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_to_its_end_is_counted_and_logged() {
    let stage = plain(answering(&[b"HTTP/1.1 200 OK\r\n\r\nhello", HANG]));
    let mut response = stage.begin(get(URL)).await;
    assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "hello");
    drop(response);
    assert!(stage.log().pop().unwrap().1.contains("200, 0 bytes out, 5 bytes in"));
}
