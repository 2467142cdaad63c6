//! MCP requests as the load generator sends them, and what is read from the answers.

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Answer, request};

/// The revision without sessions.
const MODERN: &str = "2026-07-28";
/// The last one with sessions.
const LEGACY: &str = "2025-11-25";

/// Where a server is called, and with which key.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) path: String,
    /// None when it is called bare.
    pub(crate) key: Option<String>,
}

impl Target {
    /// A stateless tool call.
    pub(crate) fn modern_call(&self, tool: &str, arguments: &Value) -> Vec<u8> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "xtask", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
        let headers = [("MCP-Protocol-Version", MODERN), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        self.post(&headers, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}))
    }

    /// The first request of a session.
    pub(crate) fn initialize(&self) -> Vec<u8> {
        let client = json!({"name": "xtask", "version": "1.0.0"});
        let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client});
        self.post(&[], &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
    }

    /// A message of a session; `id` is None for a notification.
    pub(crate) fn legacy(&self, session: &str, id: Option<u32>, method: &str, params: &Value) -> Vec<u8> {
        let mut message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if let Some(id) = id {
            message["id"] = id.into();
        }
        self.post(&[("MCP-Protocol-Version", LEGACY), ("Mcp-Session-Id", session)], &message)
    }

    fn post(&self, headers: &[(&str, &str)], message: &Value) -> Vec<u8> {
        let bearer = self.key.as_ref().map(|key| format!("Bearer {key}"));
        let mut all =
            vec![("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
        all.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        all.extend_from_slice(headers);
        request(&self.host, &self.path, &all, &message.to_string())
    }
}

/// The first text of a tool's answer, from JSON or from the last event of a stream.
pub(crate) fn text(answer: &Answer) -> Result<String> {
    let body = String::from_utf8_lossy(&answer.body);
    let json = body.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(&body);
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let text = value.pointer("/result/content/0/text").and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("HTTP {}, no text in the answer: {body}", answer.status).into())
}
