//! Requests of more than one round (2026-07-28, Multi Round-Trip Requests): where `requestState` stands, and what it is of.

use crate::{Message, Method, members::Members};
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeSet, fmt::Write as _};

const STATE: &str = "requestState";
/// What differs between the rounds of one request; everything else is the same in each.
const OF_ONE_ROUND: [&str; 3] = ["inputResponses", STATE, "_meta"];

/// Whether a method may be answered with a question ("Supported Requests").
#[must_use]
pub const fn has_rounds(method: &Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// The state that a request brings back, as its text; `Err` when there is one that is no string.
///
/// # Errors
/// The rule, for the caller.
pub fn brought_state(params: Option<&RawValue>) -> Result<Option<String>, &'static str> {
    let Some(members) = params.and_then(|params| Members::of(params.get())) else { return Ok(None) };
    match members.get(STATE) {
        None => Ok(None),
        Some(_) => members.text(STATE).map(Some).ok_or("`requestState` must be a string"),
    }
}

/// A request with another state, or without one.
#[must_use]
pub fn with_brought_state(message: &Message<'_>, state: Option<&str>) -> Option<String> {
    replaced(message.raw, "params", state)
}

/// The parameters that are the same in every round, in one spelling: to be digested.
#[must_use]
pub fn same_in_every_round(params: Option<&RawValue>) -> String {
    let mut out = String::new();
    let Some(members) = params.and_then(|params| Members::of(params.get())) else { return out };
    let mut kept: Vec<_> = members.iter().filter(|(key, _)| !OF_ONE_ROUND.contains(key)).collect();
    kept.sort_unstable();
    for (key, value) in kept {
        let _ = write!(out, "{}:", Value::from(key));
        // `parse` has read it, so this does not fail; as text it would only compare more strictly.
        match serde_json::from_str::<Value>(value) {
            Ok(value) => one_spelling(&value, &mut out),
            Err(_) => out.push_str(value),
        }
        out.push(',');
    }
    out
}

/// Keys in order, no white space: the same however a client writes it down the second time.
fn one_spelling(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in members {
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                one_spelling(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                one_spelling(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// A result that asks for input.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The server's own state, if it has any.
    pub state: Option<String>,
    /// The capabilities a client needs to answer.
    pub needs: BTreeSet<&'static str>,
}

/// Whether a result asks for input (`resultType` is `input_required`).
///
/// # Errors
/// When its state is no string, or it asks what no client can be asked.
pub fn question(result: &RawValue) -> Result<Option<Question>, &'static str> {
    let Some(members) = Members::of(result.get()) else { return Ok(None) };
    if members.text("resultType").as_deref() != Some("input_required") {
        return Ok(None);
    }
    match (members.get(STATE), members.text(STATE)) {
        (Some(_), None) => Err("`requestState` must be a string"),
        (_, state) => Ok(Some(Question { state, needs: needs(members.get("inputRequests"))? })),
    }
}

/// What input requests ask for ("Server Requirements": these three and no other).
fn needs(requests: Option<&str>) -> Result<BTreeSet<&'static str>, &'static str> {
    let Some(requests) = requests else { return Ok(BTreeSet::new()) };
    let requests = Members::of(requests).ok_or("`inputRequests` must be an object")?;
    let methods = requests.iter().map(|(_, request)| Members::of(request)?.text("method"));
    methods
        .map(|method| match method.as_deref() {
            Some("elicitation/create") => Ok("elicitation"),
            Some("sampling/createMessage") => Ok("sampling"),
            Some("roots/list") => Ok("roots"),
            Some(_) | None => Err("`inputRequests` asks what no client can be asked"),
        })
        .collect()
}

/// An answer with another state.
#[must_use]
pub fn with_asked_state(message: &Message<'_>, state: &str) -> Option<String> {
    replaced(message.raw, "result", Some(state))
}

fn replaced(raw: &str, within: &'static str, state: Option<&str>) -> Option<String> {
    let mut message = Members::of(raw)?;
    let changed = {
        let mut inner = Members::of(message.get(within)?)?;
        inner.set(STATE, state.map(|state| Value::from(state).to_string()));
        inner.write()
    };
    message.set(within, Some(changed));
    Some(message.write())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batches, MessageKind, Outcome, parse};

    fn request(params: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    }

    #[test]
    fn only_the_state_changes_on_its_way() {
        let text = request(r#"{"name":"a","requestState":"ours","n":1.0,"arguments":{"b":1,"a":[ 2 ]}}"#);
        let body = parse(text.as_bytes(), Batches::Refused).unwrap();
        let message = &body.messages()[0];
        assert_eq!(brought_state(message.params()), Ok(Some("ours".to_owned())));
        let theirs = with_brought_state(message, Some("\"theirs\"")).unwrap();
        assert_eq!(theirs, text.replace("\"ours\"", r#""\"theirs\"""#));
        let none = with_brought_state(message, None).unwrap();
        assert_eq!(none, text.replace("\"requestState\":\"ours\",", ""));
    }

    #[test]
    fn the_rounds_of_one_request_are_told_from_other_requests() {
        let same = |params: &str| {
            let text = request(params);
            let body = parse(text.as_bytes(), Batches::Refused).unwrap();
            same_in_every_round(body.messages()[0].params())
        };
        let first =
            same(r#"{"name":"a","arguments":{"x":1,"y":[{"b":1,"a":2}]},"_meta":{"progressToken":1}}"#);
        let again = r#"{"_meta":{},"inputResponses":{"q":{}},"requestState":"s","arguments":{"y":[{"a":2,"b":1}],"x":1},"name":"a"}"#;
        assert_eq!(first, same(again));
        for other in [
            r#"{"name":"b","arguments":{"x":1,"y":[{"b":1,"a":2}]}}"#,
            r#"{"name":"a","arguments":{"x":2,"y":[{"b":1,"a":2}]}}"#,
            r#"{"name":"a","arguments":{"x":"1","y":[{"b":1,"a":2}]}}"#,
            r#"{"name":"a","arguments":{"x":1,"y":[{"b":1},{"a":2}]}}"#,
            r#"{"name":"a","arguments":{"x":1,"y":[{"b":1,"a":2}],"z":null}}"#,
            "{}",
        ] {
            assert_ne!(first, same(other), "{other}");
        }
    }

    #[test]
    fn questions_are_found_however_they_are_spelled() {
        let read = |result: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            let body = parse(text.as_bytes(), Batches::Refused).unwrap();
            let message = body.messages()[0].clone();
            let MessageKind::Response { outcome: Outcome::Result(raw), .. } = message.kind else { panic!() };
            let found = question(raw);
            found.map(|found| (found, with_asked_state(&message, "w").unwrap()))
        };
        let (found, sealed) =
            read(r#"{"resultType":"input\u005frequired","requestState":"s","a":1}"#).unwrap();
        assert_eq!(found, Some(Question { state: Some("s".to_owned()), needs: BTreeSet::new() }));
        assert!(sealed.ends_with(r#""requestState":"w","a":1}}"#), "{sealed}");
        let asking = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}"#;
        let (found, sealed) = read(asking).unwrap();
        assert_eq!(found, Some(Question { state: None, needs: BTreeSet::from(["roots"]) }));
        assert!(sealed.ends_with(r#"{"a":{"method":"roots/list"}},"requestState":"w"}}"#), "{sealed}");
        for requests in ["[]", "{\"a\":{}}", "{\"a\":{\"method\":\"ping\"}}"] {
            let asking = format!(r#"{{"resultType":"input_required","inputRequests":{requests}}}"#);
            assert!(read(&asking).is_err(), "{asking}");
        }
        assert_eq!(read(r#"{"resultType":"complete","requestState":"s"}"#).unwrap().0, None);
        assert!(read(r#"{"resultType":"input_required","requestState":1}"#).is_err());
    }
}
