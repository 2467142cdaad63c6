//! Judging a whole JSON answer of hosted code on the revisions with sessions.

use http::StatusCode;
use smcp_mcp::{Batches, MessageId, MessageKind, Revision};
use smcp_types::Result;

use super::modern_answer::garbage;

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
