//! The way out, with the real runtime: where the manifest and the operator both say so, and nowhere else.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use smcp_tests::node::{ADDER, Node};

/// Fetches from a port of this machine, and tells what came.
fn module(port: u16) -> String {
    let body = format!(
        "const out = await fetch('http://127.0.0.1:{port}/path?q=1', {{ headers: {{ authorization: 'own' }} }});
         const told = out.status + ' ' + (await out.text());
         return answer({{ content: [{{ type: 'text', text: told }}] }});"
    );
    ADDER.replace("const { a, b } = params.arguments;", &body)
}

fn manifest(port: u16) -> String {
    format!("[egress]\nallow = [{{ host = \"127.0.0.1\", ports = [{port}] }}]\n")
}

/// A listener that answers every connection with the first line of what it got and its trace.
fn target() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let labels =
                head.lines().filter(|line| line.starts_with("traceparent") || line.starts_with("cf-"));
            let line = head.lines().take(1).chain(labels).collect::<Vec<_>>().join(" ");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}", line.len());
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    port
}

fn call(node: &Node, server: &str) -> String {
    node.cli(&node.admin, &["call", server, "add", "--tenant", "demo"]).to_string()
}

#[test]
fn hosted_code_reaches_what_manifest_and_operator_both_allow() {
    let port = target();
    let node = Node::start_with("[egress]\nnetworks = [\"demo/opened=127.0.0.1/32\"]\n");
    assert!(node.deploy("opened", &manifest(port), &module(port)).status.success());
    let answer = call(&node, "opened");
    assert!(answer.contains("200 GET /path?q=1 HTTP/1.1"), "{answer}");
    // The same manifest without the operator's word, and the operator's word without the manifest's.
    assert!(node.deploy("closed", &manifest(port), &module(port)).status.success());
    let answer = call(&node, "closed");
    assert!(answer.contains("403") && !answer.contains("HTTP/1.1"), "{answer}");
    assert!(node.deploy("opened", "", &module(port)).status.success());
    let answer = call(&node, "opened");
    assert!(answer.contains("403") && answer.contains("egress.allow"), "{answer}");
}

#[test]
fn calls_that_fetch_do_not_use_each_others_connections_up() {
    const MORE_THAN_CONNECTIONS: usize = 80;
    let node = Node::start();
    let body = "const told = [];
         for (const host of ['a.example.com', 'b.example.com']) {
           const out = await fetch('https://' + host, { signal: AbortSignal.timeout(2000) });
           told.push(out.status + ' ' + (await out.text()));
         }
         await env.NOTES.get('a');
         return answer({ content: [{ type: 'text', text: told.join() }] });";
    let module = ADDER.replace("const { a, b } = params.arguments;", body);
    assert!(node.deploy("busy", "[[kv]]\nbinding = \"NOTES\"\n", &module).status.success());
    for number in 0..MORE_THAN_CONNECTIONS {
        let answer = call(&node, "busy");
        assert_eq!(answer.matches("egress.allow").count(), 2, "call {number}: {answer}");
    }
}

#[test]
fn the_callers_trace_reaches_the_outside_and_the_log() {
    let port = target();
    let node = Node::start_with("[egress]\nnetworks = [\"demo/traced=127.0.0.1/32\"]\n");
    let module = module(port).replace("console.log(\"method", "console.warn(\"method");
    // Code that has a trace of its own to go on with keeps it.
    let own = "00-11111111111111111111111111111111-2222222222222222-01";
    let module = module.replace(
        "const out = await fetch(",
        &format!("const also = await (await fetch('http://127.0.0.1:{port}/own', {{ headers: {{ traceparent: '{own}' }} }})).text();\nconst out = await fetch("),
    );
    let module = module.replace("const told = ", "const told = also + ' ' + ");
    assert!(node.deploy("traced", &manifest(port), &module).status.success());
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let answer = node.call_traced("traced", &format!("00-{trace}-{parent}-01"));
    assert!(answer.contains(&format!("GET /own HTTP/1.1 traceparent: {own} 200")), "{answer}");
    let (_, sent) =
        answer.split_once("GET /path?q=1 HTTP/1.1 traceparent: ").unwrap_or_else(|| panic!("{answer}"));
    let fields: Vec<&str> = sent[..55].split('-').collect();
    assert_eq!((fields[0], fields[1], fields[3]), ("00", trace, "01"), "{sent}");
    assert!(fields[2].len() == 16 && fields[2] != parent, "a span of the platform's: {sent}");
    assert!(!sent.contains("cf-ray"), "labels do not go out: {answer}");

    // What the code printed and what it asked for stand under the caller's trace, and under one request.
    let page = node.cli(&node.admin, &["logs", "traced", "--tenant", "demo", "--trace", trace]);
    let lines: Vec<(&str, &str)> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["source"].as_str().unwrap(), line["message"].as_str().unwrap()))
        .collect();
    assert_eq!(lines[0], ("server", "method tools/call"), "{page}");
    assert!(lines[1].0 == "platform" && lines[1].1.contains("/path: 200"), "{page}");
    assert_eq!(lines.len(), 2, "{page}");
    let request = page["items"][0]["request_id"].as_str().unwrap();
    let page = node.cli(&node.admin, &["logs", "traced", "--tenant", "demo", "--request", request]);
    assert_eq!(page["items"].as_array().unwrap().len(), 3, "with the request of the other trace: {page}");
    let page = node
        .cli(&node.admin, &["logs", "traced", "--tenant", "demo", "--request", request, "--level", "warn"]);
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
}
