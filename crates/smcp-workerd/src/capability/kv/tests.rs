//! The binding's protocol as workerd was seen to speak it, and as hostile code would like to.

use futures_util::{StreamExt as _, stream};
use http::Request;
use hyper::ext::ReasonPhrase;
use smcp_core::ports::{BindingService as _, HostedBody, Purpose};

use super::{KvService, METADATA};
use crate::capability::tests::{ONE, TWO, stores, workload};

/// Status, reason phrase, metadata header and body of an answer.
type Answer = (u16, String, String, String);

fn body(pieces: &[&str]) -> HostedBody {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(piece.as_bytes().to_vec().into())).collect();
    Box::pin(stream::iter(pieces))
}

async fn read(response: http::Response<HostedBody>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    let phrase =
        head.extensions.get::<ReasonPhrase>().map(|r| String::from_utf8_lossy(r.as_bytes()).into_owned());
    let metadata = head.headers.get(METADATA).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let text = String::from_utf8_lossy(&all).into_owned();
    (head.status.as_u16(), phrase.unwrap_or_default(), metadata.unwrap_or_default(), text)
}

struct Bench {
    service: KvService,
    one: std::sync::Arc<smcp_core::ports::Workload>,
}

impl Bench {
    async fn new() -> Self {
        Self { service: KvService::new(stores().await), one: workload(ONE, Purpose::Serving) }
    }

    async fn send(&self, method: &str, target: &str, request: HostedBody) -> Answer {
        let request = Request::builder().method(method).uri(target).body(request).unwrap();
        read(self.service.serve(&self.one, "n", request).await).await
    }

    async fn ask(&self, method: &str, target: &str) -> Answer {
        self.send(method, target, body(&[])).await
    }
}

#[tokio::test]
async fn values_go_in_and_out_with_their_metadata() {
    let bench = Bench::new().await;
    let put = Request::builder()
        .method("PUT")
        .uri("/a%2Fb%20key%3F%C3%BC?urlencoded=true&expiration_ttl=60")
        .header("CF-KV-Metadata", "{\"x\":\"ü\"}".as_bytes())
        .body(body(&["hel", "lo"]))
        .unwrap();
    assert_eq!(read(bench.service.serve(&bench.one, "n", put).await).await.0, 200);
    let (status, _, metadata, value) = bench.ask("GET", "/a%2fb%20key%3F%c3%bc?urlencoded=true").await;
    assert_eq!((status, metadata.as_str(), value.as_str()), (200, "{\"x\":\"ü\"}", "hello"));
    assert_eq!(bench.ask("GET", "/other").await.0, 404);
    assert_eq!(bench.ask("DELETE", "/a%2Fb%20key%3F%C3%BC?urlencoded=true").await.0, 200);
    assert_eq!(bench.ask("GET", "/a%2Fb%20key%3F%C3%BC?urlencoded=true").await.0, 404);
}

#[tokio::test]
async fn lists_and_bulk_gets_are_as_cloudflares() {
    let bench = Bench::new().await;
    for key in ["a", "a+b", "c"] {
        bench.send("PUT", &format!("/{key}"), body(&["{\"v\":1}"])).await;
    }
    let (_, _, _, page) = bench.ask("GET", "/?key_count_limit=1&prefix=a").await;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!((&page["keys"], &page["list_complete"]), (&serde_json::json!([{"name": "a"}]), &false.into()));
    let next = format!("/?prefix=a&cursor={}", page["cursor"].as_str().unwrap());
    assert_eq!(bench.ask("GET", &next).await.3, r#"{"keys":[{"name":"a+b"}],"list_complete":true}"#);
    let bulk = async |request: &str| bench.send("POST", "/bulk/get", body(&[request])).await;
    assert_eq!(bulk(r#"{"keys":["a","x"]}"#).await.3, r#"{"a":"{\"v\":1}","x":null}"#);
    let with = bulk(r#"{"keys":["a","a"],"type":"json","withMetadata":true,"cacheTtl":"90"}"#).await.3;
    let with: serde_json::Value = serde_json::from_str(&with).unwrap();
    assert_eq!(with, serde_json::json!({"a": {"metadata": null, "value": {"v": 1}}}));
    for (bad, told) in [
        (r#"{"keys":["c"],"cacheTtl":"29"}"#, "Invalid cache_ttl of 29. Cache TTL must be at least 30."),
        (r#"{"keys":["c"],"cacheTtl":7}"#, "Invalid cache_ttl of 7. Cache TTL must be at least 30."),
        (r#"{"keys":["c"],"type":"x"}"#, "\"x\" is not a valid type. Use \"json\" or \"text\""),
    ] {
        let (status, phrase, ..) = bulk(bad).await;
        assert_eq!((status, phrase.as_str()), (400, told), "{bad}");
    }
    for bad in [r#"{"keys":[]}"#, r#"{"keys":["a"],"type":"stream"}"#, "[", r#"{"keys":["."]}"#] {
        assert_eq!(bulk(bad).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn hostile_targets_and_bodies_are_refused_with_a_reason() {
    let bench = Bench::new().await;
    for target in [
        "/%",
        "/%2",
        "/%zz",
        "/%ff",
        "/%00%ff",
        "/a/b",
        "/.",
        "/%2e%2E",
        "/?cursor=%",
        "/?key_count_limit=-1",
    ] {
        assert_eq!(bench.ask("GET", target).await.0, 400, "{target}");
    }
    for target in ["/k?expiration=x", "/k?expiration_ttl=59", "/k?expiration_ttl=99999999999999999999", "/"] {
        let status = bench.send("PUT", target, body(&["v"])).await.0;
        assert_eq!(status, 400, "{target}");
    }
    let long = format!("/{}", "k".repeat(513));
    let (status, phrase, ..) = bench.send("PUT", &long, body(&["v"])).await;
    assert_eq!(
        (status, phrase.as_str()),
        (414, "UTF-8 encoded length of 513 exceeds key length limit of 512.")
    );
    for (length, pieces) in [("9", ["ab"]), ("1", ["ab"])] {
        let lying = Request::put("/k").header("content-length", length).body(body(&pieces)).unwrap();
        assert_eq!(bench.service.serve(&bench.one, "n", lying).await.status(), 400);
    }
    let huge = Request::put("/k").header("content-length", "26214401").body(body(&[])).unwrap();
    let (status, phrase, ..) = read(bench.service.serve(&bench.one, "n", huge).await).await;
    assert_eq!((status, phrase.as_str()), (413, "Value length of 26214401 exceeds limit of 26214400."));
    for (target, told) in [
        ("/k?cache_ttl=29", "Invalid cache_ttl of 29. Cache TTL must be at least 30."),
        ("/k?cache_ttl=x", "Invalid cache_ttl of x. Cache TTL must be at least 30."),
        ("/%2e", "Illegal key name \".\". Please use a different name."),
        ("/%ff", "Could not URL-decode key name"),
    ] {
        let (status, phrase, ..) = bench.ask("GET", target).await;
        assert_eq!((status, phrase.as_str()), (400, told));
    }
    assert_eq!(
        bench.ask("GET", "/k?cache_ttl=30").await.0,
        404,
        "nothing is cached, and that may be asked for"
    );
    let prefix = format!("/?prefix={}", "k".repeat(513));
    assert_eq!(bench.ask("GET", &prefix).await.0, 414);
    assert_eq!(bench.ask("PATCH", "/k").await.0, 405);
    assert_eq!(bench.ask("GET", "/k").await.0, 404, "nothing of all this was stored");
}

#[tokio::test]
async fn nobody_sees_anothers_and_a_trial_sees_nothing() {
    let bench = Bench::new().await;
    bench.send("PUT", "/k", body(&["mine"])).await;
    let get = async |from: &std::sync::Arc<smcp_core::ports::Workload>, namespace| {
        let request = Request::get("/k").body(body(&[])).unwrap();
        read(bench.service.serve(from, namespace, request).await).await
    };
    let (other, trial) = (workload(TWO, Purpose::Serving), workload(ONE, Purpose::Trial));
    assert_eq!(get(&bench.one, "n").await.3, "mine");
    assert_eq!(
        (get(&other, "n").await.0, get(&bench.one, "m").await.0, get(&trial, "n").await.0),
        (404, 404, 404)
    );
    let put = Request::put("/k").body(body(&["trial's"])).unwrap();
    bench.service.serve(&trial, "n", put).await;
    assert_eq!((get(&trial, "n").await.3, get(&bench.one, "n").await.3), ("trial's".into(), "mine".into()));
    let next = workload(ONE, Purpose::Trial);
    assert_eq!(get(&next, "n").await.0, 404, "the next trial begins anew");
}

#[tokio::test]
async fn who_sends_slowly_holds_up_nobody() {
    let bench = Bench::new().await;
    let two = workload(TWO, Purpose::Serving);
    let slow = |_| {
        let never_ends = stream::iter([Ok(vec![0_u8; 10].into())]).chain(stream::pending());
        let request = Request::builder().method("PUT").uri("/slow").body(Box::pin(never_ends) as HostedBody);
        bench.service.serve(&bench.one, "n", request.unwrap())
    };
    let mut waiting: Vec<_> = (0..64).map(slow).map(Box::pin).collect();
    for put in &mut waiting {
        assert!(futures_util::FutureExt::now_or_never(put).is_none(), "its value is still to come");
    }
    assert_eq!(bench.ask("GET", "/other").await.0, 404, "the same tenant is served");
    let request = Request::builder().method("GET").uri("/other").body(body(&[])).unwrap();
    assert_eq!(bench.service.serve(&two, "n", request).await.status(), 404, "and so is another");
}

#[tokio::test]
async fn values_that_nobody_takes_fill_the_tenants_room_alone() {
    let bench = Bench::new().await;
    let two = workload(TWO, Purpose::Serving);
    let large = || -> HostedBody { Box::pin(stream::iter([Ok(vec![b'x'; 24 << 20].into())])) };
    assert_eq!(bench.send("PUT", "/large", large()).await.0, 200);
    let get = || Request::builder().method("GET").uri("/large").body(body(&[])).unwrap();
    let mut untaken = Vec::new();
    for _ in 0..2 {
        let answer = bench.service.serve(&bench.one, "n", get()).await;
        assert_eq!(answer.status(), 200);
        untaken.push(answer);
    }
    let (status, phrase, ..) = bench.ask("GET", "/large").await;
    assert!(status == 507 && phrase.contains("fills the room"), "{status} {phrase}");
    assert_eq!(bench.service.serve(&two, "n", get()).await.status(), 404, "another tenant has its own");
    untaken.clear();
    assert_eq!(bench.ask("GET", "/large").await.0, 200);
}
