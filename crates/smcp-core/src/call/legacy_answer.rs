//! Judging what hosted code answers on the revisions with sessions: whole answers of JSON, and events one by one.

use http::StatusCode;
use serde_json::json;
use smcp_mcp::{Batches, MessageId, MessageKind, Revision, errors, sse};
use smcp_types::{Error, Refusal, RequestId, Result};

use super::{answer::Form, modern_answer::garbage, relay};

/// Judges an answer to requests that wait for one. Without any there is nothing that it could answer.
///
/// # Errors
/// `Hosted` when it is not made of responses, one to each request.
pub(super) fn judge(revision: Revision, status: StatusCode, waiting: &[MessageId], raw: &[u8]) -> Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let parsed = smcp_mcp::parse(raw, Batches::from(revision)).map_err(garbage)?;
    let mut open = waiting.to_vec();
    for message in parsed.messages() {
        match &message.kind {
            MessageKind::Response { id: Some(id), .. } => {
                let at = open.iter().position(|open| open == id);
                open.swap_remove(at.ok_or_else(|| garbage("it answers what was not asked"))?);
            }
            // An error of one who could not read the id.
            MessageKind::Response { id: None, .. } => {}
            MessageKind::Request { .. } | MessageKind::Notification { .. } => {
                return Err(garbage("it is no JSON-RPC response"));
            }
        }
    }
    if status == StatusCode::OK && !open.is_empty() {
        return Err(garbage(format!("it leaves {} of {} requests open", open.len(), waiting.len())));
    }
    Ok(())
}

/// Judges the whole answer to `initialize`.
///
/// # Errors
/// `Hosted` when there is something in it that is not MCP, or answers what was not asked.
pub(super) fn judge_first(form: Form, waiting: &[MessageId], raw: &[u8]) -> Result<()> {
    // What is agreed on in here holds from the next message on; no batch may stand here in any revision.
    let revision = Revision::LATEST_LEGACY;
    match form {
        Form::Json => judge(revision, StatusCode::OK, waiting, raw),
        Form::Events => {
            let (mut decoder, mut events) = (sse::Decoder::new(raw.len()), Vec::new());
            decoder.push(raw, &mut events).map_err(garbage)?;
            events
                .into_iter()
                .filter_map(|event| event.data)
                .try_for_each(|data| carries(revision, waiting, &data))
        }
        Form::Empty => Err(Error::Hosted(Refusal::new("it answered initialize without a message"))),
    }
}

/// The event as it may go to the client. In place of one that is not MCP, or answers what nobody waits for, an error goes to
/// each request that waits, and nothing when none does.
pub(super) fn judged(
    event: sse::Event,
    revision: Revision,
    waiting: &[MessageId],
    id: RequestId,
) -> sse::Event {
    let Some(data) = &event.data else { return event };
    let Err(error) = carries(revision, waiting, data) else { return event };
    if waiting.is_empty() {
        // Said once, when there was somebody to tell: a server cannot fill the log.
        tracing::debug!(request.id = %id, reason = %error, "an event of a hosted server was left out");
        return sse::Event { data: None, event: None, ..event };
    }
    tracing::warn!(request.id = %id, reason = %error, "an event of a hosted server is not MCP");
    let data = json!({ "requestId": id.to_string() });
    let failure = |waiting: &MessageId| {
        errors::error_body(Some(waiting), errors::INTERNAL_ERROR, &relay::spoken(&error), Some(data.clone()))
    };
    let each: Vec<String> = waiting.iter().map(failure).collect();
    // Several wait on the one revision that has batches.
    let data = if let [one] = each.as_slice() { one.clone() } else { format!("[{}]", each.join(",")) };
    sse::Event { data: Some(data), event: None, ..event }
}

/// Whether an event carries what may stand on a stream: requests and notifications, and answers to what waits.
fn carries(revision: Revision, waiting: &[MessageId], data: &str) -> Result<()> {
    if data.is_empty() {
        // It says where the stream is, and no more (2025-11-25, Transports, Sending Messages).
        return Ok(());
    }
    let parsed = smcp_mcp::parse(data.as_bytes(), Batches::from(revision)).map_err(garbage)?;
    let stray = parsed.messages().iter().any(|message| match &message.kind {
        MessageKind::Response { id: Some(id), .. } => !waiting.contains(id),
        MessageKind::Response { id: None, .. }
        | MessageKind::Request { .. }
        | MessageKind::Notification { .. } => false,
    });
    if stray { Err(garbage("it answers what was not asked")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: RequestId = RequestId::from_bytes([7; 16]);

    fn passed(revision: Revision, waiting: &[MessageId], data: &str) -> Option<String> {
        let event = sse::Event { id: Some("4".to_owned()), ..sse::Event::message(data) };
        let judged = judged(event, revision, waiting, ID);
        assert_eq!(judged.id.as_deref(), Some("4"), "where the stream is stays known");
        judged.data
    }

    #[test]
    fn what_a_stream_may_carry_passes_unchanged() {
        let waiting = [MessageId::from(1), "a".into()];
        for data in [
            "",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":1,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
        ] {
            assert_eq!(passed(Revision::V2025_11_25, &waiting, data).as_deref(), Some(data));
        }
        let batch = r#"[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":"a","result":{}}]"#;
        assert_eq!(passed(Revision::V2025_03_26, &waiting, batch).as_deref(), Some(batch));
    }

    #[test]
    fn garbage_becomes_an_error_for_whoever_waits() {
        let one = [MessageId::from(1)];
        let stray = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
        for data in [stray, "{", "<h1>", "[]", "null", r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#] {
            let told = passed(Revision::V2025_11_25, &one, data).unwrap();
            assert!(told.contains("-32603") && told.contains(&ID.to_string()), "{told}");
            assert_eq!(relay::answered_ids(told.as_bytes()), one);
            assert_eq!(passed(Revision::V2025_11_25, &[], data), None, "nobody waits");
        }
        let two = [MessageId::from(1), "a".into()];
        let told = passed(Revision::V2025_03_26, &two, stray).unwrap();
        assert_eq!(relay::answered_ids(told.as_bytes()), two);
    }

    #[test]
    fn the_first_answer_is_judged_as_any() {
        let waiting = [MessageId::from(1)];
        let good = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let note = r#"{"jsonrpc":"2.0","method":"notifications/message"}"#;
        for (form, raw, fine) in [
            (Form::Json, good.to_owned(), true),
            (Form::Json, good.replace('1', "2"), false),
            (Form::Json, "{".to_owned(), false),
            (Form::Json, format!("[{good}]"), false),
            (Form::Events, format!("id: 1\ndata:\n\ndata: {note}\n\ndata: {good}\n\n"), true),
            (Form::Events, format!("data: {}\n\n", good.replace(":1", ":2")), false),
            (Form::Events, format!("data: x\n\ndata: {good}\n\n"), false),
            (Form::Empty, String::new(), false),
        ] {
            assert_eq!(judge_first(form, &waiting, raw.as_bytes()).is_ok(), fine, "{form:?} {raw}");
        }
    }
}
