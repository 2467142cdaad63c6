//! What a request of 2026-07-28 must bring: metadata in its body, and headers that repeat what the body says.

use crate::{
    META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, Message, Method, Revision, Subject,
    decode_header_value, errors, members::Members,
};
use serde_json::Value;

/// Key in `_meta`: how much the server logs to this request (2026-07-28, basic/index, "`_meta`").
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Server/utilities/logging, "Log Levels".
pub(crate) const LOG_LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// Why a request is refused, with HTTP 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModernFault {
    /// `HEADER_MISMATCH` or `INVALID_PARAMS`.
    pub code: i32,
    /// For the caller.
    pub message: String,
}

/// What the platform itself reads in a request's `_meta`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMeta {
    /// The capabilities that the client declares.
    pub capabilities: Vec<String>,
    /// W3C Trace Context.
    pub traceparent: Option<String>,
    /// The same.
    pub tracestate: Option<String>,
}

/// Checks a request against the headers it came with. `header` gives the value of a header by its name in lower case.
///
/// # Errors
/// −32020 when a required header is missing or says something else than the body; −32602 when `_meta` lacks what it must
/// have.
pub fn check_modern<'h>(
    message: &Message<'_>,
    revision: Revision,
    header: impl Fn(&str) -> Option<&'h [u8]>,
) -> Result<RequestMeta, ModernFault> {
    let mismatch = |message: String| ModernFault { code: errors::HEADER_MISMATCH, message };
    let name = message.method().unwrap_or_default();
    let method = Method::of(name);
    let params = message.params().and_then(|params| Members::of(params.get()));
    let meta = params.as_ref().and_then(|params| params.get("_meta")).and_then(Members::of);
    let spoken = meta.as_ref().and_then(|meta| meta.text(META_PROTOCOL_VERSION));
    if spoken.as_deref().is_some_and(|spoken| spoken != revision.as_str()) {
        return Err(mismatch("the header mcp-protocol-version does not say what `_meta` says".to_owned()));
    }
    let wrong = |header: &str| mismatch(format!("the header {header} does not say what the body says"));
    // A method is a token of HTTP; nothing says that it may be encoded.
    if header("mcp-method") != Some(name.as_bytes()) {
        return Err(wrong("mcp-method"));
    }
    let subject = method.subject(message.params()).ok().flatten();
    let said = header("mcp-name");
    match (&subject, said) {
        (Some(Subject::Tool(name) | Subject::Prompt(name) | Subject::Resource(name)), Some(said)) => {
            let said = std::str::from_utf8(said).ok().and_then(decode_header_value);
            if said.as_deref() != Some(name.as_str()) {
                return Err(wrong("mcp-name"));
            }
        }
        (Some(_), None) if needs_name(&method) => {
            return Err(mismatch(format!("{name} needs the header mcp-name")));
        }
        // An extension may put a name of its own there; it names nothing that policy knows.
        (Some(_), None) | (None, _) => {}
    }
    checked_meta(meta.as_ref()).map_err(|message| ModernFault { code: errors::INVALID_PARAMS, message })
}

/// Streamable HTTP, "Standard Request Headers".
const fn needs_name(method: &Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

fn checked_meta(meta: Option<&Members<'_>>) -> Result<RequestMeta, String> {
    let meta = meta.ok_or("`params._meta` is missing: every request carries it on this revision")?;
    if meta.text(META_PROTOCOL_VERSION).is_none() {
        return Err(format!("`_meta` has no {META_PROTOCOL_VERSION}"));
    }
    let object = |key: &str| meta.get(key).and_then(|value| serde_json::from_str::<Value>(value).ok());
    let capabilities = meta.get(META_CLIENT_CAPABILITIES).and_then(Members::of);
    let capabilities =
        capabilities.ok_or_else(|| format!("`_meta` has no {META_CLIENT_CAPABILITIES}, an object"))?;
    if let Some(info) = object(META_CLIENT_INFO)
        && !["name", "version"].iter().all(|key| info.get(key).is_some_and(Value::is_string))
    {
        return Err(format!("{META_CLIENT_INFO} has a name and a version, both strings"));
    }
    if meta.get(META_LOG_LEVEL).is_some()
        && !meta.text(META_LOG_LEVEL).is_some_and(|level| LOG_LEVELS.contains(&level.as_str()))
    {
        return Err(format!("{META_LOG_LEVEL} is one of {}", LOG_LEVELS.join(", ")));
    }
    let capabilities = capabilities.iter().map(|(name, _)| name.to_owned()).collect();
    Ok(RequestMeta {
        capabilities,
        traceparent: meta.text("traceparent"),
        tracestate: meta.text("tracestate"),
    })
}

/// The revision that a body's `_meta` names, whatever its headers say.
#[must_use]
pub fn spoken_revision(message: &Message<'_>) -> Option<String> {
    let params = Members::of(message.params()?.get())?;
    Members::of(params.get("_meta")?)?.text(META_PROTOCOL_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batches, parse};
    use serde_json::json;

    fn meta() -> Value {
        json!({ META_PROTOCOL_VERSION: "2026-07-28", META_CLIENT_CAPABILITIES: {}, "traceparent": "t" })
    }

    fn code(method: &str, params: &Value, headers: &[(&str, &str)]) -> Option<i32> {
        let text = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let body = parse(text.as_bytes(), Batches::Refused).unwrap();
        let get = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_bytes());
        check_modern(&body.messages()[0], Revision::V2026_07_28, get).err().map(|fault| fault.code)
    }

    #[test]
    fn headers_repeat_the_body() {
        let params = json!({ "name": "größe", "_meta": meta() });
        let method = ("mcp-method", "tools/call");
        assert_eq!(code("tools/call", &params, &[method, ("mcp-name", "=?base64?Z3LDtsOfZQ==?=")]), None);
        for headers in [
            &[method][..],
            &[("mcp-name", "=?base64?Z3LDtsOfZQ==?=")],
            &[method, ("mcp-name", "x")],
            &[("mcp-method", "TOOLS/CALL"), ("mcp-name", "=?base64?Z3LDtsOfZQ==?=")],
        ] {
            assert_eq!(code("tools/call", &params, headers), Some(errors::HEADER_MISMATCH), "{headers:?}");
        }
        let list = [("mcp-method", "tools/list"), ("mcp-name", "free")];
        assert_eq!(code("tools/list", &json!({ "_meta": meta() }), &list), None);
        let mut other = meta();
        other[META_PROTOCOL_VERSION] = "2025-11-25".into();
        assert_eq!(code("tools/list", &json!({ "_meta": other }), &list), Some(errors::HEADER_MISMATCH));
    }

    #[test]
    fn metadata_is_demanded() {
        let list = [("mcp-method", "tools/list")];
        let without = |key: &str| {
            let mut meta = meta();
            meta.as_object_mut().unwrap().remove(key);
            json!({ "_meta": meta })
        };
        let with = |key: &str, value: Value| {
            let mut meta = meta();
            meta[key] = value;
            json!({ "_meta": meta })
        };
        for params in [
            json!({}),
            json!({ "_meta": [] }),
            without(META_PROTOCOL_VERSION),
            without(META_CLIENT_CAPABILITIES),
            with(META_CLIENT_CAPABILITIES, json!([])),
            with(META_CLIENT_INFO, json!({ "name": "x" })),
            with(META_LOG_LEVEL, json!("loud")),
        ] {
            assert_eq!(code("tools/list", &params, &list), Some(errors::INVALID_PARAMS), "{params}");
        }
        assert_eq!(code("tools/list", &with(META_LOG_LEVEL, json!("info")), &list), None);
    }
}
