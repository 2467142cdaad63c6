//! Methods a client may send, and the subject that policy decides on for each.

use crate::{
    errors,
    strict::{self, Key},
};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A request or notification from client to server, of any revision.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)*
            /// Anything else: an extension, a later revision, or nonsense.
            Other(String),
        }

        impl Method {
            /// The method with this name. Names are compared as they are: no revision ignores case.
            #[must_use]
            pub fn of(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            /// The name on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// Every method with a name of its own here.
            #[cfg(test)]
            pub(crate) fn known() -> Vec<Self> {
                vec![$(Self::$variant),*]
            }
        }
    };
}

methods! {
    /// Starts a session; legacy era.
    Initialize = "initialize",
    /// Are you there? Legacy era.
    Ping = "ping",
    /// Revisions and capabilities; modern era.
    Discover = "server/discover",
    /// The tools.
    ToolsList = "tools/list",
    /// Runs a tool.
    ToolsCall = "tools/call",
    /// The prompts.
    PromptsList = "prompts/list",
    /// One prompt, filled in.
    PromptsGet = "prompts/get",
    /// The resources.
    ResourcesList = "resources/list",
    /// The resource templates.
    ResourceTemplatesList = "resources/templates/list",
    /// The contents of a resource.
    ResourcesRead = "resources/read",
    /// Asks for news of a resource; legacy era.
    ResourcesSubscribe = "resources/subscribe",
    /// Ends that; legacy era.
    ResourcesUnsubscribe = "resources/unsubscribe",
    /// Suggests values for an argument of a prompt or a resource template.
    Complete = "completion/complete",
    /// How much the server logs to this session; legacy era.
    SetLevel = "logging/setLevel",
    /// One stream of news; modern era.
    SubscriptionsListen = "subscriptions/listen",
    /// How a task is doing: 2025-11-25, and the tasks extension of 2026-07-28.
    TasksGet = "tasks/get",
    /// What a task came to: 2025-11-25.
    TasksResult = "tasks/result",
    /// The session's tasks: 2025-11-25.
    TasksList = "tasks/list",
    /// Stops a task: 2025-11-25, and the tasks extension of 2026-07-28.
    TasksCancel = "tasks/cancel",
    /// Gives a task the input it waits for: the tasks extension of 2026-07-28 (SEP-2663).
    TasksUpdate = "tasks/update",
    /// The session is ready; legacy era.
    Initialized = "notifications/initialized",
    /// A request is no longer wanted.
    Cancelled = "notifications/cancelled",
    /// How far a request of the server has come; legacy era.
    Progress = "notifications/progress",
    /// The client's roots have changed; legacy era.
    RootsListChanged = "notifications/roots/list_changed",
    /// A task that the server gave the client has moved on: 2025-11-25.
    TasksStatus = "notifications/tasks/status",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message is about, by the name that policy knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A tool, by its name.
    Tool(String),
    /// A prompt, by its name.
    Prompt(String),
    /// A resource or, for completions, a resource template, by its URI.
    Resource(String),
}

/// The parameters are not those of the method. To be answered with `CODE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method}: {rule}")]
pub struct InvalidParams {
    method: String,
    rule: String,
}

impl InvalidParams {
    /// The JSON-RPC error code to answer with: −32602.
    pub const CODE: i32 = errors::INVALID_PARAMS;

    pub(crate) fn new(method: &Method, rule: String) -> Self {
        Self { method: method.as_str().to_owned(), rule }
    }
}

impl Method {
    /// Whether the name is that of a notification (`notifications/…`), which has no id and gets no answer.
    #[must_use]
    pub fn is_notification(&self) -> bool {
        self.as_str().starts_with("notifications/")
    }

    /// Whether 2026-07-28 has taken this request away (changelog, "Major changes"): nobody answers it there.
    #[must_use]
    pub const fn is_gone_in_modern_era(&self) -> bool {
        matches!(
            self,
            Self::Initialize
                | Self::Ping
                | Self::SetLevel
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
                | Self::TasksResult
                | Self::TasksList
        )
    }

    /// The one name or URI the message is about; `None` for methods that are about the server as a whole.
    /// `subscriptions/listen` is about several: see [`Method::listened_resources`]. Tasks carry an id whose call was
    /// decided on when the task began.
    ///
    /// # Errors
    /// When the name is missing, not a string, or written a second time in other letters.
    pub fn subject(&self, params: Option<&RawValue>) -> Result<Option<Subject>, InvalidParams> {
        let subject = match self {
            Self::ToolsCall => Subject::Tool(text("tools/call", params, "name")?),
            Self::PromptsGet => Subject::Prompt(text("prompts/get", params, "name")?),
            Self::ResourcesRead => Subject::Resource(text("resources/read", params, "uri")?),
            Self::ResourcesSubscribe => Subject::Resource(text("resources/subscribe", params, "uri")?),
            Self::ResourcesUnsubscribe => Subject::Resource(text("resources/unsubscribe", params, "uri")?),
            Self::Complete => reference(params)?,
            Self::Initialize | Self::Ping | Self::Discover | Self::SetLevel | Self::SubscriptionsListen => {
                return Ok(None);
            }
            Self::ToolsList | Self::PromptsList | Self::ResourcesList | Self::ResourceTemplatesList => {
                return Ok(None);
            }
            Self::TasksGet | Self::TasksResult | Self::TasksList | Self::TasksCancel | Self::TasksUpdate => {
                return Ok(None);
            }
            Self::Initialized
            | Self::Cancelled
            | Self::Progress
            | Self::RootsListChanged
            | Self::TasksStatus => {
                return Ok(None);
            }
            Self::Other(_) => return Ok(None),
        };
        Ok(Some(subject))
    }

    /// The arguments of a `tools/call`, as they stand.
    ///
    /// # Errors
    /// When they stand there a second time in other letters.
    pub fn arguments<'a>(&self, params: Option<&'a RawValue>) -> Result<Option<&'a RawValue>, InvalidParams> {
        if *self == Self::ToolsCall { member("tools/call", params, "arguments") } else { Ok(None) }
    }

    /// The URIs a `subscriptions/listen` asks news of (2026-07-28, schema, `SubscriptionFilter`); empty for every
    /// other method.
    ///
    /// # Errors
    /// When `notifications.resourceSubscriptions` is not an array of strings, or stands there twice.
    pub fn listened_resources(&self, params: Option<&RawValue>) -> Result<Vec<String>, InvalidParams> {
        if *self != Self::SubscriptionsListen {
            return Ok(Vec::new());
        }
        let method = "subscriptions/listen";
        let filter = member(method, params, "notifications")?
            .ok_or_else(|| wrong(method, "`notifications` is missing".to_owned()))?;
        let Some(uris) = member(method, Some(filter), "resourceSubscriptions")? else {
            return Ok(Vec::new());
        };
        serde_json::from_str(uris.get())
            .map_err(|_| wrong(method, "`resourceSubscriptions` must be an array of strings".to_owned()))
    }
}

/// The `ref` of `completion/complete` (schema, `CompleteRequestParams`).
fn reference(params: Option<&RawValue>) -> Result<Subject, InvalidParams> {
    let method = "completion/complete";
    let reference =
        member(method, params, "ref")?.ok_or_else(|| wrong(method, "`ref` is missing".to_owned()))?;
    match text(method, Some(reference), "type")?.as_str() {
        "ref/prompt" => text(method, Some(reference), "name").map(Subject::Prompt),
        "ref/resource" => text(method, Some(reference), "uri").map(Subject::Resource),
        _ => Err(wrong(method, "`ref.type` must be `ref/prompt` or `ref/resource`".to_owned())),
    }
}

fn wrong(method: &str, rule: String) -> InvalidParams {
    InvalidParams { method: method.to_owned(), rule }
}

fn text(method: &'static str, params: Option<&RawValue>, key: &'static str) -> Result<String, InvalidParams> {
    let value = member(method, params, key)?;
    let text = value.and_then(strict::string).map(Cow::into_owned);
    text.ok_or_else(|| wrong(method, format!("`{key}` must be a string")))
}

/// The member `key` of an object. What policy reads here must be what hosted code reads, so a second spelling of the
/// key that a reader without regard for case would take is refused.
fn member<'a>(
    method: &'static str,
    object: Option<&'a RawValue>,
    key: &'static str,
) -> Result<Option<&'a RawValue>, InvalidParams> {
    let Some(object) = object else {
        return Ok(None);
    };
    Member { key }
        .deserialize(&mut serde_json::Deserializer::from_str(object.get()))
        .map_err(|_| wrong(method, format!("an object with one unmistakable `{key}` is expected")))
}

struct Member {
    key: &'static str,
}

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value::<&'de RawValue>()?;
            let twin = strict::folds_to(&key, self.key);
            if twin || (key == self.key && found.replace(value).is_some()) {
                return Err(A::Error::custom("repeated key"));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
