//! The rules of egress: what they take, what they match, and that no other spelling of an address gets past them.

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::net::Ipv4Addr;

use super::*;

fn rules(allow: &[(&str, &[u16], &[&str])]) -> EgressRules {
    let rule = |(host, ports, methods): &(&str, &[u16], &[&str])| EgressRule {
        host: (*host).to_owned(),
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        ports: ports.to_vec(),
    };
    EgressRules { allow: allow.iter().map(rule).collect(), inject: Vec::new() }
}

fn inject(host: &str, prefix: &str, name: &str) -> InjectRule {
    InjectRule {
        host: host.to_owned(),
        into: Injection::Header { format: "Bearer {}".to_owned(), name: name.to_owned() },
        methods: Vec::new(),
        path_prefix: prefix.to_owned(),
        port: 443,
        secret: "TOKEN".to_owned(),
    }
}

fn decide(rules: &EgressRules, method: &str, scheme: Scheme, host: &str, port: u16) -> Decision {
    let host = Host::parse(host).unwrap();
    rules.allows(&Outgoing { method, scheme, host: &host, port, path: "/" })
}

#[test]
fn hosts_have_one_spelling() {
    for (text, canonical) in [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM.", "api.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_bucket.example.com", "my_bucket.example.com"),
        ("localhost", "localhost"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:db8::7]", "[2001:db8::7]"),
        ("[::ffff:192.0.2.7]", "[::ffff:192.0.2.7]"),
    ] {
        assert_eq!(Host::parse(text).unwrap().as_str(), canonical, "{text}");
    }
    assert_eq!(Host::parse("127.0.0.1").unwrap().address(), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(Host::parse("127.0.0.1.example").unwrap().address(), None);
}

#[test]
fn other_spellings_are_no_hosts() {
    use HostError::{Address, International, Label, Length};
    for (text, why) in [
        ("", Length),
        (&*"a.".repeat(128), Length),
        (".", Label),
        ("a..b", Label),
        (".a", Label),
        ("a..", Label),
        ("-a.example", Label),
        ("a-.example", Label),
        ("a b", Label),
        ("a/b", Label),
        ("a@b", Label),
        ("a%2eb", Label),
        ("a\\b", Label),
        ("a#b", Label),
        ("*.example.com", Label),
        ("a\0", Label),
        (&*format!("{}.example", "a".repeat(64)), Label),
        ("bücher.example", International),
        ("127。0。0。1", International),
        ("１２７.0.0.1", International),
        ("ⓔxample.com", International),
        ("127.1", Address),
        ("127.0.1", Address),
        ("2130706433", Address),
        ("0x7f000001", Address),
        ("0X7F.1", Address),
        ("0x", Address),
        ("0177.0.0.1", Address),
        ("127.0.0.01", Address),
        ("127.0.0.1.", Address),
        ("127.0.0.1..", Label),
        ("127.0.0.256", Address),
        ("1.2.3.4.5", Address),
        ("example.1", Address),
        ("example.0x1", Address),
        ("::1", Address),
        ("[::1", Address),
        ("::1]", Address),
        ("[::1].", Address),
        ("[0:0:0:0:0:0:0:1]", Address),
        ("[::0001]", Address),
        ("[::FFFF:127.0.0.1]", Address),
        ("[::ffff:7f00:1]", Address),
        ("[fe80::1%eth0]", Address),
        ("[fe80::1%25eth0]", Address),
        ("[127.0.0.1]", Address),
        ("[v1.a]", Address),
        ("a:80", Address),
    ] {
        assert_eq!(Host::parse(text).map(|host| host.to_string()), Err(why), "{text}");
    }
}

#[test]
fn a_request_needs_host_port_and_method() {
    use Decision::{Allowed, Host as NoHost, Method, Plain, Port};
    use Scheme::{Http, Https};
    let rules = rules(&[
        ("api.example.com", &[], &[]),
        ("api.example.com", &[8443], &["GET"]),
        ("*.files.example", &[80, 443], &["GET", "PUT"]),
        ("192.0.2.7", &[443], &[]),
    ]);
    for (method, scheme, host, port, decision) in [
        ("GET", Https, "api.example.com", 443, Allowed),
        ("DELETE", Https, "API.example.com.", 443, Allowed),
        ("GET", Https, "api.example.com", 8443, Allowed),
        ("POST", Https, "api.example.com", 8443, Method),
        ("get", Https, "api.example.com", 8443, Method),
        ("GET", Http, "api.example.com", 80, Port),
        ("GET", Http, "api.example.com", 443, Plain),
        ("TRACE", Https, "api.example.com", 443, Method),
        ("connect", Https, "api.example.com", 443, Method),
        ("GET", Https, "example.com", 443, NoHost),
        ("GET", Https, "api.example.com.evil.test", 443, NoHost),
        ("GET", Https, "evil-api.example.com", 443, NoHost),
        ("GET", Http, "a.files.example", 80, Allowed),
        ("GET", Https, "a.b.files.example", 443, Allowed),
        ("POST", Https, "a.files.example", 443, Method),
        ("GET", Https, "files.example", 443, NoHost),
        ("GET", Https, "xfiles.example", 443, NoHost),
        ("GET", Https, "192.0.2.7", 443, Allowed),
        ("GET", Https, "192.0.2.8", 443, NoHost),
        ("GET", Https, "[::ffff:192.0.2.7]", 443, NoHost),
    ] {
        assert_eq!(decide(&rules, method, scheme, host, port), decision, "{method} {scheme} {host} {port}");
    }
    assert_eq!(decide(&EgressRules::default(), "GET", Https, "api.example.com", 443), NoHost);
}

#[test]
fn a_refusal_says_which_line_would_allow() {
    let host = Host::parse("api.example.com").unwrap();
    let advice = |decision: Decision, scheme, port| {
        let request = Outgoing { method: "DELETE", scheme, host: &host, port, path: "/" };
        decision.advice(&request).unwrap_or_default()
    };
    assert_eq!(
        advice(Decision::Host, Scheme::Https, 443),
        "add \"api.example.com\" to egress.allow in smcp.toml"
    );
    assert_eq!(
        advice(Decision::Port, Scheme::Http, 80),
        "add { host = \"api.example.com\", ports = [80] } to egress.allow in smcp.toml"
    );
    assert_eq!(
        advice(Decision::Method, Scheme::Https, 443),
        "add \"DELETE\" to the methods of \"api.example.com\" in egress.allow in smcp.toml"
    );
    assert_eq!(
        advice(Decision::Port, Scheme::Https, 25),
        "no rule of egress.allow lets requests out to port 25, where another protocol is spoken",
        "a line that a deploy would refuse is no advice"
    );
    assert_eq!(advice(Decision::Allowed, Scheme::Https, 443), "");
}

#[test]
fn secrets_go_to_the_very_place_of_the_rule() {
    let mut rules = rules(&[("*.example.com", &[443, 8443], &[])]);
    rules.inject = vec![
        inject("api.example.com", "/v1/", "authorization"),
        InjectRule { secret: "OTHER".to_owned(), ..inject("api.example.com", "/", "authorization") },
        InjectRule {
            methods: vec!["POST".to_owned()],
            into: Injection::Query { name: "key".to_owned() },
            secret: "KEY".to_owned(),
            ..inject("api.example.com", "/v1/", "x")
        },
    ];
    assert_eq!(rules.validate(), Ok(()));
    let secrets = |method: &str, scheme: Scheme, host: &str, port: u16, path: &str| {
        let host = Host::parse(host).unwrap();
        let found = rules.injections(&Outgoing { method, scheme, host: &host, port, path })?;
        Ok(found.into_iter().map(|rule| rule.secret.as_str()).collect::<Vec<_>>())
    };
    use Scheme::{Http, Https};
    for (method, scheme, host, port, path, expected) in [
        ("GET", Https, "api.example.com", 443, "/v1/a", &["TOKEN"][..]),
        ("POST", Https, "api.example.com", 443, "/v1/a", &["TOKEN", "KEY"]),
        ("GET", Https, "api.example.com", 443, "/v2/a", &["OTHER"]),
        ("GET", Https, "api.example.com", 443, "/v1", &["OTHER"]),
        ("GET", Https, "api.example.com", 443, "//v1/a", &["OTHER"]),
        ("GET", Https, "api.example.com", 443, "/V1/a", &["OTHER"]),
        ("GET", Http, "api.example.com", 443, "/v1/a", &[]),
        ("GET", Https, "api.example.com", 8443, "/v1/a", &[]),
        ("GET", Https, "x.example.com", 443, "/v1/a", &[]),
        ("GET", Https, "a.api.example.com", 443, "/v1/a", &[]),
    ] {
        assert_eq!(secrets(method, scheme, host, port, path), Ok(expected.to_vec()), "{host}:{port}{path}");
    }
    for trick in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1//a", "/v1/a\\b", "/v1/..%2fadmin"] {
        assert_eq!(secrets("GET", Https, "api.example.com", 443, trick), Err(PathError), "{trick}");
    }
}

#[test]
fn what_is_no_rule() {
    let broken = |rules: EgressRules| rules.validate().map_err(|broken| broken.path);
    for host in [
        "*",
        "*.com",
        "*.*.example.com",
        "a.*.com",
        "*example.com",
        "*.192.0.2.7",
        "https://example.com",
        "example.com/a",
        "example.com:80",
        "user@example.com",
        "Example.com",
        "example.com.",
        "010.0.0.1",
        "[::1%1]",
        "",
    ] {
        assert_eq!(broken(rules(&[(host, &[], &[])])), Err("egress.allow[0].host".to_owned()), "{host}");
    }
    for ports in [&[0][..], &[25], &[443, 80], &[443, 443]] {
        assert_eq!(
            broken(rules(&[("a.example", ports, &[])])),
            Err("egress.allow[0].ports".to_owned()),
            "{ports:?}"
        );
    }
    for methods in [&["get"][..], &["CONNECT"], &["TRACE"], &["PUT", "GET"], &[""], &["G T"]] {
        assert_eq!(
            broken(rules(&[("a.example", &[], methods)])),
            Err("egress.allow[0].methods".to_owned()),
            "{methods:?}"
        );
    }
    assert_eq!(broken(rules(&[("a.example", &[][..], &[][..]); 65])), Err("egress.allow".to_owned()));
}

#[test]
fn what_is_no_injection() {
    let broken = |rule: InjectRule| {
        let mut rules = rules(&[("*.example.com", &[], &[]), ("192.0.2.7", &[], &[])]);
        rules.inject = vec![rule];
        rules.validate().map_err(|broken| broken.path)
    };
    let good = inject("api.example.com", "/v1/", "authorization");
    assert_eq!(broken(good.clone()), Ok(()));
    for host in ["*.example.com", "192.0.2.7", "other.test", "API.example.com"] {
        let path = "egress.inject[0].host".to_owned();
        assert_eq!(broken(inject(host, "/", "authorization")), Err(path), "{host}");
    }
    for prefix in ["", "v1", "/v1/../a", "//", "/a%20b", "/a?b", "/a\\b", "/ü"] {
        let path = "egress.inject[0].path_prefix".to_owned();
        assert_eq!(broken(inject("api.example.com", prefix, "authorization")), Err(path), "{prefix}");
    }
    for name in ["host", "Authorization", "content-length", "x-smcp-a", "cf-ray", "a b", "", "range", "a:b"] {
        let path = "egress.inject[0].into".to_owned();
        assert_eq!(broken(inject("api.example.com", "/", name)), Err(path), "{name}");
    }
    for format in ["", "Bearer", "{}{}", "Bearer {}\r\nx: y", " {}", "Bearer {} "] {
        let into = Injection::Header { format: format.to_owned(), name: "authorization".to_owned() };
        let path = "egress.inject[0].into".to_owned();
        assert_eq!(broken(InjectRule { into, ..good.clone() }), Err(path), "{format}");
    }
    let into = Injection::Basic { user: "a:b".to_owned() };
    assert!(broken(InjectRule { into, ..good.clone() }).is_err());
    let into = Injection::Query { name: "a&b".to_owned() };
    assert!(broken(InjectRule { into, ..good.clone() }).is_err());
    assert!(broken(InjectRule { secret: "a-b".to_owned(), ..good.clone() }).is_err());
    assert!(broken(InjectRule { port: 8443, ..good }).is_err());
}

#[test]
fn authors_may_write_otherwise() {
    let mut written = rules(&[("*.Example.com.", &[443, 80, 443], &["put", "GET"])]);
    written.inject = vec![inject("API.example.com", "/", "Authorization")];
    let canonical = written.canonical();
    assert_eq!(canonical.validate(), Ok(()));
    let json = serde_json::to_string(&canonical).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"allow":[{"host":"*.example.com","methods":["GET","PUT"],"ports":[80,443]}],"#,
            r#""inject":[{"host":"api.example.com","into":{"header":{"format":"Bearer {}","name":"authorization"}},"#,
            r#""path_prefix":"/","port":443,"secret":"TOKEN"}]}"#
        )
    );
    assert_eq!(serde_json::from_str::<EgressRules>(&json).unwrap(), canonical);
    assert_eq!(serde_json::to_string(&EgressRules::default()).unwrap(), "{}");
    for unknown in [
        r#"{"deny":[]}"#,
        r#"{"allow":[{"host":"a","scheme":"http"}]}"#,
        r#"{"inject":[{"host":"a","into":{"header":{"format":"{}","name":"a","x":1}},"path_prefix":"/","port":1,"secret":"A"}]}"#,
    ] {
        assert!(serde_json::from_str::<EgressRules>(unknown).is_err(), "{unknown}");
    }
}

/// One part of an IPv4 address as lenient parsers read it.
fn part() -> impl Strategy<Value = fn(u32) -> String> {
    prop_oneof![
        Just((|n| format!("{n}")) as fn(u32) -> String),
        Just((|n| format!("0{n:o}")) as fn(u32) -> String),
        Just((|n| format!("000{n:o}")) as fn(u32) -> String),
        Just((|n| format!("0x{n:x}")) as fn(u32) -> String),
        Just((|n| format!("0X{n:02X}")) as fn(u32) -> String),
        Just((|n| format!("0x0000{n:X}")) as fn(u32) -> String),
    ]
}

proptest! {
    /// Whatever spelling of an address a URL has, it is that address in full or no host at all, so `*.` and names of
    /// rules never meet one.
    #[test]
    fn no_spelling_of_an_address_is_a_name(
        bits: u32, parts in 1usize..=4, form in prop::collection::vec(part(), 4), dot: bool
    ) {
        let mut pieces: Vec<u32> = bits.to_be_bytes()[..parts - 1].iter().map(|byte| u32::from(*byte)).collect();
        pieces.push(bits & (u32::MAX >> (8 * (parts - 1))));
        let text: Vec<String> = pieces.iter().zip(&form).map(|(piece, form)| form(*piece)).collect();
        let text = format!("{}{}", text.join("."), if dot { "." } else { "" });
        match Host::parse(&text) {
            Ok(host) => {
                prop_assert_eq!(host.address(), Some(Ipv4Addr::from(bits).into()));
                prop_assert_eq!(host.as_str(), text);
            }
            Err(why) => prop_assert_eq!(why, HostError::Address),
        }
    }

    #[test]
    fn canonical_hosts_stay_as_they_are(text in "[a-zA-Z0-9.:\\[\\]%_-]{0,40}") {
        if let Ok(host) = Host::parse(&text) {
            prop_assert_eq!(Host::parse(host.as_str()), Ok(host.clone()));
            prop_assert!(host.as_str().eq_ignore_ascii_case(text.strip_suffix('.').unwrap_or(&text)));
        }
    }
}
