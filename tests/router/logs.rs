//! The logbook takes what it can keep, counts what it drops, never waits, and keeps secrets out of what it shows.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::{Value, json};
use smcp_core::{
    logbook::Logbook,
    ports::{Clock, LogLevel, LogLine, LogQuery, LogSink as _, LogSource, VersionRef},
    secrets::Secrets,
};
use smcp_testkit::{FakeClock, MemoryStores, Scripted, ScriptedIsolates};
use smcp_tests::router::World;
use smcp_types::{Digest, RequestId, ServerId, TenantId, TraceId, UnixMillis};

const LOGS: &str = "/api/v1/tenants/home/servers/srv/logs";
const SECRETS: &str = "/api/v1/tenants/home/servers/srv/secrets";

fn line(message: &str) -> LogLine {
    LogLine {
        at: UnixMillis(1),
        level: LogLevel::Info,
        source: LogSource::Server,
        request_id: None,
        trace_id: None,
        message: message.to_owned(),
    }
}

/// A server that prints without end is kept to a bound in bytes and in lines, and its log says what is missing.
#[tokio::test]
async fn a_flood_is_bounded_and_counted() {
    for (bytes, most) in [(8 << 10, 32), (1, 500)] {
        let stores = MemoryStores::stores();
        let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
        let (_, vault) = smcp_testkit::open_keys(&stores, &clock).await.unwrap();
        let secrets = Arc::new(Secrets::new(stores.secrets.clone(), vault));
        let book = Logbook::new(stores.logs.clone(), secrets, clock);
        let (tenant, server) = (TenantId::from_bytes([1; 16]), ServerId::from_bytes([2; 16]));
        let version = VersionRef { tenant, server, digest: Digest::from_bytes([3; 32]) };
        for n in 0..2_000 {
            book.append(&version, LogLine { at: UnixMillis(n), ..line(&"x".repeat(bytes)) });
        }
        book.flush().await.unwrap();
        let all = LogQuery::from_level(LogLevel::Debug);
        let kept = stores.logs.tail(tenant, server, all, 10_000).await.unwrap();
        assert_eq!(kept.len(), most + 1);
        let last = &kept[most].1.message;
        assert!(last.contains(&format!("{} lines were dropped", 2_000 - most)), "{last}");
    }
}

async fn world() -> (World, VersionRef) {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await;
    let get = async |path: &str| world.api(Method::GET, path, &world.root, json!({})).await.json();
    let tenant = get("/api/v1/tenants/home").await["id"].as_str().unwrap().parse().unwrap();
    let server = get("/api/v1/tenants/home/servers/srv").await;
    let digest = server["active_version"].as_str().unwrap().parse().unwrap();
    let server = server["id"].as_str().unwrap().parse().unwrap();
    (world, VersionRef { tenant, server, digest })
}

async fn set(world: &World, name: &str, value: &str) {
    let path = format!("{SECRETS}/{name}");
    let done = world.api(Method::POST, &path, &world.admin, json!({ "value": value })).await;
    assert_eq!(done.status.as_u16(), 200, "{done:?}");
}

/// What the log shows of a line that hosted code prints.
async fn shown(world: &World, version: &VersionRef, message: &str) -> String {
    world.logbook.append(version, line(message));
    let page = world.api(Method::GET, &format!("{LOGS}?limit=1"), &world.reader, json!({})).await.json();
    page["items"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn secrets_of_the_server_do_not_stand_in_its_log() {
    let (world, version) = world().await;
    let (token, other) = ("tok_9f8e7d6c5b4a", "pass/word=123456");
    assert_eq!(shown(&world, &version, token).await, token, "nobody's secret");
    set(&world, "TOKEN", token).await;
    set(&world, "PASSWORD", other).await;
    for (printed, expected) in [
        (format!("a {token} b {other} c"), "a [redacted] b [redacted] c"),
        ("dG9rXzlmOGU3ZDZjNWI0YQ==".to_owned(), "[redacted]"),
        ("746f6b5f39663865376436633562346100".to_owned(), "[redacted]00"),
        ("pass%2Fword%3D123456".to_owned(), "[redacted]"),
        ("nothing".to_owned(), "nothing"),
    ] {
        let shown = shown(&world, &version, &printed).await;
        assert!(shown.starts_with(expected), "{printed}: {shown}");
        assert!(!shown.contains(token) && !shown.contains(other), "{shown}");
    }
    // The platform's own lines about what the code did are looked through too.
    let url = format!("egress: GET https://api.example/{token}: 404");
    assert_eq!(shown(&world, &version, &url).await, "egress: GET https://api.example/[redacted]: 404");
    // A line that was cut off inside a secret.
    let cut = format!("{} {}", "x".repeat(2_000), &token[..12]);
    assert!(shown(&world, &version, &cut).await.ends_with("x [redacted]"));
}

#[tokio::test]
async fn an_old_value_is_still_taken_out_for_a_while_and_a_removed_one_is_gone() {
    let (world, version) = world().await;
    set(&world, "TOKEN", "first-value-1").await;
    assert_eq!(shown(&world, &version, "first-value-1").await, "[redacted]");
    set(&world, "TOKEN", "second-value-2").await;
    assert_eq!(shown(&world, &version, "first-value-1 second-value-2").await, "[redacted] [redacted]");
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(
        shown(&world, &version, "first-value-1").await,
        "[redacted]",
        "calls of a process that ends take their time"
    );
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(shown(&world, &version, "x").await, "x");
    assert_eq!(shown(&world, &version, "first-value-1 second-value-2").await, "first-value-1 [redacted]");
    let gone = world.api(Method::DELETE, &format!("{SECRETS}/TOKEN"), &world.admin, json!({})).await;
    assert_eq!(gone.status.as_u16(), 204);
    assert_eq!(shown(&world, &version, "second-value-2").await, "[redacted]");
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(shown(&world, &version, "x").await, "x");
    assert_eq!(shown(&world, &version, "second-value-2").await, "second-value-2");
}

#[tokio::test]
async fn what_cannot_be_looked_through_is_not_kept() {
    let (world, version) = world().await;
    set(&world, "LONG", &"0123456789abcdef".repeat(1_000)).await;
    let told = shown(&world, &version, "anything").await;
    assert!(told.starts_with("[smcp] this line is not kept: the secrets of this server have"), "{told}");
    set(&world, "LONG", "small-value").await;
    shown(&world, &version, "anything").await;
    world.clock.advance(Duration::from_secs(300));
    shown(&world, &version, "anything").await;
    for n in 0..15 {
        set(&world, "LONG", &format!("value-number-{n}")).await;
        assert_eq!(shown(&world, &version, &format!("value-number-{n}")).await, "[redacted]");
    }
    set(&world, "LONG", "other-value").await;
    let told = shown(&world, &version, "other-value").await;
    assert!(told.contains("change too often"), "{told}");
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(shown(&world, &version, "other-value").await, "[redacted]");
}

#[tokio::test]
async fn lines_are_found_by_their_request_and_by_their_trace() {
    let (world, version) = world().await;
    let (request, trace) = (RequestId::from_bytes([7; 16]), TraceId::from_bytes([9; 16]));
    world.logbook.append(&version, line("of nothing"));
    world.logbook.append(&version, LogLine { request_id: Some(request), ..line("of a call") });
    world.logbook.append(&version, LogLine { request_id: Some(request), trace_id: trace, ..line("of both") });
    let found = async |query: &str| -> Vec<Value> {
        let page = world.api(Method::GET, &format!("{LOGS}?{query}"), &world.reader, json!({})).await.json();
        page["items"].as_array().cloned().unwrap_or_else(|| panic!("{page}"))
    };
    assert_eq!(found("").await.len(), 3);
    assert_eq!(found(&format!("request={request}")).await.len(), 2);
    let both = found(&format!("trace={}", "09".repeat(16))).await;
    assert_eq!(both.len(), 1);
    assert_eq!(both[0]["request_id"], request.to_string());
    assert_eq!(both[0]["trace_id"], "09".repeat(16));
    assert_eq!(both[0]["version"], version.digest.to_string());
    for wrong in ["request=x", "trace=x", "trace=00000000000000000000000000000000"] {
        let answer = world.api(Method::GET, &format!("{LOGS}?{wrong}"), &world.reader, json!({})).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
    }
}
