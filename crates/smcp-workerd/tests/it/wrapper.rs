//! The wrapper module inside the real runtime.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use smcp_core::ports::{HostedBody, HostedRequest, LogLevel, Outbound, Scheduled, Workload};
use smcp_types::UnixMillis;
use smcp_workerd::capability::Services;

use crate::support::{PATIENCE, Stage, bundle_of, read, request, settings};

#[tokio::test(flavor = "multi_thread")]
async fn lines_carry_the_request_and_exceptions_their_stack() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(
        1,
        r#"const log = console.log;
        log("at the top");
        export default { async fetch(request) {
          log("%s is %d", "one", 1, { two: 2 });
          await new Promise((done) => setTimeout(done, 1));
          console.warn({ three: 3 }, "  four");
          console.debug();
          throw new TypeError("boom");
        } };"#,
    );
    assert_eq!(stage.get(&version, "/").await.unwrap(), (500, "Internal Server Error".to_owned()));
    let id = Some(request("/").request_id);
    for (text, level, request_id) in [
        ("at the top", LogLevel::Info, None),
        ("one is 1 { two: 2 }", LogLevel::Info, id),
        ("{ three: 3 }   four", LogLevel::Warn, id),
        ("Uncaught TypeError: boom\n    at ", LogLevel::Error, id),
    ] {
        let line = stage.lines.wait(text, 1).await;
        assert_eq!((line.level, line.request_id), (level, request_id), "{line:?}");
        assert!(line.message.starts_with(text), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shape_of_a_worker_keeps_its_meaning() {
    let stage = Stage::new(settings()).await;
    let object = r#"
      import { DurableObject } from "cloudflare:workers";
      export class Counter extends DurableObject {}
      class Server {
        #secret = "private";
        async fetch(request, env, ctx) {
          ctx.waitUntil(Promise.resolve());
          return new Response(`${this.#secret} ${env.GREETING} ${typeof ctx.waitUntil}`);
        }
      }
      export default new Server();"#;
    let class = r#"
      import { WorkerEntrypoint } from "cloudflare:workers";
      export default class extends WorkerEntrypoint {
        #secret = "private";
        fetch(request) {
          this.ctx.waitUntil(Promise.resolve());
          return new Response(`${this.#secret} ${this.env.GREETING} ${typeof this.ctx.waitUntil}`);
        }
      }"#;
    let dates = [
        "compatibility_date = \"2026-11-01\"",
        "compatibility_date = \"2024-01-01\"",
        "compatibility_date = \"2024-01-01\"\ncompatibility_flags = [\"nodejs_compat\"]",
        "compatibility_date = \"2026-11-01\"\ncompatibility_flags = [\"no_nodejs_compat\", \"no_nodejs_als\"]",
    ];
    let mut name = 0;
    for code in [object, class] {
        for date in dates {
            name += 1;
            let version = stage.add_bundle(name, bundle_of(date, code));
            assert_eq!(stage.text(&version, "/").await, "private grüß \" \\ dich function", "{date}");
        }
    }
}

/// Answers with the headers of the request.
struct Echo;

#[async_trait]
impl Outbound for Echo {
    async fn fetch(&self, _: &Arc<Workload>, request: Request<HostedBody>) -> Response<HostedBody> {
        let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()))
        };
        let head: String = request.headers().iter().map(line).collect();
        Response::new(Box::pin(futures_util::stream::iter([Ok(Bytes::from(head))])))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_to_egress_unless_hosted_code_has_its_own() {
    // In place of the way out: a service that shows what has arrived.
    let services = Services { outbound: Arc::new(Echo), ..Services::closed() };
    let stage = Stage::offering(settings(), services).await;
    let version = stage.add(
        1,
        r#"const send = fetch;
        export default { async fetch(request) {
          const own = new Headers({ traceparent: "own" });
          const plain = await (await send("http://a.example/")).text();
          const kept = await (await fetch(new Request("http://b.example/", { headers: own }))).text();
          return Response.json([plain, kept]);
        } };"#,
    );
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut call = request("/");
    call.headers.insert("traceparent", HeaderValue::from_static(trace));
    let answer = read(stage.send(&version, call).await.unwrap());
    let text = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    let seen: Vec<String> = serde_json::from_str(&text).unwrap();
    assert!(seen[0].contains(&format!("traceparent: {trace}\r\n")), "{seen:?}");
    assert!(seen[1].contains("traceparent: own\r\n") && !seen[1].contains(trace), "{seen:?}");
    assert!(!seen.concat().contains("x-smcp"), "{seen:?}");
    stage.supervisor.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_has_come_reaches_the_scheduled_handler_and_no_client_can_say_so() {
    let stage = Stage::new(settings()).await;
    let object = r#"export default {
      async fetch(request) { return new Response("fetch " + request.cf); },
      async scheduled(controller, env, ctx) {
        ctx.waitUntil(Promise.resolve());
        if (controller.cron === "1 1 1 1 *") throw new Error("boom");
        console.log(`rang ${controller.cron} ${controller.scheduledTime} ${controller.type} ${env.GREETING}`);
      } };"#;
    let class = r#"import { WorkerEntrypoint } from "cloudflare:workers";
    export default class extends WorkerEntrypoint {
      fetch() { return new Response("fetch"); }
      scheduled(controller) { console.log(`rang too ${controller.cron} ${this.env.GREETING}`); } }"#;
    let none = r#"export default { fetch() { return new Response("fetch"); } };"#;
    let due = |cron: &str| HostedRequest {
        calls: 1,
        scheduled: Some(Scheduled::Due { cron: cron.to_owned(), at: UnixMillis(60_000) }),
        ..request("/mcp")
    };
    let versions = [(1, object), (2, class), (3, none)].map(|(name, code)| stage.add(name, code));
    let mut answers = Vec::new();
    for (version, cron) in [(0, "* * * * *"), (0, "1 1 1 1 *"), (1, "* * * * *"), (2, "* * * * *")] {
        answers.push(stage.send(&versions[version], due(cron)).await.unwrap().status.as_u16());
    }
    assert_eq!(answers, [200, 500, 200, 501]);
    let line = stage.lines.wait("rang * * * * * 60000 scheduled gr", 1).await;
    assert_eq!(line.request_id, Some(request("/").request_id));
    stage.lines.wait("rang too * * * * * gr", 1).await;
    stage.lines.wait("Uncaught Error: boom", 1).await;
    // Whether there is a handler is answered without calling it.
    let mut heard = Vec::new();
    for version in &versions {
        let asked = HostedRequest { scheduled: Some(Scheduled::Asked), ..request("/mcp") };
        heard.push(stage.send(version, asked).await.unwrap().status.as_u16());
    }
    assert_eq!(heard, [204, 204, 501]);
    // The label is ours alone: a header of that name is taken off, whoever sends it.
    let mut forged = request("/");
    forged.headers.insert("x-smcp-cf", HeaderValue::from_static(r#"{"scheduled":{"cron":"x","time":1}}"#));
    assert_eq!(read(stage.send(&versions[0], forged).await.unwrap()).await.unwrap(), "fetch undefined");
}
