//! What a client has asked of a session that a server forgets with it: a level of log messages, news of resources (2025-11-25,
//! Logging; Resources, Subscriptions). A server that begins the session again is asked for it again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smcp_mcp::{Body, Method, Subject};
use smcp_types::{Error, Result};

use crate::{
    Platform,
    ports::{SessionRecord, StoreError},
};

/// Resources that are remembered for one session.
const MAX_RESOURCES: usize = 100;
/// Longest URI among them.
const MAX_URI_BYTES: usize = 2048;
/// Tries to note a wish beside other requests of the same session.
const MAX_TRIES: usize = 8;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Log messages from this level on.
    Level(String),
    /// News of this resource.
    Subscribe(String),
    /// No more of it.
    Unsubscribe(String),
}

/// The wishes in a request.
pub(super) fn of(body: &Body<'_>) -> Vec<Wish> {
    let wish = |message: &smcp_mcp::Message<'_>| {
        let method = Method::of(message.method()?);
        let subject = || method.subject(message.params()).ok()?;
        match (&method, subject()) {
            (Method::SetLevel, _) => {
                let params: Value = serde_json::from_str(message.params()?.get()).ok()?;
                Some(Wish::Level(params["level"].as_str()?.to_owned()))
            }
            (Method::ResourcesSubscribe, Some(Subject::Resource(uri))) => Some(Wish::Subscribe(uri)),
            (Method::ResourcesUnsubscribe, Some(Subject::Resource(uri))) => Some(Wish::Unsubscribe(uri)),
            _ => None,
        }
    };
    body.messages().iter().filter_map(wish).collect()
}

/// All wishes of a session, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wishes {
    level: Option<String>,
    resources: BTreeSet<String>,
}

impl Wishes {
    /// Reads what was stored; nothing is no wish.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn add(&mut self, wish: &Wish) {
        match wish {
            Wish::Level(level) => self.level = Some(level.clone()),
            Wish::Subscribe(uri) if self.resources.len() < MAX_RESOURCES && uri.len() <= MAX_URI_BYTES => {
                self.resources.insert(uri.clone());
            }
            Wish::Subscribe(_) => tracing::debug!("a subscription is not remembered: there are too many"),
            Wish::Unsubscribe(uri) => {
                self.resources.remove(uri);
            }
        }
    }

    /// The requests that ask for them.
    pub(super) fn messages(&self) -> Vec<String> {
        let level = self.level.iter().map(|level| ("logging/setLevel", json!({ "level": level })));
        let resources = self.resources.iter().map(|uri| ("resources/subscribe", json!({ "uri": uri })));
        let message = |(n, (method, params)): (usize, (&str, Value))| {
            json!({ "jsonrpc": "2.0", "id": format!("smcp-{n}"), "method": method, "params": params })
                .to_string()
        };
        level.chain(resources).enumerate().map(message).collect()
    }
}

impl Platform {
    /// Notes wishes that the hosted server has heard.
    pub(super) async fn note_wishes(&self, session: &SessionRecord, wishes: &[Wish]) -> Result<()> {
        let sessions = &self.stores.sessions;
        for _ in 0..MAX_TRIES {
            let gone = || Error::NotFound("session");
            let seen = sessions.introduction(session.tenant, session.id).await?.ok_or_else(gone)?.wishes;
            let mut now = Wishes::read(&seen);
            wishes.iter().for_each(|wish| now.add(wish));
            let now = serde_json::to_string(&now).map_err(Error::internal)?;
            match sessions.wish(session.tenant, session.id, &seen, &now).await {
                Err(StoreError::Stale) => {}
                done => return Ok(done?),
            }
        }
        Err(Error::Unavailable(smcp_types::Refusal::new(
            "too many requests of this session at the same time",
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_kept_within_bounds() {
        let mut wishes = Wishes::read("");
        for n in 0..MAX_RESOURCES + 5 {
            wishes.add(&Wish::Subscribe(format!("x:{n}")));
        }
        wishes.add(&Wish::Unsubscribe("x:0".to_owned()));
        wishes.add(&Wish::Subscribe("x".repeat(MAX_URI_BYTES + 1)));
        wishes.add(&Wish::Level("info".to_owned()));
        wishes.add(&Wish::Level("debug".to_owned()));
        let messages = wishes.messages();
        assert_eq!(messages.len(), MAX_RESOURCES);
        assert!(messages[0].contains("logging/setLevel") && messages[0].contains("debug"));
        assert_eq!(Wishes::read(&serde_json::to_string(&wishes).unwrap()), wishes);
        assert_eq!(Wishes::read("no JSON"), Wishes::default());
    }
}
