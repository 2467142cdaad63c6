//! Checking the messages of a request: the permission each one needs, and what it may carry upstream.

use http::HeaderMap;
use smcp_mcp::{
    Body, Era, InvalidParams, Message, MessageId, MessageKind, Method, Revision, Subject, errors, rounds,
};
use smcp_policy::Action;

use super::{Cause, Conversation, McpFailure};
use crate::{
    Platform,
    authority::{Permit, UseServer},
    context::Ctx,
};

/// Headers that hosted code sees. Everything else stays here: credentials, cookies, addresses, whatever comes next.
const PASSED_ON: &[&str] = &[
    "accept",
    "content-type",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "traceparent",
    "tracestate",
];
/// Headers that mirror tool parameters (2026-07-28, Custom Headers from Tool Parameters).
const PARAMETER_PREFIX: &str = "mcp-param-";

/// The client's headers that go upstream. Those that mirror the body belong to the modern era alone.
pub(super) fn passed_on(client: &HeaderMap, era: Era) -> HeaderMap {
    let mirrors =
        |name: &str| matches!(name, "mcp-method" | "mcp-name") || name.starts_with(PARAMETER_PREFIX);
    let passes = |name: &str| match era {
        Era::Legacy => PASSED_ON.contains(&name) && !mirrors(name),
        Era::Modern => PASSED_ON.contains(&name) || mirrors(name),
    };
    client
        .iter()
        .filter(|(name, _)| passes(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Takes away what would mirror the body.
pub(super) fn remove_mirrors(headers: &mut HeaderMap) {
    let mirrors =
        |name: &str| matches!(name, "mcp-method" | "mcp-name") || name.starts_with(PARAMETER_PREFIX);
    let names: Vec<_> = headers.keys().filter(|name| mirrors(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Messages that may be sent.
pub(super) struct Checked {
    /// Proof that every one of them may be.
    pub(super) permit: Permit<UseServer>,
    /// Requests that wait for an answer.
    pub(super) waiting: Vec<MessageId>,
    /// Whether it is the `initialize` of a legacy session.
    pub(super) begins_session: bool,
}

impl Platform {
    /// Every message of the body must be permitted, or none is sent.
    pub(super) fn check_messages(
        &self,
        ctx: &Ctx,
        talk: &Conversation,
        body: &Body<'_>,
    ) -> Result<Checked, McpFailure> {
        let mut checked =
            Checked { permit: self.connect_permit(ctx, talk)?, waiting: Vec::new(), begins_session: false };
        for message in body.messages() {
            self.check_message(ctx, talk, message, &mut checked)
                .map_err(|cause| McpFailure { id: requested(message).cloned(), cause })?;
        }
        Ok(checked)
    }

    fn check_message(
        &self,
        ctx: &Ctx,
        talk: &Conversation,
        message: &Message<'_>,
        checked: &mut Checked,
    ) -> Result<(), Cause> {
        checked.waiting.extend(requested(message).cloned());
        // A response answers what the server asked this caller; being connected is permission enough.
        let Some(name) = message.method() else { return Ok(()) };
        let method = Method::of(name);
        checked.begins_session |= method == Method::Initialize;
        let invalid = |error: InvalidParams| invalid(message, &error);
        let subject = method.subject(message.params()).map_err(invalid)?;
        method.check_params(talk.revision, message.params()).map_err(invalid)?;
        let name = subject.as_ref().map(subject_name);
        self.authority
            .authorize_use(&ctx.caller, &talk.server, action_of(&method, subject.as_ref()), name)
            .map_err(Cause::Platform)?;
        for uri in method.listened_resources(message.params()).map_err(invalid)? {
            self.authority
                .authorize_use(&ctx.caller, &talk.server, Action::ReadResource, Some(&uri))
                .map_err(Cause::Platform)?;
        }
        pinned(talk, subject.as_ref())?;
        arguments(talk, message, (&method, name))
    }
}

/// The refusal of wrong parameters. What is no request has no answer: there the status says it (Streamable HTTP,
/// "Sending Messages").
fn invalid(message: &Message<'_>, error: &InvalidParams) -> Cause {
    let (code, text) = (errors::INVALID_PARAMS, error.to_string());
    match requested(message) {
        Some(_) => Cause::Message { code, message: text },
        None => Cause::Envelope { code, message: text },
    }
}

/// The arguments of a call against the schema of its tool, where the manifest asks for it. Since 2025-11-25 the answer is
/// the tool's own, so that the model can correct itself (server/tools, "Error Handling").
fn arguments(
    talk: &Conversation,
    message: &Message<'_>,
    (method, name): (&Method, Option<&str>),
) -> Result<(), Cause> {
    let (Method::ToolsCall, Some(tool)) = (method, name) else { return Ok(()) };
    // A later round is of the version that asked, which has checked these very arguments: its state says so, or is refused.
    let is_later_round = matches!(rounds::brought_state(message.params()), Ok(Some(_)));
    if talk.revision.era() == Era::Modern && is_later_round && requested(message).is_some() {
        return Ok(());
    }
    let Some(schemas) = talk.active.schemas().map_err(Cause::Platform)? else { return Ok(()) };
    let given = method.arguments(message.params()).map_err(|error| invalid(message, &error))?;
    let Err(why) = schemas.check(tool, given) else { return Ok(()) };
    let message_text = format!("invalid arguments: {why}");
    // A call that asked for a task would wait for one.
    if talk.revision >= Revision::V2025_11_25 && !smcp_mcp::asks_for_task(message) {
        return Err(Cause::Tool { message: message_text, revision: talk.revision });
    }
    Err(Cause::Message { code: errors::INVALID_PARAMS, message: message_text })
}

fn subject_name(subject: &Subject) -> &str {
    match subject {
        Subject::Tool(name) | Subject::Prompt(name) | Subject::Resource(name) => name,
    }
}

/// The id of a message that waits for an answer.
fn requested<'a>(message: &'a Message<'_>) -> Option<&'a MessageId> {
    match &message.kind {
        MessageKind::Request { id, .. } => Some(id),
        MessageKind::Notification { .. } | MessageKind::Response { .. } => None,
    }
}

/// What the policy is asked about a method.
fn action_of(method: &Method, subject: Option<&Subject>) -> Action {
    match subject {
        Some(Subject::Tool(_)) => return Action::CallTool,
        Some(Subject::Prompt(_)) => return Action::GetPrompt,
        Some(Subject::Resource(_)) => return Action::ReadResource,
        None => {}
    }
    match method {
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::ResourceTemplatesList => {
            Action::List
        }
        Method::ToolsCall => Action::CallTool,
        Method::PromptsGet | Method::Complete => Action::GetPrompt,
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            Action::ReadResource
        }
        // A task is the rest of a call; what else it may be, only an extension knows.
        Method::TasksGet
        | Method::TasksResult
        | Method::TasksList
        | Method::TasksCancel
        | Method::TasksUpdate
        | Method::Other(_) => Action::UseExtension,
        Method::Initialize
        | Method::Ping
        | Method::Discover
        | Method::SetLevel
        | Method::SubscriptionsListen
        | Method::Initialized
        | Method::Cancelled
        | Method::Progress
        | Method::RootsListChanged
        | Method::TasksStatus => Action::Connect,
    }
}

/// A pinned server offers what it showed at its deploy and nothing else (DESIGN 10).
fn pinned(talk: &Conversation, subject: Option<&Subject>) -> Result<(), Cause> {
    if !talk.active.is_pinned() {
        return Ok(());
    }
    let definitions = &talk.active.definitions;
    let (kind, name) = match subject {
        Some(Subject::Tool(name)) if !definitions.has_tool(name) => ("tool", name),
        Some(Subject::Prompt(name)) if !definitions.has_prompt(name) => ("prompt", name),
        _ => return Ok(()),
    };
    let message = format!("unknown {kind}: {}", name.chars().take(100).collect::<String>());
    Err(Cause::Message { code: errors::INVALID_PARAMS, message })
}
