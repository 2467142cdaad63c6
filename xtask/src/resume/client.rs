//! A client that comes back: it sends a call once, and asks for the rest of the answer by the last id it has seen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// The revision that is spoken.
const REVISION: &str = "2025-11-25";
/// No call takes longer, however often it is cut and whatever is killed.
const NEVER_LONGER: Duration = Duration::from_secs(90);
/// Longest wait for the next byte.
const SILENCE: Duration = Duration::from_secs(30);
/// When it comes back.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
/// When it asks again for what was not begun.
const LATER: Duration = Duration::from_millis(100);

/// How a call ended for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With its result.
    Result,
    /// With an error that says that it was interrupted.
    Interrupted(String),
    /// The connection broke before the first byte of an answer.
    Unanswered,
    /// The answer had begun, and there was nothing to come back with.
    Lost(String),
    /// The platform no longer knows of it.
    Gone(String),
    /// It took too long.
    Hung,
}

impl Ended {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Interrupted(_) => "interrupted",
            Self::Unanswered => "unanswered",
            Self::Lost(_) => "lost",
            Self::Gone(_) => "gone",
            Self::Hung => "hung",
        }
    }
}

/// A client in a session.
pub(super) struct Client {
    /// Where connections go that may be cut.
    pub(super) proxy: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) session: String,
}

/// What a call came to.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    /// Times its client came back.
    pub(super) resumed: u32,
    /// Answers to it that its client has seen whole.
    pub(super) answers: u32,
}

impl Client {
    /// Begins a session.
    pub(super) fn begin(mut self) -> Result<Self> {
        let client = json!({"name": "xtask", "version": "1.0.0"});
        let params = json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let answer = self.exchange(&self.post(&body))?;
        let session = answer.head.lines().find_map(|line| {
            line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"))
        });
        self.session = session.ok_or_else(|| format!("no session: {}", answer.head))?.1.to_owned();
        Ok(self)
    }

    /// Calls a tool, and comes back as often as it takes.
    pub(super) fn call(&self, n: u32, tool: &str, arguments: &Value) -> Outcome {
        let params = json!({"name": tool, "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params});
        let began = Instant::now();
        let mut outcome = Outcome { ended: Ended::Unanswered, resumed: 0, answers: 0 };
        let mut last: Option<String> = None;
        let mut request = self.post(&body);
        while began.elapsed() < NEVER_LONGER {
            match self.exchange(&request) {
                Ok(answer) if answer.status() == Some(200) => {
                    if let Some(ended) = read(&answer.body, n, &mut last, &mut outcome.answers) {
                        outcome.ended = ended;
                        return outcome;
                    }
                    if last.is_none() {
                        outcome.ended = answer.lost();
                        return outcome;
                    }
                }
                // It is being started again, or the server is.
                Ok(answer) if last.is_some() && answer.status().is_none_or(|status| status >= 500) => {}
                // Not begun: whoever asks later is served.
                Ok(answer) if answer.status() == Some(503) && answer.refuses(n).is_some() => {
                    thread::sleep(LATER);
                    continue;
                }
                Ok(answer) if answer.refuses(n).is_some() => {
                    outcome.answers += 1;
                    outcome.ended = Ended::Interrupted(answer.refuses(n).unwrap_or_default());
                    return outcome;
                }
                Ok(answer) if answer.status().is_some() => {
                    outcome.ended = Ended::Gone(format!("{} {}", answer.head, answer.body));
                    return outcome;
                }
                Ok(answer) if last.is_none() && answer.begun > 0 => {
                    outcome.ended = answer.lost();
                    return outcome;
                }
                Ok(_) | Err(_) => {}
            }
            let Some(id) = &last else { return outcome };
            thread::sleep(AGAIN_AFTER);
            outcome.resumed += 1;
            request = self.get(id);
        }
        outcome.ended = Ended::Hung;
        outcome
    }

    /// The text that a tool answers, in one piece.
    pub(super) fn text(&self, tool: &str) -> Result<String> {
        let params = json!({"name": tool, "arguments": {}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = self.exchange(&self.post(&body))?.body;
        let json = answer
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("data: {"))
            .map(|rest| format!("{{{rest}"));
        let value: Value = serde_json::from_str(&json.unwrap_or_else(|| answer.clone()))?;
        let text = value.pointer("/result/content/0/text").and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| format!("no text in `{answer}`").into())
    }

    fn exchange(&self, request: &str) -> Result<Raw> {
        let mut stream = TcpStream::connect(&self.proxy)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        // However it ends: what came until then has come.
        let _ = stream.read_to_end(&mut bytes);
        Ok(Raw::of(&bytes))
    }

    fn head(&self, method: &str) -> String {
        let Self { host, path, key, session, .. } = self;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Accept: application/json, text/event-stream\r\n"
        );
        if !session.is_empty() {
            head.push_str(&format!("MCP-Protocol-Version: {REVISION}\r\nMcp-Session-Id: {session}\r\n"));
        }
        head
    }

    fn post(&self, body: &Value) -> String {
        let body = body.to_string();
        let length = body.len();
        format!(
            "{}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.head("POST")
        )
    }

    fn get(&self, id: &str) -> String {
        format!("{}Last-Event-ID: {id}\r\n\r\n", self.head("GET"))
    }
}

/// What came of an answer.
struct Raw {
    head: String,
    body: String,
    /// Bytes that came.
    begun: usize,
}

impl Raw {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, rest) = end.map_or((&[][..], &[][..]), |end| (&bytes[..end], &bytes[end + 4..]));
        let head = String::from_utf8_lossy(head).into_owned();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { chunks(rest) } else { rest.to_vec() };
        Self { head, body: String::from_utf8_lossy(&body).into_owned(), begun: bytes.len() }
    }

    fn lost(&self) -> Ended {
        Ended::Lost(format!("after {} bytes: {} {}", self.begun, self.head, self.body))
    }

    /// The message of an error that answers this request.
    fn refuses(&self, n: u32) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        (body["id"] == json!(n)).then_some(())?;
        body.pointer("/error/message")?.as_str().map(str::to_owned)
    }

    fn status(&self) -> Option<u16> {
        self.head.split(' ').nth(1)?.parse().ok()
    }
}

/// The content of chunks, as far as they have come.
fn chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let rest = &bytes[end + 2..];
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(next) = rest.get(size + 2..) else { break };
        bytes = next;
    }
    body
}

/// Reads whole events; what was cut off is nothing.
fn read(body: &str, n: u32, last: &mut Option<String>, answers: &mut u32) -> Option<Ended> {
    let mut ended = None;
    let whole = body.rfind("\n\n").map_or("", |end| &body[..end]);
    for event in whole.split("\n\n") {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            *last = Some(id.to_owned());
        }
        let message: Value =
            field("data: ").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        if message["id"] != json!(n) {
            continue;
        }
        *answers += 1;
        ended = Some(match message.get("error") {
            Some(error) => Ended::Interrupted(error["message"].as_str().unwrap_or_default().to_owned()),
            None => Ended::Result,
        });
    }
    ended
}
