//! The JSON-RPC envelope: from the bytes of a body to checked messages, or the refusal to answer with.

mod shape;

use crate::{MessageId, Revision, errors, strict};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use smcp_types::limits::{MAX_BATCH_MESSAGES, MAX_JSON_DEPTH};
use std::{borrow::Cow, collections::BTreeSet, fmt};

/// Whether a body may be a JSON-RPC batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// A batch is refused with −32600.
    Refused,
    /// A batch of 1 to `MAX_BATCH_MESSAGES` messages is fine.
    Allowed,
}

impl From<Revision> for Batches {
    fn from(revision: Revision) -> Self {
        if revision.has_batches() { Self::Allowed } else { Self::Refused }
    }
}

/// What a body holds.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// One message.
    Single(Message<'a>),
    /// At least one, at most `MAX_BATCH_MESSAGES` messages (2025-03-26 only).
    Batch(Vec<Message<'a>>),
}

impl<'a> Body<'a> {
    /// The messages, in the order they stand.
    #[must_use]
    pub fn messages(&self) -> &[Message<'a>] {
        match self {
            Self::Single(message) => std::slice::from_ref(message),
            Self::Batch(messages) => messages,
        }
    }
}

/// One JSON-RPC message, checked.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The message's own text, from its `{` to its `}`, byte for byte as it came.
    pub raw: &'a str,
    /// What it is.
    pub kind: MessageKind<'a>,
}

impl<'a> Message<'a> {
    /// The id of a request, or of the request a response answers.
    #[must_use]
    pub fn id(&self) -> Option<&MessageId> {
        match &self.kind {
            MessageKind::Request { id, .. } => Some(id),
            MessageKind::Notification { .. } => None,
            MessageKind::Response { id, .. } => id.as_ref(),
        }
    }

    /// The method of a request or a notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            MessageKind::Request { method, .. } | MessageKind::Notification { method, .. } => Some(method),
            MessageKind::Response { .. } => None,
        }
    }

    /// The parameters of a request or a notification, an object.
    #[must_use]
    pub fn params(&self) -> Option<&'a RawValue> {
        match &self.kind {
            MessageKind::Request { params, .. } | MessageKind::Notification { params, .. } => *params,
            MessageKind::Response { .. } => None,
        }
    }
}

/// The three shapes of a message. Every raw value in here has been checked at every level: depth, repeated keys,
/// Unicode, numbers in range.
#[derive(Clone, Debug)]
pub enum MessageKind<'a> {
    /// Asks for an answer.
    Request {
        /// To be repeated in the answer.
        id: MessageId,
        /// What to do; any text, known or not.
        method: Cow<'a, str>,
        /// A JSON object, if there are any.
        params: Option<&'a RawValue>,
    },
    /// Tells something; never answered.
    Notification {
        /// What happened; any text, known or not.
        method: Cow<'a, str>,
        /// A JSON object, if there are any.
        params: Option<&'a RawValue>,
    },
    /// Answers a request.
    Response {
        /// Whom it answers. `None` only in an error whose sender could not read the id of what it refuses.
        id: Option<MessageId>,
        /// How the request ended.
        outcome: Outcome<'a>,
    },
}

/// How a request ended.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// Well: a JSON object (MCP, basic/index, "Responses").
    Result(&'a RawValue),
    /// Badly.
    Error(ErrorObject<'a>),
}

/// The `error` member of a response (JSON-RPC 2.0, section 5.1).
#[derive(Clone, Debug)]
pub struct ErrorObject<'a> {
    /// See `crate::errors`.
    pub code: i64,
    /// One sentence, written by the peer.
    pub message: Cow<'a, str>,
    /// Anything.
    pub data: Option<&'a RawValue>,
}

/// Why a body is refused, ready for an error answer with HTTP 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EnvelopeError {
    /// `errors::PARSE_ERROR` or `errors::INVALID_REQUEST`.
    pub code: i32,
    /// For the caller: names the rule; of the body it repeats at most one key.
    pub message: String,
    /// The refused message's id where it could be read without doubt.
    pub id: Option<MessageId>,
}

impl EnvelopeError {
    fn not_json(why: impl fmt::Display) -> Self {
        Self { code: errors::PARSE_ERROR, message: format!("the body is not JSON: {why}"), id: None }
    }

    fn invalid(message: impl Into<String>, id: Option<MessageId>) -> Self {
        Self { code: errors::INVALID_REQUEST, message: message.into(), id }
    }
}

/// Reads the body of a POST or the data of an event.
///
/// The caller bounds its size first (`MAX_MCP_BODY_BYTES`). Time is linear in it (n log n in the keys of one object),
/// memory a small multiple of it in the worst case and next to nothing in the usual one: values stay where they are.
/// Recursion ends at `MAX_JSON_DEPTH`.
///
/// # Errors
/// −32700 (parse error) for what is no JSON text: wrong grammar, not UTF-8, a byte order mark, bytes after the end,
/// half a surrogate pair, a number no `f64` holds. −32600 (invalid request) for JSON that is no message: nested too
/// deep, a key twice in one object at any level, a wrong or missing member, an unwelcome or empty batch, `initialize`
/// in a batch, two requests with one id. A batch is refused whole when one of its messages is: what passes must be checked to the last byte.
pub fn parse(body: &[u8], batches: Batches) -> Result<Body<'_>, EnvelopeError> {
    let text = std::str::from_utf8(body).map_err(|_| EnvelopeError::not_json("it is not UTF-8"))?;
    let text = trim(text);
    if text.starts_with('\u{feff}') {
        return Err(EnvelopeError::not_json("it starts with a byte order mark"));
    }
    match text.as_bytes().first() {
        Some(b'{') => shape::message(text, 0).map(Body::Single),
        Some(b'[') => batch(text, batches),
        Some(_) | None => {
            serde_json::from_str::<&RawValue>(text).map_err(EnvelopeError::not_json)?;
            Err(EnvelopeError::invalid("a message is a JSON object", None))
        }
    }
}

/// Cuts JSON's own white space off both ends (RFC 8259, section 2), and no other.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

fn batch(text: &str, batches: Batches) -> Result<Body<'_>, EnvelopeError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parts = Parts.deserialize(&mut deserializer).map_err(EnvelopeError::not_json)?;
    deserializer.end().map_err(EnvelopeError::not_json)?;
    let invalid = |message: String| Err(EnvelopeError::invalid(message, None));
    if batches == Batches::Refused {
        return invalid("this revision of MCP has no batches: send one message per request".to_owned());
    }
    if parts.is_empty() || parts.len() > MAX_BATCH_MESSAGES {
        return invalid(format!("a batch has 1 to {MAX_BATCH_MESSAGES} messages"));
    }
    let (mut messages, mut ids) = (Vec::with_capacity(parts.len()), BTreeSet::new());
    for part in parts {
        if !part.get().starts_with('{') {
            return invalid("a batch holds messages, which are JSON objects".to_owned());
        }
        let message = shape::message(part.get(), 1)?;
        // 2025-03-26, basic/lifecycle, "Initialization".
        if message.method() == Some("initialize") {
            return Err(EnvelopeError::invalid(
                "`initialize` stands alone, not in a batch",
                message.id().cloned(),
            ));
        }
        if let MessageKind::Request { id, .. } = &message.kind
            && !ids.insert(id.clone())
        {
            // Nobody could tell whose answer is whose.
            return invalid("two requests of a batch have the same id".to_owned());
        }
        messages.push(message);
    }
    Ok(Body::Batch(messages))
}

/// The elements of an array, at most one more than a batch may have: enough to see that it is too long.
struct Parts;

impl<'de> DeserializeSeed<'de> for Parts {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Parts {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element::<&RawValue>()? {
            if parts.len() <= MAX_BATCH_MESSAGES {
                parts.push(part);
            }
        }
        Ok(parts)
    }
}

const _: () = assert!(MAX_JSON_DEPTH < 100, "serde_json stops at 128 by itself, with another message");

impl From<strict::Fault> for EnvelopeError {
    fn from(fault: strict::Fault) -> Self {
        match fault {
            strict::Fault::Unreadable => Self::not_json(fault),
            strict::Fault::TooDeep | strict::Fault::Repeated(_) => Self::invalid(fault.to_string(), None),
        }
    }
}

#[cfg(test)]
mod tests;
