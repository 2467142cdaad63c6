//! The wrapper module inside the real runtime.

use std::time::Duration;

use http::HeaderValue;
use smcp_core::ports::LogLevel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_to_egress_unless_hosted_code_has_its_own() {
    let stage = Stage::new(settings()).await;
    // In place of the service that refuses everything: one that shows what has arrived.
    let path = stage.folder.path().join("run/egress");
    std::fs::remove_file(&path).unwrap();
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let echo = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", head.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.write_all(&head).await.unwrap();
        }
    };
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
    let answer = async { read(stage.send(&version, call).await.unwrap()).await.unwrap() };
    let text = tokio::time::timeout(PATIENCE, async {
        tokio::select! { text = answer => text, () = echo => String::new() }
    });
    let seen: Vec<String> = serde_json::from_str(&text.await.unwrap()).unwrap();
    assert!(seen[0].contains(&format!("traceparent: {trace}\r\n")), "{seen:?}");
    assert!(seen[1].contains("traceparent: own\r\n") && !seen[1].contains(trace), "{seen:?}");
    assert!(!seen.concat().contains("x-smcp"), "{seen:?}");
    stage.supervisor.shutdown(Duration::from_secs(1)).await;
}
