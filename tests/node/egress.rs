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

/// A listener that answers every connection with one sentence and counts nothing.
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
            let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
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
