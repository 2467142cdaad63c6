//! One message: its members collected in one pass, each value walked, then the shape they make.

use super::{EnvelopeError, ErrorObject, Message, MessageKind, Outcome};
use crate::{
    MessageId,
    strict::{self, Fault, Key, Scope, Strict},
};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The members that mean something to JSON-RPC.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Reads the message in `text`, which starts with `{` and stands inside `depth` arrays.
pub(super) fn message(text: &str, depth: usize) -> Result<Message<'_>, EnvelopeError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let members = Collect { depth }.deserialize(&mut deserializer).map_err(EnvelopeError::not_json)?;
    deserializer.end().map_err(EnvelopeError::not_json)?;
    let id = members.readable_id();
    match members.kind(id.clone()) {
        Ok(kind) => Ok(Message { raw: text, kind }),
        Err(Refused::Rule(message)) => Err(EnvelopeError::invalid(message, id)),
        Err(Refused::Fault(fault)) => {
            let error = EnvelopeError::from(fault);
            let id = if error.code == crate::errors::INVALID_REQUEST { id } else { None };
            Err(EnvelopeError { id, ..error })
        }
    }
}

enum Refused {
    Rule(&'static str),
    Fault(Fault),
}

/// What one pass over a message found. The grammar is checked to the end even after a fault, so that a body which is
/// no JSON is never called anything else, and so that the id is known.
#[derive(Default)]
struct Members<'a> {
    values: [Option<&'a RawValue>; MEMBERS.len()],
    fault: Option<Fault>,
    ids: u8,
}

impl<'a> Members<'a> {
    fn take(&mut self, key: Cow<'a, str>, value: &'a RawValue, walk: &mut Strict<'a>, scope: &mut Scope<'a>) {
        if key == "id" {
            self.ids = self.ids.saturating_add(1);
        }
        if self.fault.is_some() {
            if key == "id" {
                self.values[1] = self.values[1].or(Some(value));
            }
            return;
        }
        self.fault = self.place(key, value, walk, scope).err();
    }

    fn place(
        &mut self,
        key: Cow<'a, str>,
        value: &'a RawValue,
        walk: &mut Strict<'a>,
        scope: &mut Scope<'a>,
    ) -> Result<(), Fault> {
        match MEMBERS.iter().position(|member| *member == key) {
            Some(slot) if self.values[slot].is_some() => return Err(Fault::repeated(&key)),
            Some(slot) => self.values[slot] = Some(value),
            // JSON-RPC 2.0 is silent about further members, and the schema of every MCP revision leaves its objects
            // open, so they pass. But a reader that ignores case (Go's encoding/json, which hosted Wasm may bring)
            // would take `Method` for `method`: such a twin is a repeated key.
            None if MEMBERS.iter().any(|member| strict::folds_to(&key, member)) => {
                return Err(Fault::repeated(&key));
            }
            None => walk.insert(scope, key)?,
        }
        walk.check(value, scope.depth)
    }

    /// The id, if there is exactly one and it is one.
    fn readable_id(&self) -> Option<MessageId> {
        if self.ids > 1 {
            return None;
        }
        self.values[1].and_then(MessageId::from_raw)
    }

    fn kind(self, id: Option<MessageId>) -> Result<MessageKind<'a>, Refused> {
        if let Some(fault) = self.fault {
            return Err(Refused::Fault(fault));
        }
        let [version, raw_id, method, params, result, error] = self.values;
        if version.and_then(strict::string).as_deref() != Some("2.0") {
            return Err(Refused::Rule("`jsonrpc` must be the string \"2.0\""));
        }
        match (method, result, error) {
            (Some(method), None, None) => call(method, params, raw_id.map(|_| id)),
            (None, Some(result), None) if is_object(result) => {
                let id =
                    id.ok_or(Refused::Rule("a response has the id it answers: a string or an integer"))?;
                Ok(MessageKind::Response { id: Some(id), outcome: Outcome::Result(result) })
            }
            (None, Some(_), None) => Err(Refused::Rule("`result` must be an object")),
            (None, None, Some(error)) => failure(error, raw_id, id),
            (Some(_), _, _) => Err(Refused::Rule("a message has either `method`, `result` or `error`")),
            (None, Some(_), Some(_)) => {
                Err(Refused::Rule("a response has either `result` or `error`, not both"))
            }
            (None, None, None) => Err(Refused::Rule("a message has `method`, `result` or `error`")),
        }
    }
}

/// A request if there is an `id` member, whatever it holds, else a notification.
fn call<'a>(
    method: &'a RawValue,
    params: Option<&'a RawValue>,
    id: Option<Option<MessageId>>,
) -> Result<MessageKind<'a>, Refused> {
    let method = strict::string(method).ok_or(Refused::Rule("`method` must be a string"))?;
    // JSON-RPC 2.0 allows arrays here, MCP does not (basic/index, "Messages").
    if params.is_some_and(|params| !is_object(params)) {
        return Err(Refused::Rule("`params` must be an object"));
    }
    match id {
        None => Ok(MessageKind::Notification { method, params }),
        Some(Some(id)) => Ok(MessageKind::Request { id, method, params }),
        Some(None) => Err(Refused::Rule("`id` must be a string or an integer within ±(2^53 − 1), not null")),
    }
}

fn failure<'a>(
    error: &'a RawValue,
    raw_id: Option<&'a RawValue>,
    id: Option<MessageId>,
) -> Result<MessageKind<'a>, Refused> {
    #[derive(Deserialize)]
    struct Parts<'a> {
        code: i64,
        #[serde(borrow)]
        message: &'a RawValue,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let wrong = Refused::Rule("`error` must be an object with an integer `code` and a string `message`");
    // A peer that could not read our id says so with null (JSON-RPC 2.0, section 5) or without one (MCP from
    // 2025-11-25 on). Nothing but an error may: any other id that is none is refused.
    if id.is_none() && raw_id.is_some_and(|raw| raw.get() != "null") {
        return Err(Refused::Rule("`id` must be a string or an integer within ±(2^53 − 1)"));
    }
    if !is_object(error) {
        return Err(wrong);
    }
    let Ok(parts) = serde_json::from_str::<Parts<'a>>(error.get()) else {
        return Err(wrong);
    };
    let Some(message) = strict::string(parts.message) else {
        return Err(wrong);
    };
    let error = ErrorObject { code: parts.code, message, data: parts.data };
    Ok(MessageKind::Response { id, outcome: Outcome::Error(error) })
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

struct Collect {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Collect {
    type Value = Members<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Collect {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        let mut walk = Strict::default();
        let mut scope = walk.open(self.depth);
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value::<&'de RawValue>()?;
            members.take(key, value, &mut walk, &mut scope);
        }
        Ok(members)
    }
}
