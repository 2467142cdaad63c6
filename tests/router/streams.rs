//! Streams: chunk by chunk, never open-ended, cancelled on 2026-07-28 alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::Method;
use serde_json::json;
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{MCP, PAST_EVERY_TIMEOUT, World, call_add, calling_add, modern};
use smcp_types::{Error, Refusal};
use tokio::{sync::Notify, task::yield_now};

const PROGRESS: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n";
const DONE: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n";

fn headers<'a>(bearer: &'a str, revision: &'a str) -> [(&'a str, &'a str); 6] {
    let [version, method, name] = calling_add(revision);
    [("authorization", bearer), MCP[0], MCP[1], version, method, name]
}

#[tokio::test]
async fn events_pass_unchanged() {
    let whole = format!(": hello\nid: 1\n{PROGRESS}retry: 5\n{DONE}");
    let answer = whole.clone();
    let world = World::new(ScriptedIsolates::new(move |_| Scripted::events(answer.clone()))).await;
    // 2026-07-28 has no ids to come back with.
    let answer = world.mcp_with(&world.user, &calling_add("2026-07-28"), modern(call_add())).await;
    assert_eq!(answer.body, format!("{PROGRESS}{DONE}"));
    // On older revisions their ids are ours, whatever the hosted server's are; the rest is what it was.
    let legacy = String::from_utf8(world.mcp(&world.user, call_add()).await.body.to_vec()).unwrap();
    let (ids, rest): (Vec<&str>, Vec<&str>) = legacy.lines().partition(|line| line.starts_with("id: "));
    assert_eq!(rest.join("\n") + "\n", format!("{PROGRESS}retry: 5\n{DONE}"));
    assert!(ids.len() == 2 && ids[0] != ids[1] && ids[0].len() > 50, "{ids:?}");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_answered_with_an_error() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::events(PROGRESS).hanging())).await;
    let bearer = format!("Bearer {}", world.user);
    let headers = headers(&bearer, "2025-06-18");
    let opened = world.open(Method::POST, "/t/home/srv/mcp", &headers, call_add().to_string()).await;
    let mut body = opened.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.ends_with(PROGRESS.as_bytes()), "{first:?}");
    world.clock.advance(PAST_EVERY_TIMEOUT);
    let rest: Vec<Bytes> = body.map(Result::unwrap).collect().await;
    let text = String::from_utf8(rest.concat()).unwrap();
    let (id, data) = text.trim().split_once('\n').unwrap();
    assert!(id.starts_with("id: "));
    insta::assert_snapshot!(data, @r#"
    data: {"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"the hosted server did not answer within 60000 ms"}}
    "#);
}

#[tokio::test]
async fn a_stream_that_breaks_off_answers_what_is_open_and_nothing_else() {
    for (name, chunks, expected) in [
        (
            "cut off",
            vec![Ok(Bytes::from("data: {\"jso")), Err(Error::Hosted(Refusal::new("it crashed")))],
            true,
        ),
        ("ended early", vec![Ok(Bytes::from(PROGRESS))], true),
        (
            "answered, then cut off",
            vec![Ok(Bytes::from(DONE)), Err(Error::Hosted(Refusal::new("it crashed")))],
            false,
        ),
        // It is asked again, and says the same again and again.
        ("resumable, ended early", vec![Ok(Bytes::from(format!("id: 1\n{PROGRESS}")))], false),
    ] {
        let answer = Scripted { chunks, ..Scripted::events("") };
        let world = World::new(ScriptedIsolates::new(move |_| answer.clone())).await;
        let body = String::from_utf8(world.mcp(&world.user, call_add()).await.body.to_vec()).unwrap();
        assert_eq!(
            body.contains("\"id\":7,\"error\":{\"code\":-32603") || body.contains("-32603"),
            expected,
            "{name}: {body}"
        );
    }
}

/// A client goes away in the middle of a call: on 2026-07-28 that cancels it, on older revisions it does not.
#[tokio::test]
async fn disconnecting_cancels_on_2026_07_28_alone() {
    for (revision, cancels) in [("2025-06-18", false), ("2025-11-25", false), ("2026-07-28", true)] {
        let (go, gone) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (release, reached) = (go.clone(), gone.clone());
        let isolates = ScriptedIsolates::waiting(move |_| {
            let (release, reached) = (release.clone(), reached.clone());
            async move {
                release.notified().await;
                reached.store(true, Ordering::SeqCst);
                Ok(Scripted::events(DONE))
            }
            .boxed()
        });
        let world = World::new(isolates).await;
        let bearer = format!("Bearer {}", world.user);
        {
            let request = headers(&bearer, revision);
            let message = modern(call_add()).to_string();
            let call = world.open(Method::POST, "/t/home/srv/mcp", &request, message);
            let mut call = std::pin::pin!(call);
            while world.isolates.seen().is_empty() {
                assert!(futures_util::poll!(&mut call).is_pending());
                yield_now().await;
            }
        }
        go.notify_one();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(gone.load(Ordering::SeqCst), !cancels, "{revision}");
        assert_eq!(
            (world.isolates.finished(), world.isolates.cancelled()),
            (!cancels, cancels),
            "{revision}"
        );
    }
}

/// A body that comes too slowly is not waited for.
#[tokio::test]
async fn slow_bodies() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::events(DONE))).await;
    let bearer = format!("Bearer {}", world.user);
    let headers = headers(&bearer, "2025-06-18");
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"{")) });
    let body = Body::from_stream(first.chain(stream::pending()));
    let sending = world.send(Method::POST, "/t/home/srv/mcp", &headers, body);
    let mut sending = std::pin::pin!(sending);
    for _ in 0..10 {
        assert!(futures_util::poll!(&mut sending).is_pending());
        yield_now().await;
    }
    world.clock.advance(std::time::Duration::from_secs(31));
    assert_eq!(sending.await.status.as_u16(), 400);
    assert_eq!(world.isolates.seen().len(), 0);
}

#[tokio::test]
async fn a_get_stream_closes_upstream_with_the_client() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::events(PROGRESS).hanging())).await;
    let bearer = format!("Bearer {}", world.user);
    let opened = world.open(Method::GET, "/t/home/srv/mcp", &headers(&bearer, "2025-06-18"), "").await;
    assert_eq!((opened.status().as_u16(), world.isolates.cancelled()), (200, false));
    drop(opened);
    assert!(world.isolates.cancelled());
}

/// A stream ends with the credential that opened it: at its expiry, and when it is revoked.
#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let keys = "/api/v1/tenants/home/keys";
    for (expires, revoked) in [(true, false), (false, true), (false, false)] {
        let world = World::new(ScriptedIsolates::new(|_| Scripted::events(PROGRESS).hanging())).await;
        let now = world.platform.now().0;
        let mut new = json!({ "name": "k", "role": "mcp_user" });
        if expires {
            new["expires_at"] = json!(now + 60_000);
        }
        let made = world.api(Method::POST, keys, &world.admin, new).await.json();
        let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
        let opened = world.open(Method::GET, "/t/home/srv/mcp", &headers(&bearer, "2025-06-18"), "").await;
        let mut body = opened.into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), PROGRESS);
        assert!(futures_util::poll!(body.next()).is_pending());
        // Somebody else's key is nothing to this stream.
        world.new_key("home", "read_only").await;
        assert!(futures_util::poll!(body.next()).is_pending());
        if revoked {
            let path = format!("{keys}/{}", made["id"].as_str().unwrap());
            assert_eq!(world.api(Method::DELETE, &path, &world.admin, json!({})).await.status.as_u16(), 200);
        }
        world.clock.advance(std::time::Duration::from_secs(60));
        let next = futures_util::poll!(body.next());
        assert_eq!(matches!(next, std::task::Poll::Ready(None)), expires || revoked, "{next:?}");
    }
}
