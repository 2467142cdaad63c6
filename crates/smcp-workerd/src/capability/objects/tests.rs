//! The binding's protocol as workerd was seen to speak it, and as hostile code would like to.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use smcp_core::ports::{BindingService as _, HostedBody, Purpose, Workload};

use super::{METADATA_SIZE, ObjectsService, REQUEST};
use crate::capability::tests::{ONE, TWO, stores, workload};

struct Bench {
    service: ObjectsService,
    one: Arc<Workload>,
}

/// Status, code of the error, metadata, content.
type Answer = (u16, u64, Value, Vec<u8>);

async fn read(response: http::Response<HostedBody>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    let size = head.headers.get(METADATA_SIZE).map_or(all.len(), |v| v.to_str().unwrap().parse().unwrap());
    let content = all.split_off(size);
    let error =
        head.headers.get("cf-r2-error").map(|v| serde_json::from_slice::<Value>(v.as_bytes()).unwrap());
    let code = error.map_or(0, |error| error["v4code"].as_u64().unwrap());
    (head.status.as_u16(), code, serde_json::from_slice(&all).unwrap_or_default(), content)
}

impl Bench {
    async fn new() -> Self {
        Self { service: ObjectsService::new(stores().await), one: workload(ONE, Purpose::Serving) }
    }

    async fn get_as(&self, from: &Arc<Workload>, mut request: Value) -> Answer {
        request["version"] = 1.into();
        let empty: HostedBody = Box::pin(stream::empty());
        let request = http::Request::get("/").header(REQUEST, request.to_string()).body(empty).unwrap();
        read(self.service.serve(from, "b", request).await).await
    }

    async fn get(&self, request: Value) -> Answer {
        self.get_as(&self.one, request).await
    }

    async fn put(&self, mut request: Value, content: &[u8]) -> Answer {
        request["version"] = 1.into();
        let metadata = request.to_string();
        let (size, length) = (metadata.len(), metadata.len() + content.len());
        let pieces = [metadata.into_bytes(), content.to_vec()].concat();
        // Cut where nothing ends.
        let pieces: Vec<_> = pieces.chunks(1_000_003).map(|piece| Ok(piece.to_vec().into())).collect();
        self.raw(size, length, pieces).await
    }

    async fn raw(&self, size: usize, length: usize, pieces: Vec<smcp_types::Result<bytes::Bytes>>) -> Answer {
        let body: HostedBody = Box::pin(stream::iter(pieces));
        let request = http::Request::put("/").header(METADATA_SIZE, size).header("content-length", length);
        read(self.service.serve(&self.one, "b", request.body(body).unwrap()).await).await
    }
}

#[tokio::test]
async fn objects_go_in_and_out_whole_and_in_ranges() {
    let bench = Bench::new().await;
    let content: Vec<u8> = (0..2_500_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let put = json!({"method": "put", "object": "dir/x", "customFields": [{"k": "a", "v": "ü"}],
                     "httpFields": {"contentType": "text/plain"}});
    let (status, _, stored, _) = bench.put(put, &content).await;
    assert_eq!(
        (status, &stored["size"], &stored["checksums"]["0"]),
        (200, &json!("2500000"), &stored["etag"])
    );
    let (_, _, head, none) = bench.get(json!({"method": "head", "object": "dir/x"})).await;
    assert_eq!((&head, none.len()), (&stored, 0));
    assert_eq!(head["customFields"], json!([{"k": "a", "v": "ü"}]));
    assert_eq!(bench.get(json!({"method": "get", "object": "dir/x"})).await.3, content);
    for (range, from, to) in [
        (json!({"range": {"offset": "1", "length": "3"}}), 1, 4),
        (json!({"range": {"offset": "1048570", "length": "1048590"}}), 1_048_570, 2_097_160),
        (json!({"range": {"suffix": "5"}}), 2_499_995, 2_500_000),
        (json!({"range": {"offset": "2499999", "length": "99"}}), 2_499_999, 2_500_000),
        (json!({"rangeHeader": "bytes=2-4"}), 2, 5),
        (json!({"rangeHeader": "bytes=2-4,6-7"}), 0, 2_500_000),
    ] {
        let mut request = range.clone();
        (request["method"], request["object"]) = ("get".into(), "dir/x".into());
        let (_, _, metadata, got) = bench.get(request).await;
        assert!(got == content[from..to], "{range}");
        assert_eq!(metadata["range"], json!({"offset": from.to_string(), "length": (to - from).to_string()}));
    }
    let beyond = json!({"method": "get", "object": "dir/x", "range": {"offset": "2500001"}});
    assert_eq!(bench.get(beyond).await.1, 10039);
    assert_eq!(bench.put(json!({"method": "delete", "objects": ["dir/x", "none"]}), b"").await.0, 200);
    let (status, code, ..) = bench.get(json!({"method": "get", "object": "dir/x"})).await;
    assert_eq!((status, code), (404, 10007));
    assert_eq!(bench.put(json!({"method": "put", "object": "empty"}), b"").await.0, 200);
    assert_eq!(bench.get(json!({"method": "get", "object": "empty"})).await.3, b"");
    for range in [json!({"offset": "0"}), json!({"suffix": "1"})] {
        let of_nothing = json!({"method": "get", "object": "empty", "range": range});
        assert_eq!(bench.get(of_nothing).await.1, 10039, "no byte of it is there");
    }
}

#[tokio::test]
async fn conditions_and_checksums_are_kept() {
    let bench = Bench::new().await;
    let etag = "5d41402abc4b2a76b9719d911017c592";
    let only = |only_if: Value| json!({"method": "put", "object": "o", "onlyIf": only_if});
    let absent = || json!({"etagDoesNotMatch": [{"type": "wildcard"}]});
    assert_eq!(
        bench.put(only(json!({"etagMatches": [{"value": etag, "type": "strong"}]})), b"x").await.1,
        10031
    );
    assert_eq!(bench.put(only(absent()), b"hello").await.0, 200);
    assert_eq!(bench.put(only(absent()), b"other").await.1, 10031);
    let get = json!({"method": "get", "object": "o", "onlyIf": {"etagDoesNotMatch": [{"value": etag, "type": "weak"}]}});
    let (status, code, metadata, content) = bench.get(get).await;
    assert_eq!((status, code, metadata["etag"].as_str(), content.len()), (412, 10031, Some(etag), 0));
    let good = json!({"method": "put", "object": "o", "md5": "XUFAKrxLKna5cZ2REBfFkg==",
                      "sha1": "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"});
    assert_eq!(
        bench.put(good, b"hello").await.2["checksums"]["1"],
        "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
    );
    let bad = json!({"method": "put", "object": "o", "md5": "XUFAKrxLKna5cZ2REBfFkg=="});
    assert_eq!(bench.put(bad, b"hullo").await.1, 10037);
    assert_eq!(bench.get(json!({"method": "get", "object": "o"})).await.3, b"hello");
}

#[tokio::test]
async fn lists_fold_at_delimiters_and_go_on_at_cursors() {
    let bench = Bench::new().await;
    for key in ["a/1", "a/2", "b", "c/1", "d"] {
        bench.put(json!({"method": "put", "object": key}), b"v").await;
    }
    let names = |page: &Value| {
        let objects =
            page["objects"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap().to_owned());
        (objects.collect::<Vec<_>>().join(" "), page["delimitedPrefixes"].to_string())
    };
    let (_, _, page, _) = bench.get(json!({"method": "list", "delimiter": "/", "limit": 3})).await;
    assert_eq!(names(&page), ("b".into(), r#"["a/","c/"]"#.into()));
    let next = json!({"method": "list", "delimiter": "/", "cursor": page["cursor"]});
    assert_eq!(names(&bench.get(next).await.2), ("d".into(), "[]".into()));
    let after = json!({"method": "list", "prefix": "a/", "startAfter": "a/1"});
    assert_eq!(names(&bench.get(after).await.2), ("a/2".into(), "[]".into()));
    let other = workload(TWO, Purpose::Serving);
    let stolen = json!({"method": "list", "cursor": page["cursor"]});
    assert_eq!(bench.get_as(&other, stolen).await.0, 400);
    assert_eq!(names(&bench.get_as(&other, json!({"method": "list"})).await.2).0, "");
}

#[tokio::test]
async fn uploads_in_parts_become_one_object_once() {
    let bench = Bench::new().await;
    let create = bench.put(json!({"method": "createMultipartUpload", "object": "m"}), b"").await.2;
    let with = |method: &str| json!({"method": method, "object": "m", "uploadId": create["uploadId"]});
    let part = async |number: u32, content: &[u8]| {
        let mut request = with("uploadPart");
        request["partNumber"] = number.into();
        json!({"part": number, "etag": bench.put(request, content).await.2["etag"]})
    };
    let big = vec![7; 5 << 20];
    part(1, b"replaced").await;
    let parts = [part(1, &big).await, part(2, b"end").await];
    let mut complete = with("completeMultipartUpload");
    complete["parts"] = json!([parts[1], parts[0]]);
    assert_eq!(bench.put(complete.clone(), b"").await.1, 10025, "not in order");
    complete["parts"] = json!([parts[0], {"part": 2, "etag": parts[0]["etag"]}]);
    assert_eq!(bench.put(complete.clone(), b"").await.1, 10025, "the other's etag");
    let small = [parts[1].clone(), part(3, b"more").await];
    complete["parts"] = json!(small);
    assert_eq!(bench.put(complete.clone(), b"").await.1, 10011, "too small");
    complete["parts"] = json!(parts);
    let done = bench.put(complete.clone(), b"").await.2;
    assert!(done["etag"].as_str().unwrap().ends_with("-2"), "{done}");
    let content = bench.get(json!({"method": "get", "object": "m", "range": {"offset": "5242878"}})).await.3;
    assert_eq!(content, [&[7, 7], &b"end"[..]].concat());
    assert_eq!(bench.put(complete, b"").await.1, 10024, "it is over");
    assert_eq!(bench.put(with("abortMultipartUpload"), b"").await.0, 200);
    assert_eq!(bench.put(with("abortMultipartUpload"), b"").await.0, 200);
    assert_eq!(bench.get(json!({"method": "head", "object": "m"})).await.0, 200, "the object stays");
}

#[tokio::test]
async fn a_part_may_be_empty_when_it_is_the_last() {
    let bench = Bench::new().await;
    let create = bench.put(json!({"method": "createMultipartUpload", "object": "m"}), b"").await.2;
    let with = |method: &str| json!({"method": method, "object": "m", "uploadId": create["uploadId"]});
    let mut request = with("uploadPart");
    request["partNumber"] = 1.into();
    let etag = bench.put(request, b"").await.2["etag"].clone();
    let mut complete = with("completeMultipartUpload");
    complete["parts"] = json!([{"part": 1, "etag": etag}]);
    assert_eq!(bench.put(complete, b"").await.2["size"], "0");
    let (status, _, metadata, content) = bench.get(json!({"method": "get", "object": "m"})).await;
    assert_eq!((status, metadata["size"].as_str(), content.len()), (200, Some("0"), 0));
    assert_eq!(bench.put(json!({"method": "delete", "object": "m"}), b"").await.0, 200);
}

#[tokio::test]
async fn lies_about_sizes_and_names_are_refused() {
    let bench = Bench::new().await;
    let metadata = json!({"version": 1, "method": "put", "object": "o"}).to_string();
    let size = metadata.len();
    let pieces = || vec![Ok(metadata.clone().into_bytes().into()), Ok(bytes::Bytes::from_static(b"hello"))];
    for (size, length) in
        [(size, size + 4), (size, size + 6), (size + 3, size + 5), (1, size + 5), (size + 6, size + 5)]
    {
        assert_eq!(bench.raw(size, length, pieces()).await.0, 400, "{size} {length}");
    }
    assert_eq!(bench.raw(usize::MAX, size + 5, pieces()).await.0, 400);
    assert_eq!(bench.raw(size, usize::MAX, pieces()).await.0, 413, "no quota has so much");
    for key in [String::new(), "k".repeat(1025)] {
        assert_eq!(bench.put(json!({"method": "put", "object": key}), b"v").await.1, 10020);
    }
    for bad in [json!({"method": "put"}), json!({"method": "drop"}), json!([])] {
        let text = bad.to_string();
        assert_eq!(bench.raw(text.len(), text.len(), vec![Ok(text.into())]).await.0, 400);
    }
    let many = json!({"method": "delete", "objects": vec!["k"; 1001]});
    assert_eq!(bench.put(many, b"").await.0, 400);
    let large = json!({"method": "put", "object": "o", "customFields": [{"k": "k", "v": "v".repeat(8192)}]});
    assert_eq!(bench.put(large, b"v").await.1, 10012);
    let empty = json!({"method": "delete", "objects": ["k", ""]});
    assert_eq!(bench.put(empty, b"").await.1, 10020);
    for limit in [0, 1001] {
        assert_eq!(bench.get(json!({"method": "list", "limit": limit})).await.1, 10022);
    }
    assert_eq!(bench.get(json!({"method": "list", "cursor": ""})).await.0, 200);
    assert_eq!(bench.get(json!({"method": "list"})).await.2["objects"], json!([]), "nothing was stored");
}
