//! Everything that is refused, and that nothing was dialled for it.

use std::{net::Ipv4Addr, sync::Arc};

use futures_util::FutureExt as _;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::json;
use smcp_core::ports::{LogLevel, Outbound as _, Purpose};
use smcp_egress::Own;

use crate::{
    stage::{Stage, get, plain, request, setup},
    upstream::{World, answering, ok},
};

fn world() -> World {
    World::new(answering(&[&ok(b"hello")]), None)
}

fn with(rules: serde_json::Value) -> Stage {
    let stage = setup(rules).build(world());
    stage.dns.set("api.example", &[&["9.9.9.9"]]);
    stage
}

#[tokio::test]
async fn without_a_rule_nothing_leaves_and_the_line_to_add_is_told() {
    let stage = with(json!({ "allow": [{ "host": "api.example", "methods": ["GET"] }] }));
    for (method, url, line) in [
        ("GET", "https://other.example/", "add \"other.example\" to egress.allow in smcp.toml"),
        ("GET", "https://sub.api.example/", "add \"sub.api.example\" to egress.allow in smcp.toml"),
        (
            "GET",
            "https://api.example:8443/",
            "add { host = \"api.example\", ports = [8443] } to egress.allow in smcp.toml",
        ),
        (
            "GET",
            "http://api.example/",
            "add { host = \"api.example\", ports = [80] } to egress.allow in smcp.toml",
        ),
        (
            "DELETE",
            "https://api.example/",
            "add \"DELETE\" to the methods of \"api.example\" in egress.allow in smcp.toml",
        ),
        ("GET", "http://api.example:443/", "use https for api.example: nothing reads plain http at port 443"),
        (
            "GET",
            "https://cloudflare-dns.com/dns-query?name=a",
            "add \"cloudflare-dns.com\" to egress.allow in smcp.toml",
        ),
    ] {
        let (status, text) = stage.refused(request(method, url, &[], &[])).await;
        assert_eq!((status, text.trim_end().ends_with(line)), (403, true), "{text}");
        let (level, logged) = stage.log().pop().unwrap();
        assert_eq!((level, logged.ends_with(line)), (LogLevel::Warn, true), "{logged}");
    }
    assert!(stage.dns.asked.lock().unwrap().is_empty(), "not even a name was looked up");
    let traffic = stage.egress.traffic(stage.workload.version.tenant, None);
    assert_eq!((traffic.requests, traffic.refused, traffic.bytes_out), (7, 7, 0));
}

#[tokio::test]
async fn tunnels_upgrades_and_echoing_methods_are_refused() {
    let stage = plain(answering(&[&ok(b"hello")]));
    for (method, url) in [
        ("CONNECT", "api.example:80"),
        ("CONNECT", "http://api.example/"),
        ("connect", "http://api.example/"),
        ("TRACE", "http://api.example/"),
        ("Trace", "http://api.example/"),
        ("TRACK", "http://api.example/"),
    ] {
        assert_eq!(stage.refused(request(method, url, &[], &[])).await.0, 403, "{method}");
    }
    for headers in [
        &[("upgrade", "websocket"), ("connection", "upgrade")][..],
        &[("upgrade", "h2c")],
        &[("connection", "keep-alive, Upgrade")],
    ] {
        let (status, text) = stage.refused(request("GET", "http://api.example/", headers, &[])).await;
        assert!(status == 403 && text.contains("upgrades"), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_plain_url_is_refused() {
    let stage = with(json!({ "allow": [{ "host": "api.example", "ports": [80, 443] }] }));
    for url in [
        "/relative",
        "*",
        "ftp://api.example/",
        "ws://api.example/",
        "file://api.example/etc/passwd",
        "https://user@api.example/",
        "https://api.example@evil.example/",
        "https://evil.example:80@api.example/",
        "https://api.example:/",
        "https://api.example:0/",
        "https://api.example:065/",
        "https://api.example:99999/",
        "https://api..example/",
        "https://[::1/",
    ] {
        let mut asked = get("http://placeholder.example/");
        let Ok(uri) = url.parse() else { continue };
        *asked.uri_mut() = uri;
        assert_eq!(stage.refused(asked).await.0, 403, "{url}");
    }
    // One final dot is the same name.
    assert_eq!(stage.fetch(get("http://API.Example./")).await.status, 200);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_whatever_the_address_looks_like() {
    let stage = with(json!({ "allow": [{ "host": "*.rebind.example", "ports": [80, 443] }] }));
    for (number, (address, kind)) in [
        ("127.0.0.1", "a loopback address"),
        ("127.9.9.9", "a loopback address"),
        ("0.0.0.0", "an unspecified address"),
        ("10.0.0.5", "a private address"),
        ("172.16.0.1", "a private address"),
        ("192.168.1.1", "a private address"),
        ("100.64.0.1", "an address behind a carrier's NAT"),
        ("169.254.169.254", "a metadata address"),
        ("169.254.1.1", "a link-local address"),
        ("168.63.129.16", "a metadata address"),
        ("192.0.2.1", "a documentation address"),
        ("198.18.0.1", "a benchmarking address"),
        ("224.0.0.1", "a multicast address"),
        ("240.0.0.1", "a reserved address"),
        ("255.255.255.255", "a broadcast address"),
        ("::1", "a loopback address"),
        ("::", "an unspecified address"),
        ("::ffff:127.0.0.1", "an address that embeds another one"),
        ("::ffff:9.9.9.9", "an address that embeds another one"),
        ("::127.0.0.1", "an address that embeds another one"),
        ("64:ff9b::7f00:1", "an address that embeds another one"),
        ("64:ff9b:1::a00:1", "an address that embeds another one"),
        ("2002:7f00:1::", "an address that embeds another one"),
        ("2001::7f00:1", "an address that embeds another one"),
        ("fd00:ec2::254", "a metadata address"),
        ("fd12::1", "a private address"),
        ("fe80::1", "a link-local address"),
        ("fec0::1", "a private address"),
        ("ff02::1", "a multicast address"),
        ("2001:db8::1", "a documentation address"),
        ("100::1", "a reserved address"),
    ]
    .into_iter()
    .enumerate()
    {
        let host = format!("n{number}.rebind.example");
        stage.dns.set(&host, &[&[address]]);
        for scheme in ["http", "https"] {
            let (status, text) = stage.refused(get(&format!("{scheme}://{host}/"))).await;
            assert!(status == 403 && text.contains(kind), "{address}: {text}");
        }
    }
}

#[tokio::test]
async fn literals_are_refused_unless_listed_and_public_or_permitted() {
    let hosts =
        ["9.9.9.9", "127.0.0.1", "10.0.0.5", "169.254.169.254", "[2620:fe::fe]", "[::1]", "[::ffff:9.9.9.9]"];
    let rules: Vec<_> = hosts.iter().map(|host| json!({ "host": host, "ports": [80] })).collect();
    let stage = setup(json!({ "allow": rules })).build(world());
    for (host, reached) in hosts.iter().zip([true, false, false, false, true, false, false]) {
        let asked = get(&format!("http://{host}/"));
        match reached {
            true => assert_eq!(stage.fetch(asked).await.status, 200, "{host}"),
            false => assert_eq!(stage.refused(asked).await.0, 403, "{host}"),
        }
    }
    assert_eq!(stage.world.dialled(), ["9.9.9.9:80", "[2620:fe::fe]:80"]);
    assert_eq!(stage.refused(get("http://8.8.8.8/")).await.0, 403);
    assert!(stage.dns.asked.lock().unwrap().is_empty());

    let mut permitted = setup(json!({ "allow": rules }));
    permitted.networks = vec!["10.0.0.0/24", "169.254.0.0/16", "::/0", "127.0.0.0/8"];
    let stage = permitted.build(world());
    for (host, reached) in hosts.iter().zip([true, true, true, false, true, true, false]) {
        let got = stage.fetch(get(&format!("http://{host}/"))).await;
        assert_eq!(got.status, if reached { 200 } else { 403 }, "{host} {}", got.text());
    }
}

#[tokio::test]
async fn of_mixed_answers_only_public_ones_are_dialled() {
    let stage = with(json!({ "allow": [{ "host": "api.example", "ports": [80] }] }));
    stage.dns.set("api.example", &[&["10.0.0.1", "::1", "9.9.9.9", "169.254.169.254", "2620:fe::fe"]]);
    stage.world.down.lock().unwrap().push("9.9.9.9:80".parse().unwrap());
    assert_eq!(stage.fetch(get("http://api.example/")).await.status, 200);
    assert_eq!(stage.world.dialled(), ["9.9.9.9:80", "[2620:fe::fe]:80"]);
}

#[tokio::test]
async fn rebinding_finds_the_address_that_was_checked() {
    let stage = plain(answering(&[&ok(b"hello")]));
    stage.dns.set("api.example", &[&["9.9.9.9"], &["127.0.0.1"]]);
    assert_eq!(stage.fetch(get("http://api.example/")).await.status, 200);
    assert_eq!(stage.world.dialled(), ["9.9.9.9:80"]);
    assert_eq!(stage.dns.asked.lock().unwrap().len(), 1, "looked up once");
    // Within its time the first answer stays; after it the second one is judged afresh.
    assert_eq!(stage.fetch(get("http://api.example/")).await.status, 200);
    stage.clock.advance(std::time::Duration::from_secs(6));
    assert_eq!(stage.refused(get("http://api.example/")).await.0, 403);
    assert_eq!(stage.world.dialled(), ["9.9.9.9:80", "9.9.9.9:80"]);
}

#[tokio::test]
async fn redirects_come_back_and_each_hop_is_judged() {
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
    let stage = plain(answering(&[redirect]));
    let got = stage.fetch(get("http://api.example/")).await;
    assert_eq!((got.status, got.own()), (302, None));
    assert_eq!(stage.world.dialled().len(), 1);
    let hop = got.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(stage.refused(get(&hop)).await.0, 403);
}

#[tokio::test]
async fn the_platform_itself_is_out_of_reach() {
    let mut setup = setup(json!({ "allow": [
        { "host": "mcp.example", "ports": [443, 8787] }, { "host": "*.tenants.example" },
        { "host": "local.example", "ports": [80, 8787] }, { "host": "public.example", "ports": [8787] },
        { "host": "ten.example", "ports": [80] }, { "host": "other.example", "ports": [80, 8787] },
    ] }));
    setup.networks = vec!["127.0.0.0/8", "10.0.0.0/8"];
    setup.own = Own {
        listeners: vec!["0.0.0.0:8787".parse().unwrap(), "10.0.0.9:80".parse().unwrap()],
        names: vec!["mcp.example".to_owned(), "*.Tenants.example".to_owned()],
    };
    let stage = setup.build(world());
    stage.world.own.lock().unwrap().push("9.9.9.10".parse().unwrap());
    for (host, addresses) in [
        ("mcp.example", &["9.9.9.9"][..]),
        ("acme.tenants.example", &["9.9.9.9"]),
        ("local.example", &["127.0.0.1"]),
        ("public.example", &["9.9.9.10"]),
        ("ten.example", &["10.0.0.9"]),
        ("other.example", &["10.0.0.10"]),
    ] {
        stage.dns.set(host, &[addresses]);
    }
    for url in [
        "https://mcp.example/",
        "http://MCP.example.:8787/",
        "https://acme.tenants.example/",
        "http://local.example:8787/",
        "http://public.example:8787/",
        "http://ten.example/",
    ] {
        let (_, text) = stage.refused(get(url)).await;
        assert!(text.contains("this platform"), "{url}: {text}");
    }
    for url in ["http://local.example/", "http://other.example:8787/", "http://other.example/"] {
        assert_eq!(stage.fetch(get(url)).await.status, 200, "{url}");
    }
}

#[tokio::test]
async fn a_trial_has_no_way_out() {
    let mut setup = setup(json!({ "allow": [{ "host": "api.example" }] }));
    setup.purpose = Purpose::Trial;
    let stage = setup.build(world());
    let (status, text) = stage.refused(get("https://api.example/")).await;
    assert!(status == 403 && text.contains("tried"), "{text}");
}

fn spelled() -> impl Strategy<Value = String> {
    let forms: Vec<fn(u32) -> String> = vec![
        |n| format!("{n}"),
        |n| format!("0{n:o}"),
        |n| format!("0000{n:o}"),
        |n| format!("0x{n:x}"),
        |n| format!("0X{n:X}"),
        |n| format!("{n}.").replace('.', "%2e").trim_end_matches("%2e").to_owned(),
    ];
    let private = prop_oneof![
        Just(Ipv4Addr::LOCALHOST),
        Just(Ipv4Addr::new(169, 254, 169, 254)),
        Just(Ipv4Addr::new(10, 1, 2, 3)),
        any::<[u8; 3]>().prop_map(|[a, b, c]| Ipv4Addr::new(127, a, b, c)),
        any::<[u8; 2]>().prop_map(|[a, b]| Ipv4Addr::new(192, 168, a, b)),
    ];
    let parts = (1usize..=4, prop::collection::vec(prop::sample::select(forms), 4));
    let wraps = prop::sample::select(vec![
        "{}",
        "{}.",
        "[::ffff:{}]",
        "[::{}]",
        "[64:ff9b::{}]",
        "user@{}",
        "[::ffff:{}%251]",
    ]);
    (private, parts, wraps).prop_map(|(address, (count, forms), wrap)| {
        let bits = u32::from(address);
        let mut pieces: Vec<u32> =
            address.octets()[..count - 1].iter().map(|octet| u32::from(*octet)).collect();
        pieces.push(bits & (u32::MAX >> (8 * (count - 1))));
        let text: Vec<String> = pieces.iter().zip(&forms).map(|(piece, form)| form(*piece)).collect();
        wrap.replace("{}", &text.join("."))
    })
}

proptest! {
    /// No spelling of a forbidden literal gets out, even where the rules list the literal itself and every name there is.
    #[test]
    fn no_spelling_of_a_forbidden_literal_passes(host in spelled(), scheme in "https?", port in "(:80|:443)?") {
        let Ok(uri) = format!("{scheme}://{host}{port}/").parse::<http::Uri>() else { return Ok(()) };
        let stage = with(json!({ "allow": [
            { "host": "127.0.0.1", "ports": [80, 443] }, { "host": "169.254.169.254", "ports": [80, 443] },
            { "host": "10.1.2.3", "ports": [80, 443] }, { "host": "*.168.example", "ports": [80, 443] },
        ] }));
        let mut asked = get("http://placeholder.example/");
        *asked.uri_mut() = uri;
        let (status, _) = stage.refused(asked).now_or_never().unwrap();
        prop_assert_eq!(status, 403);
        prop_assert!(stage.dns.asked.lock().unwrap().is_empty());
        prop_assert_eq!(Arc::strong_count(&stage.egress), 1);
    }
}
