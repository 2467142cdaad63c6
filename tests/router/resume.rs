//! Resuming: a client whose connection broke finds everything by `Last-Event-ID`, and nobody else finds any of it.

use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, MCP, World, call_add};

const DONE: &str = "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"done\":true}}\n\n";

fn progress(step: u32) -> String {
    let message =
        json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progress": step } });
    format!("data: {message}\n\n")
}

fn initialize(revision: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } })
}

/// What the test says as the hosted server.
type Feed = Box<dyn Fn(&str) + Send + Sync>;

/// A hosted server with sessions whose answer to a call the test writes.
async fn world(revision: &'static str) -> (World, Feed) {
    let (answer, feed) = Scripted::fed();
    let isolates = ScriptedIsolates::new(move |request| {
        if String::from_utf8_lossy(&request.body).contains("initialize") {
            let result = json!({ "jsonrpc": "2.0", "id": 1, "result": { "protocolVersion": revision,
                "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } } });
            return Scripted::json(result.to_string()).header("mcp-session-id", "inner");
        }
        answer.clone()
    });
    let send = move |text: &str| feed.unbounded_send(Ok(Bytes::from(text.to_owned()))).unwrap_or_default();
    (World::new(isolates).await, Box::new(send))
}

async fn session(world: &World, key: &str, revision: &str) -> String {
    world.mcp(key, initialize(revision)).await.header("mcp-session-id").to_owned()
}

/// Opens the answer to a call, or with an event id what comes after it.
async fn open(world: &World, key: &str, more: &[(&str, &str)]) -> http::Response<axum::body::Body> {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(MCP);
    headers.extend(more);
    let resumes = more.iter().any(|(name, _)| *name == "last-event-id");
    let method = if resumes { Method::GET } else { Method::POST };
    let body = if resumes { String::new() } else { call_add().to_string() };
    world.open(method, "/t/home/srv/mcp", &headers, body).await
}

async fn read(body: &mut BodyDataStream) -> String {
    String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap()
}

/// The id of the last event in a text.
fn last_id(text: &str) -> String {
    text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

fn without_ids(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("id: ")).map(|line| format!("{line}\n")).collect()
}

async fn rest(mut body: BodyDataStream) -> String {
    let mut text = String::new();
    while let Some(chunk) = body.next().await {
        text += std::str::from_utf8(&chunk.unwrap()).unwrap();
    }
    text
}

#[tokio::test]
async fn what_comes_while_the_client_is_away_is_found_again_and_then_it_goes_on() {
    let (world, feed) = world("2025-06-18").await;
    let id = session(&world, &world.user, "2025-06-18").await;
    let session = ("mcp-session-id", id.as_str());
    feed(&progress(1));
    let mut body = open(&world, &world.user, &[session]).await.into_body().into_data_stream();
    let seen = last_id(&read(&mut body).await);
    drop(body);
    feed(&progress(2));
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let resumed = open(&world, &world.user, &[session, ("last-event-id", &seen)]).await;
    assert_eq!(resumed.status().as_u16(), 200);
    let mut body = resumed.into_body().into_data_stream();
    assert_eq!(without_ids(&read(&mut body).await), progress(2));
    feed(&progress(3));
    assert_eq!(without_ids(&read(&mut body).await), progress(3));
    feed(DONE);
    drop(feed);
    assert_eq!(without_ids(&rest(body).await), DONE);
    // Again, now that nobody writes it any more: the same from the same place, as often as it likes.
    for _ in 0..2 {
        let again = open(&world, &world.user, &[session, ("last-event-id", &seen)]).await;
        let text = rest(again.into_body().into_data_stream()).await;
        assert_eq!(without_ids(&text), progress(2) + &progress(3) + DONE);
    }
    assert_eq!(world.isolates.seen().len(), 2, "the call was made once");
}

#[tokio::test]
async fn a_slow_call_becomes_a_stream_that_begins_with_an_id() {
    let (world, feed) = world("2025-11-25").await;
    let id = session(&world, &world.user, "2025-11-25").await;
    let session = ("mcp-session-id", id.as_str());
    let mut body = open(&world, &world.user, &[session]).await.into_body().into_data_stream();
    let primer = read(&mut body).await;
    assert_eq!(without_ids(&primer), "retry: 1000\ndata: \n\n");
    drop(body);
    feed(DONE);
    drop(feed);
    let resumed = open(&world, &world.user, &[session, ("last-event-id", &last_id(&primer))]).await;
    assert_eq!(without_ids(&rest(resumed.into_body().into_data_stream()).await), DONE);
}

#[tokio::test]
async fn nobody_else_finds_anything() {
    let (world, feed) = world("2025-06-18").await;
    let id = session(&world, &world.user, "2025-06-18").await;
    feed(&progress(1));
    let mut body = open(&world, &world.user, &[("mcp-session-id", &id)]).await.into_body().into_data_stream();
    let seen = last_id(&read(&mut body).await);
    let other = session(&world, &world.user, "2025-06-18").await;
    let stranger = world.new_key("home", "mcp_user").await;
    let theirs = session(&world, &stranger, "2025-06-18").await;
    let mut bent = seen.clone().into_bytes();
    bent[40] = if bent[40] == b'A' { b'B' } else { b'A' };
    let bent = String::from_utf8(bent).unwrap();
    for (key, session, event, status) in [
        (&world.user, Some(&other), seen.as_str(), 400),
        (&world.user, None, seen.as_str(), 400),
        (&stranger, Some(&theirs), seen.as_str(), 400),
        (&stranger, Some(&id), seen.as_str(), 404),
        (&world.user, Some(&id), bent.as_str(), 400),
        (&world.user, Some(&id), "7", 400),
        (&world.user, Some(&id), "", 400),
        (&world.user, Some(&id), seen.as_str(), 200),
    ] {
        let mut headers = vec![("last-event-id", event)];
        headers.extend(session.map(|id| ("mcp-session-id", id.as_str())));
        let answer = open(&world, key, &headers).await;
        assert_eq!(answer.status().as_u16(), status, "{session:?} {event}");
    }
    drop(feed);
}

#[tokio::test]
async fn a_kill_leaves_what_was_seen_and_a_word_about_the_rest() {
    let (world, feed) = world("2025-06-18").await;
    let id = session(&world, &world.user, "2025-06-18").await;
    feed(&progress(1));
    feed(&progress(2));
    let mut body = open(&world, &world.user, &[("mcp-session-id", &id)]).await.into_body().into_data_stream();
    let seen = last_id(&read(&mut body).await);
    let world = world.restarted().await;
    for _ in 0..2 {
        let headers = [("mcp-session-id", id.as_str()), ("last-event-id", seen.as_str())];
        let resumed = open(&world, &world.user, &headers).await;
        let text = without_ids(&rest(resumed.into_body().into_data_stream()).await);
        let (kept, word) = text.rsplit_once("data: ").unwrap();
        assert_eq!(kept, progress(2));
        assert!(word.contains(r#""id":7,"error""#) && word.contains("the platform stopped"), "{word}");
    }
    drop((body, feed));
}

#[tokio::test]
async fn what_is_kept_is_gone_after_minutes_or_with_its_session() {
    let (world, feed) = world("2025-06-18").await;
    let id = session(&world, &world.user, "2025-06-18").await;
    feed(&progress(1));
    feed(DONE);
    drop(feed);
    let answer = open(&world, &world.user, &[("mcp-session-id", &id)]).await;
    let first = rest(answer.into_body().into_data_stream()).await;
    let seen = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let headers = [("mcp-session-id", id.as_str()), ("last-event-id", seen)];
    assert_eq!(open(&world, &world.user, &headers).await.status().as_u16(), 200);
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(open(&world, &world.user, &headers).await.status().as_u16(), 400);
}

/// A hosted server that closes its stream to be asked again is asked again, by us.
#[tokio::test]
async fn a_server_that_answers_elsewhere_is_asked_there() {
    let isolates = ScriptedIsolates::new(move |request| {
        if request.method == Method::GET {
            assert_eq!(request.headers["last-event-id"], "its-own");
            return Scripted::events(DONE);
        }
        Scripted::events("id: its-own\nretry: 50\ndata: \n\n")
    });
    let world = World::new(isolates).await;
    let headers = [("mcp-protocol-version", "2025-11-25")];
    let answer: Answer = world.mcp_with(&world.user, &headers, call_add()).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.contains("retry: 50\n") && !text.contains("its-own") && !text.contains("result"), "{text}");
    let seen = last_id(&text);
    let resumed = open(&world, &world.user, &[headers[0], ("last-event-id", &seen)]).await;
    let mut body = resumed.into_body().into_data_stream();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_millis(50));
    assert_eq!(without_ids(&read(&mut body).await), DONE);
}
