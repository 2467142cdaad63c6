//! Standing streams: what servers say unasked reaches one client of the session, whoever comes and goes meanwhile.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::BodyDataStream;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{MCP, World, call_add};
use smcp_types::Result;

const PATH: &str = "/t/home/srv/mcp";

fn news(n: u32) -> String {
    format!(
        "data: {}\n\n",
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "n": n } })
    )
}

/// One end of a stream from the hosted server.
type Feed = futures_channel::mpsc::UnboundedSender<Result<Bytes>>;

/// A hosted server with sessions, and the streams that it has open, oldest first.
struct Hosted {
    world: World,
    feeds: Arc<Mutex<VecDeque<Feed>>>,
}

impl Hosted {
    async fn new(revision: &'static str) -> Self {
        let feeds = Arc::<Mutex<VecDeque<Feed>>>::default();
        let opened = Arc::clone(&feeds);
        let isolates = ScriptedIsolates::new(move |request| {
            if request.method == Method::GET {
                let (stream, feed) = Scripted::fed();
                opened.lock().unwrap().push_back(feed);
                return stream;
            }
            if request.method == Method::DELETE {
                return Scripted::json("");
            }
            let message: Value = serde_json::from_slice(&request.body).unwrap();
            if message["method"] == "initialize" {
                let result = json!({ "protocolVersion": revision, "capabilities": {},
                    "serverInfo": { "name": "s", "version": "1" } });
                let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                return Scripted::json(answer.to_string()).header("mcp-session-id", "inner");
            }
            match message.get("id") {
                Some(id) => Scripted::json(json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string()),
                None => Scripted { status: 202, ..Scripted::json("") },
            }
        });
        Self { world: World::new(isolates).await, feeds }
    }

    fn say(&self, stream: usize, text: &str) {
        self.feeds.lock().unwrap()[stream].unbounded_send(Ok(Bytes::from(text.to_owned()))).unwrap();
    }

    fn opened(&self) -> usize {
        self.feeds.lock().unwrap().len()
    }

    /// A session that is in use: its id.
    async fn session(&self, revision: &str) -> String {
        let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
        let answer = self.world.mcp(&self.world.user, initialize).await;
        let id = answer.header("mcp-session-id").to_owned();
        assert_eq!(
            self.send(&id, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await,
            202
        );
        id
    }

    async fn send(&self, id: &str, message: Value) -> u16 {
        self.world.mcp_with(&self.world.user, &[("mcp-session-id", id)], message).await.status.as_u16()
    }

    async fn get(&self, id: &str, last: Option<&str>) -> http::Response<axum::body::Body> {
        let bearer = format!("Bearer {}", self.world.user);
        let mut headers = vec![("authorization", bearer.as_str()), ("mcp-session-id", id)];
        headers.extend(MCP);
        headers.extend(last.map(|last| ("last-event-id", last)));
        self.world.open(Method::GET, PATH, &headers, "").await
    }

    async fn listen(&self, id: &str, last: Option<&str>) -> Listener {
        let answer = self.get(id, last).await;
        assert_eq!(answer.status().as_u16(), 200);
        Listener(answer.into_body().into_data_stream())
    }
}

struct Listener(BodyDataStream);

impl Listener {
    async fn next(&mut self) -> String {
        String::from_utf8(self.0.next().await.unwrap().unwrap().to_vec()).unwrap()
    }

    /// The next that says something, without its id; and its id.
    async fn news(&mut self) -> (String, String) {
        loop {
            let text = self.next().await;
            let (id, rest) = text.strip_prefix("id: ").unwrap().split_once('\n').unwrap();
            if rest != "data: \n\n" {
                return (rest.to_owned(), id.to_owned());
            }
        }
    }

    async fn is_silent(&mut self) -> bool {
        settle().await;
        futures_util::poll!(self.0.next()).is_pending()
    }

    async fn is_over(&mut self) -> bool {
        settle().await;
        matches!(futures_util::poll!(self.0.next()), std::task::Poll::Ready(None))
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_said_before_anybody_listens_is_heard() {
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let hosted = Hosted::new(revision).await;
        let id = hosted.session(revision).await;
        assert_eq!(hosted.opened(), 1, "before `initialized` went there");
        hosted.say(0, &news(1));
        settle().await;
        let mut listener = hosted.listen(&id, None).await;
        assert_eq!(listener.news().await.0, news(1));
        hosted.say(0, &news(2));
        assert_eq!(listener.news().await.0, news(2), "{revision}");
        assert_eq!(hosted.send(&id, call_add()).await, 200);
        assert_eq!(hosted.opened(), 1, "one is enough");
    }
}

#[tokio::test]
async fn who_comes_back_hears_what_came_meanwhile_once() {
    let hosted = Hosted::new("2025-11-25").await;
    let id = hosted.session("2025-11-25").await;
    let mut listener = hosted.listen(&id, None).await;
    let primer = listener.next().await;
    assert!(primer.starts_with("id: ") && primer.ends_with("\ndata: \n\n"), "{primer}");
    hosted.say(0, &news(1));
    let (_, seen) = listener.news().await;
    drop(listener);
    hosted.say(0, &news(2));
    settle().await;
    let mut listener = hosted.listen(&id, Some(&seen)).await;
    assert_eq!(listener.news().await.0, news(2));
    drop(listener);
    hosted.say(0, &news(3));
    settle().await;
    // Without an id: what nobody was shown, not what somebody was.
    let mut listener = hosted.listen(&id, None).await;
    assert_eq!(listener.news().await.0, news(3));
    assert!(listener.next().await.ends_with("\ndata: \n\n"), "an id to come back with");
    assert!(listener.is_silent().await);
    // An answer's id and a stream's are told apart, and neither is somebody else's.
    let other = hosted.session("2025-11-25").await;
    assert_eq!(hosted.get(&other, Some(&seen)).await.status().as_u16(), 400);
}

#[tokio::test]
async fn a_message_goes_to_one_stream_only() {
    let hosted = Hosted::new("2025-06-18").await;
    let id = hosted.session("2025-06-18").await;
    let mut first = hosted.listen(&id, None).await;
    let mut second = hosted.listen(&id, None).await;
    hosted.say(0, &news(1));
    let (_, seen) = second.news().await;
    assert!(first.is_silent().await);
    drop(second);
    hosted.say(0, &news(2));
    assert_eq!(first.news().await.0, news(2));
    // What came on the first is not replayed on the second.
    let mut second = hosted.listen(&id, Some(&seen)).await;
    assert!(second.is_silent().await);
    // No session has more than four: the oldest gives way.
    let mut more = Vec::new();
    for _ in 0..3 {
        more.push(hosted.listen(&id, None).await);
    }
    assert!(first.is_over().await && second.is_silent().await);
    drop(more);
}

#[tokio::test]
async fn a_stream_outlives_the_platform_and_what_is_kept() {
    let hosted = Hosted::new("2025-11-25").await;
    let id = hosted.session("2025-11-25").await;
    let mut listener = hosted.listen(&id, None).await;
    hosted.say(0, &news(1));
    hosted.say(0, &news(2));
    let (_, seen) = listener.news().await;
    let Hosted { world, feeds } = hosted;
    let hosted = Hosted { world: world.restarted().await, feeds };
    let mut listener = hosted.listen(&id, Some(&seen)).await;
    let (text, seen) = listener.news().await;
    assert_eq!(text, news(2));
    // It goes on where it was, once something goes to the server.
    assert_eq!(hosted.send(&id, call_add()).await, 200);
    assert_eq!(hosted.opened(), 2);
    hosted.say(1, &news(3));
    assert_eq!(listener.news().await.0, news(3));
    drop(listener);
    hosted.world.clock.advance(Duration::from_secs(700));
    hosted.world.platform.sweep().await.unwrap();
    hosted.world.platform.sweep().await.unwrap();
    let mut listener = hosted.listen(&id, Some(&seen)).await;
    assert_eq!(hosted.send(&id, call_add()).await, 200);
    hosted.say(2, &news(4));
    assert_eq!(listener.news().await.0, news(4));
}

#[tokio::test]
async fn a_server_without_a_stream_is_asked_once_and_one_that_sleeps_never() {
    let isolates = ScriptedIsolates::new(|request| match request.method {
        Method::GET => Scripted { status: 405, ..Scripted::json("") },
        _ => {
            let result = json!({ "protocolVersion": "2025-06-18", "capabilities": {},
                "serverInfo": { "name": "s", "version": "1" } });
            Scripted::json(json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string())
                .header("mcp-session-id", "inner")
        }
    });
    let hosted = Hosted { world: World::new(isolates).await, feeds: Arc::default() };
    let gets = || hosted.world.isolates.seen().iter().filter(|seen| seen.method == Method::GET).count();
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let id = hosted.world.mcp(&hosted.world.user, initialize).await.header("mcp-session-id").to_owned();
    let mut listener = hosted.listen(&id, None).await;
    assert!(listener.is_silent().await);
    assert_eq!(gets(), 0, "it sleeps");
    hosted.world.isolates.awake(true);
    let mut listener = hosted.listen(&id, None).await;
    assert!(listener.is_silent().await);
    assert_eq!(gets(), 1);
    for _ in 0..3 {
        hosted.send(&id, json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    }
    assert_eq!(gets(), 1);
    // What stands between would close a connection on which nothing moves.
    hosted.world.clock.advance(Duration::from_secs(25));
    assert_eq!(listener.next().await, ":\n\n");
}

#[tokio::test]
async fn a_broken_stream_is_opened_again_but_not_at_once() {
    let hosted = Hosted::new("2025-06-18").await;
    let id = hosted.session("2025-06-18").await;
    let mut listener = hosted.listen(&id, None).await;
    hosted.say(0, &format!("id: its-own\n{}", news(1)));
    listener.news().await;
    hosted.feeds.lock().unwrap()[0].close_channel();
    settle().await;
    hosted.send(&id, call_add()).await;
    assert_eq!(hosted.opened(), 1);
    hosted.world.clock.advance(Duration::from_secs(1));
    hosted.send(&id, call_add()).await;
    assert_eq!(hosted.opened(), 2);
    let seen = hosted.world.isolates.seen();
    let again = seen.iter().rfind(|seen| seen.method == Method::GET).unwrap();
    assert_eq!(again.headers["last-event-id"], "its-own");
    hosted.say(1, &news(2));
    assert_eq!(listener.news().await.0, news(2));
}

/// Whatever is no request and no notification ends the stream from the server; no client sees it.
#[tokio::test]
async fn garbage_is_heard_by_nobody() {
    for garbage in
        ["data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n", "data: hello\n\n", "data: [1]\n\n"]
    {
        let hosted = Hosted::new("2025-06-18").await;
        let id = hosted.session("2025-06-18").await;
        let mut listener = hosted.listen(&id, None).await;
        hosted.say(0, garbage);
        assert!(listener.is_silent().await);
        let closed = hosted.feeds.lock().unwrap()[0].unbounded_send(Ok(Bytes::new())).is_err();
        assert!(closed, "{garbage}");
    }
}

#[tokio::test]
async fn streams_end_with_their_session_and_their_server() {
    for server in [false, true] {
        let hosted = Hosted::new("2025-06-18").await;
        let id = hosted.session("2025-06-18").await;
        let mut listener = hosted.listen(&id, None).await;
        assert!(listener.is_silent().await);
        let World { root, user, .. } = &hosted.world;
        let done = if server {
            hosted.world.api(Method::DELETE, "/api/v1/tenants/home/servers/srv", root, json!({})).await
        } else {
            let bearer = format!("Bearer {user}");
            let headers = [("authorization", bearer.as_str()), ("mcp-session-id", &id)];
            hosted.world.send(Method::DELETE, PATH, &headers, "").await
        };
        assert!(done.status.is_success(), "{done:?}");
        assert!(listener.is_over().await);
        assert!(hosted.feeds.lock().unwrap()[0].unbounded_send(Ok(Bytes::new())).is_err());
    }
}

/// A session that somebody listens to does not expire, and is not as old as it likes either.
#[tokio::test]
async fn listening_keeps_a_session_for_a_day() {
    let hosted = Hosted::new("2025-06-18").await;
    let (id, left) = (hosted.session("2025-06-18").await, hosted.session("2025-06-18").await);
    let mut listener = hosted.listen(&id, None).await;
    for _ in 0..23 * 4 {
        hosted.world.clock.advance(Duration::from_secs(900));
        hosted.world.platform.sweep().await.unwrap();
        // Comments that it is alive.
        settle().await;
        while futures_util::poll!(listener.0.next()).is_ready() {}
    }
    assert_eq!(hosted.send(&id, call_add()).await, 200);
    assert_eq!(hosted.send(&left, call_add()).await, 404);
    hosted.world.clock.advance(Duration::from_secs(3_700));
    hosted.world.platform.sweep().await.unwrap();
    assert!(listener.is_over().await);
}

/// Whoever listens hears which lists differ in the version that is the active one now.
#[tokio::test]
async fn listeners_hear_of_another_version() {
    let hosted = Hosted::new("2025-11-25").await;
    let activate = async |tool: &str| {
        let digest = hosted.world.deploy("home", "srv", &[("tool", tool)]).await;
        let path = format!("/api/v1/tenants/home/servers/srv/versions/{digest}/activate");
        let done = hosted.world.api(Method::POST, &path, &hosted.world.root, json!({})).await;
        assert_eq!(done.status.as_u16(), 200, "{done:?}");
    };
    activate("sum").await;
    let id = hosted.session("2025-11-25").await;
    let mut listener = hosted.listen(&id, None).await;
    assert!(listener.next().await.ends_with("\ndata: \n\n"));
    activate("product").await;
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    assert_eq!(listener.news().await.0, format!("data: {changed}\n\n"));
    // The session follows with its next message, and is heard there.
    assert_eq!(hosted.send(&id, call_add()).await, 200);
    assert_eq!(hosted.opened(), 2);
    hosted.say(1, &news(1));
    assert_eq!(listener.news().await.0, news(1));
    assert!(
        hosted.feeds.lock().unwrap()[0].unbounded_send(Ok(Bytes::new())).is_err(),
        "the old one is closed"
    );
}

/// An old client's one stream has what is said unasked, too.
#[tokio::test]
async fn old_clients_hear_it_as_well() {
    let hosted = Hosted::new("2025-03-26").await;
    let bearer = format!("Bearer {}", hosted.world.user);
    let headers = [("authorization", bearer.as_str()), MCP[0], ("accept", "text/event-stream")];
    let opened = hosted.world.open(Method::GET, "/t/home/srv/sse", &headers, "").await;
    let mut listener = Listener(opened.into_body().into_data_stream());
    let first = listener.next().await;
    let path = first.strip_prefix("event: endpoint\ndata: ").unwrap().trim().to_owned();
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ] {
        let sent = hosted.world.send(Method::POST, &path, &headers, message.to_string()).await;
        assert_eq!(sent.status.as_u16(), 202);
        if message["id"] == 1 {
            assert!(listener.next().await.contains("protocolVersion"));
        }
        // A message is carried out while somebody reads.
        for _ in 0..5 {
            assert!(listener.is_silent().await);
        }
    }
    hosted.say(0, &news(1));
    assert_eq!(listener.next().await, news(1));
}

/// A server that does not say whether it has such a stream holds up one request, for a second.
#[tokio::test]
async fn a_stream_that_does_not_open_is_not_waited_for() {
    let isolates = ScriptedIsolates::waiting(|request| {
        let is_get = request.method == Method::GET;
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        async move {
            if is_get {
                std::future::pending::<()>().await;
            }
            let result = json!({ "protocolVersion": "2025-06-18", "capabilities": {},
                "serverInfo": { "name": "s", "version": "1" } });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            Ok(Scripted::json(answer.to_string()).header("mcp-session-id", "inner"))
        }
        .boxed()
    });
    let hosted = Hosted { world: World::new(isolates).await, feeds: Arc::default() };
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let id = hosted.world.mcp(&hosted.world.user, initialize).await.header("mcp-session-id").to_owned();
    let _listener = hosted.listen(&id, None).await;
    let mut first = std::pin::pin!(hosted.send(&id, call_add()));
    for _ in 0..50 {
        assert!(futures_util::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
    }
    hosted.world.clock.advance(Duration::from_secs(1));
    assert_eq!(first.await, 200);
    assert_eq!(hosted.send(&id, call_add()).await, 200, "it is still being opened, and nobody waits for it");
}

/// A server that talks and talks is no client that listens.
#[tokio::test]
async fn what_nobody_hears_is_not_listened_to_for_long() {
    let hosted = Hosted::new("2025-06-18").await;
    hosted.session("2025-06-18").await;
    for _ in 0..2 {
        for n in 0..10 {
            hosted.say(0, &news(n));
        }
        settle().await;
        hosted.world.platform.sweep().await.unwrap();
    }
    settle().await;
    assert!(hosted.feeds.lock().unwrap()[0].unbounded_send(Ok(Bytes::new())).is_err());
}
