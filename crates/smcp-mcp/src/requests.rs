//! Messages the platform itself sends as an MCP client, with the headers each revision asks for.

use crate::{Era, ListKind, MessageId, Method, Revision, encode_header_value};
use serde_json::{Map, Value, json};

/// Key in `_meta`: the revision of this request (2026-07-28, schema, `RequestMetaObject`).
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key in `_meta`: who asks (2026-07-28, schema, `RequestMetaObject`).
pub const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Key in `_meta`: what the client can do (2026-07-28, schema, `RequestMetaObject`).
pub const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key in `_meta` of a result: who answers (2026-07-28, schema, `ResultMetaObject`).
pub const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// How the platform introduces itself to a server (schema, `Implementation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// A name for programs.
    pub name: &'a str,
    /// The version of the platform.
    pub version: &'a str,
}

impl ClientInfo<'_> {
    fn to_json(self) -> Value {
        json!({ "name": self.name, "version": self.version })
    }
}

/// A POST to make: body and headers, apart from `Mcp-Session-Id`, which the caller of a legacy session adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Names in the specification's spelling, values ready for the wire.
    pub headers: Vec<(&'static str, String)>,
    /// One JSON-RPC message.
    pub body: Vec<u8>,
}

/// `initialize`, asking for `revision`, or for the last legacy one if `revision` has no `initialize` any more. We
/// offer no client capabilities: nobody is there to answer a question.
#[must_use]
pub fn initialize(id: &MessageId, revision: Revision, client: ClientInfo<'_>) -> Outgoing {
    let revision = revision.min(Revision::LATEST_LEGACY);
    let params = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": {},
        "clientInfo": client.to_json(),
    });
    // The version is what this request negotiates, so it has no header for it yet.
    Outgoing { headers: base_headers(), body: body(Some(id), &Method::Initialize, params) }
}

/// `notifications/initialized`, in a session on `revision`.
#[must_use]
pub fn initialized(revision: Revision) -> Outgoing {
    let revision = revision.min(Revision::LATEST_LEGACY);
    Outgoing {
        headers: headers(revision, &Method::Initialized, None),
        body: body(None, &Method::Initialized, json!({})),
    }
}

/// `server/discover`, which the modern era alone has: on `Revision::LATEST`.
#[must_use]
pub fn discover(id: &MessageId, client: ClientInfo<'_>) -> Outgoing {
    request(id, Revision::LATEST, client, &Method::Discover, Map::new())
}

/// A page of a list; `cursor` is the `nextCursor` of the page before.
#[must_use]
pub fn list(
    id: &MessageId,
    revision: Revision,
    client: ClientInfo<'_>,
    kind: ListKind,
    cursor: Option<&str>,
) -> Outgoing {
    let mut params = Map::new();
    if let Some(cursor) = cursor {
        params.insert("cursor".to_owned(), cursor.into());
    }
    request(id, revision, client, &kind.method(), params)
}

/// `tools/call`. Headers that the tool's schema asks for with `x-mcp-header` are the caller's to add: the schema is
/// not known here.
#[must_use]
pub fn call_tool(
    id: &MessageId,
    revision: Revision,
    client: ClientInfo<'_>,
    name: &str,
    arguments: Map<String, Value>,
) -> Outgoing {
    let mut params = Map::new();
    params.insert("name".to_owned(), name.into());
    params.insert("arguments".to_owned(), arguments.into());
    request(id, revision, client, &Method::ToolsCall, params)
}

/// A request on `revision`, with the `_meta` that the modern era demands.
fn request(
    id: &MessageId,
    revision: Revision,
    client: ClientInfo<'_>,
    method: &Method,
    mut params: Map<String, Value>,
) -> Outgoing {
    let name = params.get("name").and_then(Value::as_str).map(|name| encode_header_value(name).into_owned());
    match revision.era() {
        Era::Legacy => {}
        Era::Modern => {
            let meta = json!({
                META_PROTOCOL_VERSION: revision.as_str(),
                META_CLIENT_INFO: client.to_json(),
                META_CLIENT_CAPABILITIES: {},
            });
            params.insert("_meta".to_owned(), meta);
        }
    }
    Outgoing { headers: headers(revision, method, name), body: body(Some(id), method, params.into()) }
}

/// What every POST has, in every revision of Streamable HTTP ("Sending Messages").
fn base_headers() -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/json".to_owned()),
        ("Accept", "application/json, text/event-stream".to_owned()),
    ]
}

fn headers(revision: Revision, method: &Method, name: Option<String>) -> Vec<(&'static str, String)> {
    let mut headers = base_headers();
    if revision.has_version_header() {
        headers.push(("MCP-Protocol-Version", revision.as_str().to_owned()));
    }
    match revision.era() {
        Era::Legacy => {}
        Era::Modern => {
            headers.push(("Mcp-Method", method.as_str().to_owned()));
            headers.extend(name.map(|name| ("Mcp-Name", name)));
        }
    }
    headers
}

fn body(id: Option<&MessageId>, method: &Method, params: Value) -> Vec<u8> {
    let mut message = Map::new();
    message.insert("jsonrpc".to_owned(), "2.0".into());
    match id {
        Some(MessageId::Integer(number)) => _ = message.insert("id".to_owned(), (*number).into()),
        Some(MessageId::Text(text)) => _ = message.insert("id".to_owned(), text.as_str().into()),
        None => {}
    }
    message.insert("method".to_owned(), method.as_str().into());
    message.insert("params".to_owned(), params);
    Value::Object(message).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batches, MessageKind, Subject, parse};

    const CLIENT: ClientInfo<'_> = ClientInfo { name: "smcp", version: "0.1.0" };

    fn json_of(outgoing: &Outgoing) -> Value {
        assert!(parse(&outgoing.body, Batches::Refused).is_ok(), "we accept what we send");
        serde_json::from_slice(&outgoing.body).unwrap()
    }

    fn header<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
        outgoing.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_legacy_session_starts_without_a_version_header() {
        let first = initialize(&1.into(), Revision::LATEST, CLIENT);
        assert_eq!(
            json_of(&first)["params"]["protocolVersion"],
            "2025-11-25",
            "no modern revision has `initialize`"
        );
        assert_eq!(header(&first, "MCP-Protocol-Version"), None);
        let second = initialized(Revision::V2025_06_18);
        assert_eq!(json_of(&second).get("id"), None);
        assert_eq!(header(&second, "MCP-Protocol-Version"), Some("2025-06-18"));
        assert_eq!(header(&initialized(Revision::V2025_03_26), "MCP-Protocol-Version"), None);
    }

    #[test]
    fn modern_requests_carry_meta_and_matching_headers() {
        let list = list(&1.into(), Revision::LATEST, CLIENT, ListKind::Tools, Some("c2"));
        assert_eq!(json_of(&list)["params"]["cursor"], "c2");
        for (outgoing, method) in [(discover(&"d".into(), CLIENT), "server/discover"), (list, "tools/list")] {
            let meta = &json_of(&outgoing)["params"]["_meta"];
            assert_eq!(meta[META_PROTOCOL_VERSION], "2026-07-28");
            assert_eq!(meta[META_CLIENT_INFO]["name"], "smcp");
            assert_eq!(meta[META_CLIENT_CAPABILITIES], json!({}));
            assert_eq!(header(&outgoing, "MCP-Protocol-Version"), Some("2026-07-28"));
            assert_eq!(header(&outgoing, "Mcp-Method"), Some(method));
            assert_eq!(header(&outgoing, "Mcp-Name"), None);
            assert_eq!(header(&outgoing, "Accept"), Some("application/json, text/event-stream"));
            assert_eq!(header(&outgoing, "Content-Type"), Some("application/json"));
        }
    }

    #[test]
    fn a_call_names_its_tool_in_body_and_header() {
        let arguments = Map::from_iter([("a".to_owned(), json!(1))]);
        let call = call_tool(&2.into(), Revision::LATEST, CLIENT, "größe", arguments.clone());
        assert_eq!(header(&call, "Mcp-Name"), Some("=?base64?Z3LDtsOfZQ==?="));
        let body = parse(&call.body, Batches::Refused).unwrap();
        let MessageKind::Request { method, params, .. } = &body.messages()[0].kind else {
            panic!("a request")
        };
        assert_eq!(Method::of(method).subject(*params), Ok(Some(Subject::Tool("größe".to_owned()))));
        let legacy = call_tool(&2.into(), Revision::V2025_06_18, CLIENT, "add", arguments);
        assert_eq!(json_of(&legacy)["params"], json!({"name": "add", "arguments": {"a": 1}}));
        assert_eq!(header(&legacy, "Mcp-Name"), None);
    }
}
