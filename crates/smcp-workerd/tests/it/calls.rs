//! Calls: what hosted code sees, what comes back, and how it streams.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::join_all};
use http::{HeaderValue, Method};
use smcp_types::Error;

use crate::support::{PATIENCE, Stage, read, request, settings, target};

/// Answers with what it sees, and with a number that a new process would not know.
const MIRROR: &str = r#"
let seen = 0;
export default {
  async fetch(request, env, ctx) {
    seen += 1;
    ctx.waitUntil(Promise.resolve());
    const headers = Object.fromEntries(request.headers);
    const body = await request.text();
    return Response.json({ seen, method: request.method, url: request.url, headers, body, env, cf: request.cf ?? null });
  },
};
"#;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_wakes_and_sees_what_it_should() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, MIRROR);
    let mut call = request("/mcp?x=1");
    call.method = Method::POST;
    call.body = "päyload".into();
    for (name, value) in
        [("accept", "application/json"), ("x-smcp-request-id", "forged"), ("x-smcp-cf", "{}")]
    {
        call.headers.insert(name, HeaderValue::from_static(value));
    }
    let answer = stage.send(&version, call).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(
        json(&read(answer).await.unwrap()),
        serde_json::json!({
            "seen": 1, "method": "POST", "url": "https://hosted.example:8443/mcp?x=1", "body": "päyload",
            "env": { "GREETING": "grüß \" \\ dich" }, "cf": null,
            "headers": { "accept": "application/json", "content-length": "8", "host": "hosted.example:8443" },
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_one_process() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, MIRROR);
    let answers = join_all((0..50).map(|_| stage.text(&version, "/"))).await;
    let seen: HashSet<_> = answers.iter().map(|answer| json(answer)["seen"].as_u64()).collect();
    assert_eq!(seen, (1..=50).map(Some).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_a_row_share_one_connection() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, MIRROR);
    let folder = stage.folder.path().to_str().unwrap().to_owned();
    let mut inodes = HashSet::new();
    for _ in 0..100 {
        stage.text(&version, "/").await;
        let table = std::fs::read_to_string("/proc/net/unix").unwrap();
        // Connected ends on the accepting side carry the listener's path; 03 is the state "connected".
        let own = table
            .lines()
            .filter(|line| line.contains(&folder) && line.split_whitespace().nth(5) == Some("03"))
            // The watchdog has a socket of its own.
            .filter(|line| !line.ends_with(".h"));
        inodes.extend(own.filter_map(|line| line.split_whitespace().nth(6).map(str::to_owned)));
    }
    assert_eq!(inodes.len(), 1, "one connection for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_stream_arrives_chunk_by_chunk_and_ends_with_its_reader() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(
        1,
        r#"export default { fetch(request) {
          request.signal?.addEventListener("abort", () => {});
          let n = 0;
          const body = new ReadableStream({
            async pull(controller) {
              await new Promise((done) => setTimeout(done, 10));
              controller.enqueue(new TextEncoder().encode(`data: ${++n}\n\n`));
            },
            cancel() { console.log("reader gone"); },
          });
          return new Response(body, { headers: { "content-type": "text/event-stream" } });
        } };"#,
    );
    let mut answer = stage.send(&version, request("/")).await.unwrap();
    for n in 1..=5 {
        let chunk = tokio::time::timeout(PATIENCE, answer.body.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(chunk, format!("data: {n}\n\n"));
    }
    drop(answer);
    stage.lines.wait("reader gone", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_times_out() {
    let stage = Stage::new(settings()).await;
    let version = stage
        .add(1, "export default { fetch() { return new Promise((done) => setTimeout(done, 60_000)); } };");
    let mut call = request("/");
    call.head_timeout = Duration::from_millis(300);
    let Err(Error::TimedOut(refusal)) = stage.send(&version, call).await else { panic!("timed out") };
    assert_eq!(refusal.message, "the server did not answer within 300 ms (limits.call_timeout_ms)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_for_another_server_is_refused() {
    let stage = Stage::new(settings()).await;
    let (one, two) = (stage.add(1, MIRROR), stage.add(2, MIRROR));
    let refused =
        smcp_core::ports::Isolates::call(&*stage.supervisor, &stage.permit(&one), &target(two), request("/"))
            .await;
    assert!(matches!(refused, Err(Error::Internal(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_out_is_refused_with_the_line_that_would_allow_it() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(
        1,
        r#"import { connect } from "cloudflare:sockets";
        export default { async fetch(request) {
          const answers = {};
          for (const url of ["http://example.com:81/a", "https://169.254.169.254/", "http://[::1]/"]) {
            const answer = await fetch(url, { method: "POST", body: "x".repeat(100_000) });
            answers[url] = [answer.status, await answer.text()];
          }
          try {
            const socket = connect("example.com:22");
            await socket.opened;
            answers.socket = "open";
          } catch (error) { answers.socket = String(error); }
          return Response.json(answers);
        } };"#,
    );
    let answers = json(&stage.text(&version, "/").await);
    for (url, host) in [
        ("http://example.com:81/a", "example.com"),
        ("https://169.254.169.254/", "169.254.169.254"),
        ("http://[::1]/", "[::1]"),
    ] {
        let text = format!(
            "outbound requests are not offered yet: hosted code has no network, and {host} was not asked\n"
        );
        assert_eq!(answers[url], serde_json::json!([403, text]));
    }
    assert_ne!(answers["socket"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_blocks_nobody_and_is_bounded() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(
        1,
        r#"export default { fetch() {
          for (let i = 0; i < 64; i++) console.log("x".repeat(64 * 1024));
          console.log("the end");
          return new Response("done");
        } };"#,
    );
    stage.limit(&version, |limits| limits.log_bytes = 16 << 20);
    assert_eq!(stage.text(&version, "/").await, "done");
    stage.lines.wait("the end", 1).await;
    let long: Vec<_> = stage.lines.all().into_iter().filter(|line| line.message.starts_with("xxx")).collect();
    assert_eq!(long.len(), 64);
    assert!(long.iter().all(|line| line.message.len() == 8 << 10 && line.request_id.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiled_configuration_that_is_lost_is_made_again() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let stage = Stage::in_folder(settings(), Arc::clone(&folder)).await;
        let version = stage.add(1, MIRROR);
        stage.text(&version, "/").await;
        stage.supervisor.shutdown(Duration::from_secs(1)).await;
        std::fs::remove_dir_all(folder.path().join("cache")).unwrap();
    }
}
