//! Error codes of JSON-RPC and of MCP, and the one way to write an error answer.

use crate::{Era, MessageId, Revision};
use serde::Serialize;
use serde_json::Value;

/// Not JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i32 = -32700;
/// JSON, but no message (JSON-RPC 2.0, section 5.1).
pub const INVALID_REQUEST: i32 = -32600;
/// No such method, or one behind a capability that the server did not declare (JSON-RPC 2.0, section 5.1). Over HTTP
/// with status 404 from 2026-07-28 on (basic/transports/streamable-http, "Protocol Version Header").
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Parameters that do not fit the method, an unknown tool or prompt among them (JSON-RPC 2.0, section 5.1); from
/// 2026-07-28 on also an unknown resource (server/resources, "Error Handling").
pub const INVALID_PARAMS: i32 = -32602;
/// The answering side's own fault (JSON-RPC 2.0, section 5.1).
pub const INTERNAL_ERROR: i32 = -32603;

/// An unknown resource, up to 2025-11-25 (server/resources, "Error Handling"). Must not be sent on 2026-07-28.
pub const RESOURCE_NOT_FOUND: i32 = -32002;
/// The client must first visit a URL, 2025-11-25 alone (schema, `URL_ELICITATION_REQUIRED`). Must not be sent on
/// 2026-07-28.
pub const URL_ELICITATION_REQUIRED: i32 = -32042;

/// Headers and body say different things, or a required header is missing (2026-07-28,
/// basic/transports/streamable-http, "Server Validation"). Status 400.
pub const HEADER_MISMATCH: i32 = -32020;
/// The request needs a capability that the client did not declare (2026-07-28, schema,
/// `MissingRequiredClientCapabilityError`). Status 400; `data.requiredCapabilities` names it.
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i32 = -32021;
/// The revision is not spoken here (2026-07-28, schema, `UnsupportedProtocolVersionError`). Status 400;
/// `data.supported` lists those that are, `data.requested` repeats the other.
pub const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;

/// The body of an error answer, JSON in one line.
///
/// Without an id the member is left out. JSON-RPC 2.0 (section 5) would write null, but no revision of MCP allows null
/// there: up to 2025-06-18 the schema has no word for the case, from 2025-11-25 on `id` is optional
/// (`JSONRPCErrorResponse`), and the transports ask for an error "that has no `id`". `message` and `data` go to the
/// caller as they are.
#[must_use]
pub fn error_body(id: Option<&MessageId>, code: i32, message: &str, data: Option<Value>) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a MessageId>,
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        code: i32,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    }
    let answer = Answer { jsonrpc: "2.0", id, error: Error { code, message, data } };
    // Strings, integers and JSON values always serialise; the fallback keeps the promise without a panic.
    serde_json::to_string(&answer).unwrap_or_else(|_| {
        format!(r#"{{"jsonrpc":"2.0","error":{{"code":{INTERNAL_ERROR},"message":"internal error"}}}}"#)
    })
}

/// The body of an answer that lets the model correct itself: the tool was called, and says what is wrong (2025-11-25 and
/// 2026-07-28, server/tools, "Error Handling").
#[must_use]
pub fn tool_error_body(id: Option<&MessageId>, revision: Revision, message: &str) -> String {
    let mut result = serde_json::json!({ "content": [{ "type": "text", "text": message }], "isError": true });
    if revision.era() == Era::Modern {
        result["resultType"] = "complete".into();
    }
    serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unreadable_id_is_left_out() {
        assert_eq!(
            error_body(None, PARSE_ERROR, "not JSON", None),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"not JSON"}}"#
        );
        assert_eq!(
            error_body(
                Some(&"a".into()),
                UNSUPPORTED_PROTOCOL_VERSION,
                "\"x\"",
                Some(json!({"requested": "x"}))
            ),
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32022,"message":"\"x\"","data":{"requested":"x"}}}"#
        );
    }
}
