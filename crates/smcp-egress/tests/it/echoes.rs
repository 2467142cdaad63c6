//! What an approved host sends back of a secret: every encoding of the list, however it is cut, is taken out.

use std::{io::Write as _, sync::Arc};

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use flate2::{Compression, write::GzEncoder};

use crate::{
    secrets::rules,
    stage::{Got, Stage, get, request, setup},
    upstream::{Handler, World, answering, authority, ok},
};

const SECRET: &str = "s3cr&t/<\"token' 0123";
const URL: &str = "https://api.example/query";

fn echoing(handler: Handler) -> Stage {
    let (root, tls) = authority(&["api.example"]);
    let mut setup = setup(rules(443));
    setup.root = Some(root);
    let stage = setup.build(World::new(handler, Some(tls)));
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage.secret("TOKEN", SECRET);
    stage
}

async fn fetch(handler: Handler) -> Got {
    echoing(handler).fetch(get(URL)).await
}

fn encodings() -> Vec<String> {
    let escaped = |each: &dyn Fn(char) -> String| SECRET.chars().map(each).collect::<String>();
    let json = serde_json::to_string(SECRET).unwrap();
    vec![
        SECRET.to_owned(),
        BASE64.encode(SECRET.as_bytes()),
        BASE64.encode(format!("a{SECRET}").as_bytes()),
        BASE64.encode(format!("ab{SECRET}b").as_bytes()),
        BASE64URL.encode(format!("ab{SECRET}bc").as_bytes()),
        HEXLOWER.encode(SECRET.as_bytes()),
        HEXUPPER.encode(SECRET.as_bytes()),
        escaped(&|char| format!("%{:02x}", u32::from(char))),
        escaped(&|char| format!("%{:02X}", u32::from(char))),
        escaped(&|char| format!("\\u{:04x}", u32::from(char))),
        json.clone(),
        json.replace('/', "\\/"),
        json.replace('<', "\\u003C").replace('&', "\\u0026"),
        "s3cr%26t%2F%3C%22token%27%200123".to_owned(),
        "s3cr%26t%2f%3c%22token%27+0123".to_owned(),
        "s3cr&amp;t/&lt;&quot;token&#39; 0123".to_owned(),
    ]
}

#[tokio::test]
async fn the_other_side_had_the_secret_and_the_code_gets_none_of_it() {
    let echo: Handler = Arc::new(|asked| {
        let line = asked.lines().next().unwrap().to_owned();
        vec![ok(format!("you asked {line}").as_bytes())]
    });
    let stage = echoing(echo);
    let got = stage.fetch(get(URL)).await;
    assert!(stage.world.requests()[0].contains("key=s3cr%26t%2F%3C%22token%27%200123"));
    assert_eq!(got.text(), "you asked GET /query?key=[redacted] HTTP/1.1");
}

#[tokio::test]
async fn every_encoding_in_a_body_whole_and_in_pieces() {
    for text in encodings() {
        let body = format!("before {text} after");
        for size in [1, 3, 16, body.len()] {
            let mut pieces =
                vec![format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes()];
            pieces.extend(body.as_bytes().chunks(size).map(<[u8]>::to_vec));
            let got = fetch(Arc::new(move |_| pieces.clone())).await;
            let seen = got.text();
            assert!(
                seen.contains("[redacted]") && seen.starts_with("before ") && seen.ends_with(" after"),
                "{text}: {seen}"
            );
            assert!(seen.len() <= "before [redacted] after".len() + 8, "{text}: {seen}");
            assert!(!got.headers.contains_key("content-length") && !got.broken);
        }
    }
}

#[tokio::test]
async fn headers_are_looked_through_too() {
    let hex = HEXLOWER.encode(SECRET.as_bytes());
    let answer = format!(
        "HTTP/1.1 302 {hex}\r\nlocation: https://evil.example/?k={hex}&a\r\nx-raw: {SECRET}\r\nx-{hex}: 1\r\nx-own: 1\r\n\
         content-length: 0\r\n\r\n"
    );
    let got = fetch(answering(&[answer.as_bytes()])).await;
    assert_eq!(got.status, 302);
    assert_eq!(got.headers["location"], "https://evil.example/?k=[redacted]&a");
    assert_eq!(got.headers["x-raw"], "[redacted]");
    assert_eq!((got.headers["x-own"].to_str().unwrap(), got.headers.len()), ("1", 3));
}

#[tokio::test]
async fn gzip_is_unpacked_and_other_encodings_are_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(format!("before {SECRET} after").as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let head = |coding: &str| format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\n\r\n").into_bytes();
    for coding in ["gzip", "X-GZIP", "identity, gzip"] {
        let mut pieces = vec![head(coding)];
        pieces.extend(packed.chunks(7).map(<[u8]>::to_vec));
        let got = fetch(Arc::new(move |_| pieces.clone())).await;
        if coding.contains(',') {
            assert_eq!((got.status, got.own()), (502, Some("failed")));
            continue;
        }
        assert_eq!((got.text().as_str(), got.broken), ("before [redacted] after", false));
        assert!(!got.headers.contains_key("content-encoding"));
    }
    for coding in ["br", "zstd", "deflate", "compress", "dcb", "gzip, gzip", "none"] {
        let got = fetch(answering(&[&head(coding), b"whatever"])).await;
        assert_eq!((got.status, got.own()), (502, Some("failed")), "{coding}");
        assert!(got.text().contains("cannot be looked through"), "{}", got.text());
    }
    let cut = fetch(answering(&[&head("gzip"), &packed[..packed.len() - 9]])).await;
    assert!(cut.broken);
    let lie = fetch(answering(&[&head("gzip"), SECRET.as_bytes()])).await;
    assert!(lie.broken && !lie.text().contains("s3cr"), "{}", lie.text());
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_off_where_a_large_answer_is() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..80 {
        encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let got = fetch(answering(&[b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", &bomb])).await;
    assert!(got.broken && got.body.len() <= 64 << 20, "{}", got.body.len());
}

#[tokio::test]
async fn an_answer_without_a_body_may_name_any_encoding() {
    let stage =
        echoing(answering(&[b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 7\r\n\r\n"]));
    let basic = "https://api.example/basic";
    let got = stage.fetch(request("HEAD", basic, &[], &[])).await;
    assert_eq!((got.status, got.body.len(), got.broken), (200, 0, false));
    let none = fetch(answering(&[b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n"])).await;
    assert_eq!((none.status, none.broken), (204, false));
}

#[tokio::test]
async fn without_a_secret_encodings_and_lengths_stay() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 5\r\n\r\nhello";
    let got = echoing(answering(&[answer])).fetch(get("https://api.example/free")).await;
    assert_eq!(
        (got.text().as_str(), &got.headers["content-encoding"], &got.headers["content-length"]),
        ("hello", &"br".parse().unwrap(), &"5".parse().unwrap())
    );
}
