//! A server that answers like workerd until a tool is called, and then sends garbage in the place of HTTP.

use std::io::{BufRead, BufReader, Read, Write};

use nix::libc;
use serde_json::{Value, json};

use crate::raw::{address, address_mut, call};
use crate::{Result, say};

/// Where workerd finds what it is given.
const LISTEN: usize = 3;
const HEALTH: usize = 4;
const CONTROL: usize = 5;
const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// What is sent over and over by what has no end.
const BLOCK: [u8; 16 << 10] = [b'x'; 16 << 10];

/// `--config-only FILE`: the configuration is its own compiled form.
pub(crate) fn compile(words: &[String]) -> Result<()> {
    let file = words.last().ok_or("which file?")?;
    say(&std::fs::read_to_string(file)?)
}

/// Answers health checks for ever, and calls as hostile code does.
pub(crate) fn run(_config: &str) -> Result<()> {
    let ready = b"{\"event\":\"listen\",\"socket\":\"in\"}\n{\"event\":\"listen\",\"socket\":\"health\"}\n";
    Stream(CONTROL).write_all(ready)?;
    std::thread::spawn(|| accept(HEALTH, healthy));
    accept(LISTEN, |stream| {
        // Who hangs up ends the conversation.
        let _ = converse(stream);
    });
    Ok(())
}

/// A connection by its descriptor: read and written as hostile code would, without the standard library's types.
#[derive(Clone, Copy)]
struct Stream(usize);

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        Ok(call(libc::SYS_read, &[self.0, address_mut(bytes), bytes.len()])?)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let flags = libc::MSG_NOSIGNAL as usize;
        match call(libc::SYS_sendto, &[self.0, address(bytes), bytes.len(), flags, 0, 0]) {
            Err(nix::errno::Errno::ENOTSOCK) => {
                Ok(call(libc::SYS_write, &[self.0, address(bytes), bytes.len()])?)
            }
            done => Ok(done?),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn accept(listener: usize, serve: fn(Stream)) {
    loop {
        match call(libc::SYS_accept4, &[listener, 0, 0, 0]) {
            Ok(descriptor) => drop(std::thread::Builder::new().spawn(move || {
                serve(Stream(descriptor));
                let _ = call(libc::SYS_close, &[descriptor]);
            })),
            // Nothing to accept yet, on a listener that does not wait.
            Err(_) => {
                let mut poll = [listener as u64 | 1 << 32];
                let _ = call(libc::SYS_ppoll, &[address_mut(&mut poll), 1, 0, 0]);
            }
        }
    }
}

fn healthy(mut stream: Stream) {
    let mut input = BufReader::new(stream);
    while request(&mut input).is_some() {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").is_err() {
            return;
        }
    }
}

/// The body of the next request.
fn request(input: &mut BufReader<Stream>) -> Option<Vec<u8>> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(body)
}

fn converse(mut stream: Stream) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    while let Some(body) = request(&mut input) {
        let message: Value = serde_json::from_slice(&body).unwrap_or_default();
        let tool = message["params"]["name"].as_str().unwrap_or_default();
        if message["method"] == "tools/call" && !["add", "raw"].contains(&tool) {
            return garbage(tool, stream);
        }
        let answer = answer(&message);
        let body = if answer.is_null() { String::new() } else { answer.to_string() };
        let status = if answer.is_null() { "202 Accepted" } else { "200 OK" };
        stream.write_all(well_formed(status, &body).as_bytes())?;
    }
    Ok(())
}

fn well_formed(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The answer of a server with tools, so that it is accepted.
fn answer(message: &Value) -> Value {
    if message["id"].is_null() {
        return Value::Null;
    }
    let info = json!({"name": "prober", "version": "1.0.0"});
    let modern = !message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_null();
    let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    let mut result = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({"supportedVersions": [MODERN, LEGACY], "capabilities": {"tools": {}}}),
        "initialize" => json!({"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": info}),
        "tools/list" => json!({"tools": tools()}),
        "tools/call" if message["params"]["name"] == "raw" => text(&raw(&message["params"]["arguments"])),
        "tools/call" => text("20 + 22 = 42"),
        _ => {
            let error = json!({"code": -32601, "message": "Method not found"});
            return json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
        }
    };
    if modern {
        result["resultType"] = "complete".into();
        result["ttlMs"] = 60_000.into();
        result["cacheScope"] = "private".into();
        result["_meta"] = json!({"io.modelcontextprotocol/serverInfo": info});
    }
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
}

fn tools() -> Vec<Value> {
    let tool = |name: &&str| json!({"name": name, "description": "Tries one thing.", "inputSchema": {"type": "object"}});
    GARBAGE.iter().map(|(name, _)| name).chain(["add", "raw"].iter()).map(tool).collect()
}

/// Writes bytes to a socket of capabilities, as no runtime would, and gives all that comes back.
fn raw(arguments: &Value) -> String {
    match exchanged(arguments) {
        Ok(heard) => String::from_utf8_lossy(&heard).into_owned(),
        Err(error) => format!("refused {error}"),
    }
}

/// Until nothing more comes for a while: what is waited for is an answer too many.
fn exchanged(arguments: &Value) -> std::io::Result<Vec<u8>> {
    const SILENCE: u64 = 250;
    let [path, bytes] = ["socket", "bytes"].map(|name| arguments[name].as_str().unwrap_or_default());
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    let mut reader = stream.try_clone()?;
    stream.write_all(bytes.as_bytes())?;
    // Another thread reads: a time-out on the socket would take a system call that the sandbox can forbid.
    let (pieces, come) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut block) {
            if pieces.send(block[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut heard = Vec::new();
    while let Ok(piece) = come.recv_timeout(std::time::Duration::from_millis(SILENCE)) {
        heard.extend_from_slice(&piece);
    }
    // The thread that reads ends with it.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    Ok(heard)
}

/// Sends something that is no answer.
type Send = fn(Stream) -> std::io::Result<()>;

/// What is sent in the place of an answer, by tool.
const GARBAGE: [(&str, Send); 13] = [
    ("noise", |mut stream| stream.write_all(&[0, 255, 13, 7, 200, 10, 10, 0])),
    ("wrong-protocol", |mut stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    ("endless-status", |stream| for_ever(stream, b"HTTP/1.1 200 ", &BLOCK)),
    ("endless-headers", |stream| {
        for_ever(stream, b"HTTP/1.1 200 OK\r\n", b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbb\r\n")
    }),
    ("endless-header", |stream| for_ever(stream, b"HTTP/1.1 200 OK\r\nx-a: ", &BLOCK)),
    ("endless-continue", |stream| for_ever(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    ("endless-body", |stream| {
        for_ever(stream, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", &BLOCK)
    }),
    ("negative-length", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}")
    }),
    ("giant-length", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")?;
        stream.write_all(b"Content-Length: 99999999999999999999999\r\n\r\n{}")
    }),
    ("two-lengths", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")?;
        stream.write_all(b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}")
    }),
    ("giant-chunk", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")?;
        stream.write_all(b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}")
    }),
    ("switched-protocol", |mut stream| {
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    }),
    ("hung-up", |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    }),
];

fn garbage(tool: &str, stream: Stream) -> std::io::Result<()> {
    let known = GARBAGE.iter().find(|(name, _)| *name == tool);
    known.map_or(Ok(()), |(_, send)| send(stream))
}

fn for_ever(mut stream: Stream, first: &[u8], then: &[u8]) -> std::io::Result<()> {
    stream.write_all(first)?;
    loop {
        stream.write_all(then)?;
    }
}
