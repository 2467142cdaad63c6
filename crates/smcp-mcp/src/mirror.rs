//! Tool parameters that headers repeat (2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters").

use crate::decode_header_value;
use serde_json::Value;
use smcp_types::limits::MAX_JSON_DEPTH;

/// Key in a parameter's schema: which header repeats it.
const ANNOTATION: &str = "x-mcp-header";
/// What stands before that name in the header's.
const PREFIX: &str = "mcp-param-";

/// The parameters of one tool that headers repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    /// The header's name, in lower case.
    header: String,
    /// The keys that lead to the value in the arguments.
    path: Vec<String>,
    /// Whether values are compared as numbers.
    is_integer: bool,
}

impl Mirrors {
    /// Reads a tool's `inputSchema`. Annotations that the specification does not allow, or does not let a server rely on,
    /// are none: conforming clients do not call such a tool at all.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let mut found = Vec::new();
        collect(schema, &mut Vec::new(), &mut found);
        Self(found)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares each with the arguments of a call. `header` gives all values of a header by its name in lower case.
    ///
    /// # Errors
    /// What is wrong, for the caller: −32020.
    pub fn check<'h>(
        &self,
        arguments: Option<&Value>,
        header: impl Fn(&str) -> Vec<&'h [u8]>,
    ) -> Result<(), String> {
        for mirror in &self.0 {
            let value = arguments.and_then(|all| mirror.path.iter().try_fold(all, Value::get));
            let said = header(&mirror.header);
            let fits = match (value.filter(|value| !value.is_null()), &said[..]) {
                (None, []) => true,
                (Some(value), [said]) => {
                    let text = std::str::from_utf8(said).ok().and_then(decode_header_value);
                    text.is_some_and(|text| mirror.says(&text, value))
                }
                _ => false,
            };
            if !fits {
                return Err(format!("the header {} does not say what the arguments say", mirror.header));
            }
        }
        Ok(())
    }
}

impl Mirror {
    fn says(&self, text: &str, value: &Value) -> bool {
        match value {
            Value::String(expected) => text == expected,
            Value::Bool(expected) => text == if *expected { "true" } else { "false" },
            // Integers within 2^53 alone are allowed, and those are exact as f64.
            Value::Number(expected) if self.is_integer && is_decimal(text) => {
                text.parse::<f64>().ok() == expected.as_f64()
            }
            Value::Number(expected) => text == expected.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }
}

/// Digits, perhaps a sign before and a fraction behind.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    digits(whole) && digits(fraction)
}

/// Walks `properties` and nothing else: what is reached otherwise may not be annotated.
fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirror>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    if path.len() >= MAX_JSON_DEPTH {
        return;
    }
    for (key, schema) in properties {
        path.push(key.clone());
        let name = schema.get(ANNOTATION).and_then(Value::as_str);
        let kind = schema.get("type").and_then(Value::as_str);
        if let (Some(name), Some("string" | "integer" | "boolean")) = (name, kind)
            && is_token(name)
        {
            let header = format!("{PREFIX}{}", name.to_ascii_lowercase());
            found.push(Mirror { header, path: path.clone(), is_integer: kind == Some("integer") });
        }
        collect(schema, path, found);
        path.pop();
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    let marks = b"!#$%&'*+-.^_`|~";
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mirrors() -> Mirrors {
        Mirrors::of(&json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "deep": { "type": "object", "properties": { "on": { "type": "boolean", "x-mcp-header": "On" } } },
            "free": { "type": "string" },
            "number": { "type": "number", "x-mcp-header": "Number" },
            "bad": { "type": "string", "x-mcp-header": "a b" },
            "list": { "type": "array", "items": { "type": "string", "x-mcp-header": "Item" } },
        }}))
    }

    fn check(arguments: &Value, headers: &[(&str, &str)]) -> bool {
        let all =
            |name: &str| headers.iter().filter(|(n, _)| *n == name).map(|(_, v)| v.as_bytes()).collect();
        mirrors().check(Some(arguments), all).is_ok()
    }

    #[test]
    fn headers_say_what_the_arguments_say() {
        for (arguments, headers) in [
            (json!({}), &[][..]),
            (json!({ "free": "x", "number": 1.5, "bad": "x" }), &[]),
            (json!({ "region": null }), &[]),
            (json!({ "region": "eu" }), &[("mcp-param-region", "eu")]),
            (json!({ "region": "é" }), &[("mcp-param-region", "=?base64?w6k=?=")]),
            (json!({ "count": 42 }), &[("mcp-param-count", "42.0")]),
            (json!({ "count": -7 }), &[("mcp-param-count", "-7")]),
            (json!({ "deep": { "on": true } }), &[("mcp-param-on", "true")]),
            (json!({}), &[("mcp-param-unknown", "x")]),
        ] {
            assert!(check(&arguments, headers), "{arguments} {headers:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (arguments, headers) in [
            (json!({ "region": "eu" }), &[][..]),
            (json!({}), &[("mcp-param-region", "eu")]),
            (json!({ "region": "eu" }), &[("mcp-param-region", "us")]),
            (json!({ "region": "eu" }), &[("mcp-param-region", "EU")]),
            (json!({ "region": "eu" }), &[("mcp-param-region", "=?base64?***?=")]),
            (json!({ "region": "eu" }), &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")]),
            (json!({ "count": 42 }), &[("mcp-param-count", "43")]),
            (json!({ "count": 42 }), &[("mcp-param-count", "4.2e1")]),
            (json!({ "count": 42 }), &[("mcp-param-count", "inf")]),
            (json!({ "deep": { "on": true } }), &[("mcp-param-on", "True")]),
            (json!({ "region": ["eu"] }), &[("mcp-param-region", "eu")]),
        ] {
            assert!(!check(&arguments, headers), "{arguments} {headers:?}");
        }
        assert!(mirrors().check(None, |_| Vec::new()).is_ok());
    }
}
