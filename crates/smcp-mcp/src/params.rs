//! What the parameters of each method must be, by the revision's schema: the members that mean something, and their types.

use crate::{InvalidParams, Message, Method, Revision, members::Members, modern::LOG_LEVELS};
use serde_json::value::RawValue;

/// What a value must be.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// One of these texts.
    Word(&'static [&'static str]),
    Number,
    Flag,
    /// A string or an integer, as ids are.
    Token,
    /// An object, with these members among others.
    Object(&'static [Member]),
    /// An object of strings.
    Texts,
    /// A list of strings.
    List,
}

/// A member of an object. Others may stand beside those that are listed: every revision leaves its objects open.
#[derive(Clone, Copy)]
struct Member {
    key: &'static str,
    form: Form,
    needed: bool,
}

const fn needed(key: &'static str, form: Form) -> Member {
    Member { key, form, needed: true }
}

const fn optional(key: &'static str, form: Form) -> Member {
    Member { key, form, needed: false }
}

const META: Member = optional("_meta", Form::Object(&[optional("progressToken", Form::Token)]));
/// Notifications have no answer whose progress could be told.
const NOTED: Member = optional("_meta", Form::Object(&[]));
const NAMED: Form = Form::Object(&[needed("name", Form::Text), needed("version", Form::Text)]);
const FILTER: Form = Form::Object(&[
    optional("toolsListChanged", Form::Flag),
    optional("promptsListChanged", Form::Flag),
    optional("resourcesListChanged", Form::Flag),
    optional("resourceSubscriptions", Form::List),
]);

const NOTHING: &[Member] = &[META];
const NEWS: &[Member] = &[NOTED];
const LIST: &[Member] = &[optional("cursor", Form::Text), META];
const URI: &[Member] = &[needed("uri", Form::Text), META];
const TASK: &[Member] = &[needed("taskId", Form::Text), META];
const INITIALIZE: &[Member] = &[
    needed("protocolVersion", Form::Text),
    needed("capabilities", Form::Object(&[])),
    needed("clientInfo", NAMED),
    META,
];
const CALL: &[Member] = &[needed("name", Form::Text), optional("arguments", Form::Object(&[])), META];
const CALL_WITH_TASK: &[Member] = &[
    needed("name", Form::Text),
    optional("arguments", Form::Object(&[])),
    optional("task", Form::Object(&[optional("ttl", Form::Number)])),
    META,
];
const CALL_IN_ROUNDS: &[Member] = &[
    needed("name", Form::Text),
    optional("arguments", Form::Object(&[])),
    optional("inputResponses", Form::Object(&[])),
    optional("requestState", Form::Text),
    META,
];
const PROMPT: &[Member] = &[needed("name", Form::Text), optional("arguments", Form::Texts), META];
const PROMPT_IN_ROUNDS: &[Member] = &[
    needed("name", Form::Text),
    optional("arguments", Form::Texts),
    optional("inputResponses", Form::Object(&[])),
    optional("requestState", Form::Text),
    META,
];
const READ_IN_ROUNDS: &[Member] = &[
    needed("uri", Form::Text),
    optional("inputResponses", Form::Object(&[])),
    optional("requestState", Form::Text),
    META,
];
const ARGUMENT: Member =
    needed("argument", Form::Object(&[needed("name", Form::Text), needed("value", Form::Text)]));
const REFERENCE: Member =
    needed("ref", Form::Object(&[needed("type", Form::Word(&["ref/prompt", "ref/resource"]))]));
const COMPLETE: &[Member] = &[REFERENCE, ARGUMENT, META];
const COMPLETE_IN_CONTEXT: &[Member] =
    &[REFERENCE, ARGUMENT, optional("context", Form::Object(&[optional("arguments", Form::Texts)])), META];
const LEVEL: &[Member] = &[needed("level", Form::Word(&LOG_LEVELS)), META];
const LISTEN: &[Member] = &[needed("notifications", FILTER), META];
const CANCELLED: &[Member] = &[needed("requestId", Form::Token), optional("reason", Form::Text), NOTED];
/// On 2025-11-25 alone the id may be missing: tasks are cancelled otherwise.
const CANCELLED_OR_TASK: &[Member] =
    &[optional("requestId", Form::Token), optional("reason", Form::Text), NOTED];
const PROGRESS: &[Member] = &[
    needed("progressToken", Form::Token),
    needed("progress", Form::Number),
    optional("total", Form::Number),
    optional("message", Form::Text),
    NOTED,
];
const PROGRESS_WITHOUT_MESSAGE: &[Member] = &[
    needed("progressToken", Form::Token),
    needed("progress", Form::Number),
    optional("total", Form::Number),
    NOTED,
];
const STATUS: &[Member] = &[needed("taskId", Form::Text), needed("status", Form::Text), NOTED];

/// The members of a method's parameters; `None` where a revision does not know the method, which may then be anything.
fn members(method: &Method, revision: Revision) -> Option<&'static [Member]> {
    let modern = revision >= Revision::V2026_07_28;
    let tasks = revision >= Revision::V2025_11_25;
    Some(match method {
        Method::Initialize if !modern => INITIALIZE,
        Method::Ping if !modern => NOTHING,
        Method::Discover if modern => NOTHING,
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::ResourceTemplatesList => {
            LIST
        }
        Method::ToolsCall if modern => CALL_IN_ROUNDS,
        Method::ToolsCall if tasks => CALL_WITH_TASK,
        Method::ToolsCall => CALL,
        Method::PromptsGet if modern => PROMPT_IN_ROUNDS,
        Method::PromptsGet => PROMPT,
        Method::ResourcesRead if modern => READ_IN_ROUNDS,
        Method::ResourcesRead => URI,
        Method::ResourcesSubscribe | Method::ResourcesUnsubscribe if !modern => URI,
        Method::Complete if revision >= Revision::V2025_06_18 => COMPLETE_IN_CONTEXT,
        Method::Complete => COMPLETE,
        Method::SetLevel if !modern => LEVEL,
        Method::SubscriptionsListen if modern => LISTEN,
        Method::TasksGet | Method::TasksCancel | Method::TasksUpdate if modern => TASK,
        Method::TasksGet | Method::TasksResult | Method::TasksCancel if tasks => TASK,
        Method::TasksList if tasks && !modern => LIST,
        Method::TasksStatus if tasks && !modern => STATUS,
        Method::Initialized | Method::RootsListChanged if !modern => NEWS,
        Method::Cancelled if revision == Revision::V2025_11_25 => CANCELLED_OR_TASK,
        Method::Cancelled => CANCELLED,
        Method::Progress if revision == Revision::V2024_11_05 => PROGRESS_WITHOUT_MESSAGE,
        Method::Progress if !modern => PROGRESS,
        Method::Initialize
        | Method::Ping
        | Method::Discover
        | Method::ResourcesSubscribe
        | Method::ResourcesUnsubscribe
        | Method::SetLevel
        | Method::SubscriptionsListen
        | Method::TasksGet
        | Method::TasksResult
        | Method::TasksList
        | Method::TasksCancel
        | Method::TasksUpdate
        | Method::TasksStatus
        | Method::Initialized
        | Method::RootsListChanged
        | Method::Progress
        | Method::Other(_) => return None,
    })
}

impl Method {
    /// Checks the parameters against what the revision's schema says of this method. They have been checked by `parse`.
    ///
    /// # Errors
    /// The first member that is missing or of a wrong type, by its JSON pointer in the message.
    pub fn check_params(&self, revision: Revision, params: Option<&RawValue>) -> Result<(), InvalidParams> {
        let Some(members) = members(self, revision) else { return Ok(()) };
        let text = params.map_or("{}", RawValue::get);
        object(text, members, &mut "/params".to_owned()).map_err(|rule| InvalidParams::new(self, rule))
    }
}

/// Whether a call asks for a task (2025-11-25, basic/utilities/tasks), which has an answer of its own kind.
#[must_use]
pub fn asks_for_task(message: &Message<'_>) -> bool {
    let params = message.params().and_then(|params| Members::of(params.get()));
    params.is_some_and(|params| params.get("task").is_some_and(|task| task != "null"))
}

fn object(text: &str, members: &[Member], at: &mut String) -> Result<(), String> {
    let wrong = |at: &str| format!("`{at}` must be an object");
    if !text.starts_with('{') {
        return Err(wrong(at));
    }
    if members.is_empty() {
        return Ok(());
    }
    let object = Members::of(text).ok_or_else(|| wrong(at))?;
    for member in members {
        let end = at.len();
        at.push('/');
        at.push_str(member.key);
        match object.get(member.key) {
            // The schema knows no null here, but clients that leave a field empty write it. It is passed on as it is.
            None | Some("null") if !member.needed => {}
            None => return Err(format!("`{at}` is missing")),
            Some(value) => check(value, member.form, at)?,
        }
        at.truncate(end);
    }
    Ok(())
}

fn check(text: &str, form: Form, at: &mut String) -> Result<(), String> {
    let is_text = text.starts_with('"');
    let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let is_integer = is_number && !text.contains(['.', 'e', 'E']);
    let (fits, what) = match form {
        Form::Text => (is_text, "a string".to_owned()),
        Form::Word(words) => {
            let word = serde_json::from_str::<String>(text).ok();
            let fits = word.is_some_and(|word| words.contains(&word.as_str()));
            (fits, format!("one of {}", words.join(", ")))
        }
        Form::Number => (is_number, "a number".to_owned()),
        Form::Flag => (text == "true" || text == "false", "true or false".to_owned()),
        Form::Token => (is_text || is_integer, "a string or an integer".to_owned()),
        Form::Object(members) => return object(text, members, at),
        Form::Texts => {
            let texts = Members::of(text);
            let fits = texts.is_some_and(|texts| texts.iter().all(|(_, value)| value.starts_with('"')));
            (fits, "an object of strings".to_owned())
        }
        Form::List => {
            let list = serde_json::from_str::<Vec<&RawValue>>(text).ok();
            let fits = list.is_some_and(|list| list.iter().all(|item| item.get().starts_with('"')));
            (fits, "a list of strings".to_owned())
        }
    };
    if fits { Ok(()) } else { Err(format!("`{at}` must be {what}")) }
}

#[cfg(test)]
mod tests;
