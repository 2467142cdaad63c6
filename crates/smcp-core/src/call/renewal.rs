//! Beginning a session again with hosted code that does not know it: a process that was started anew, or another version.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header};
use smcp_mcp::Revision;
use smcp_types::{Error, Result};

use super::{Conversation, answer, exchange::Most, wishes::Wishes};
use crate::{
    Platform,
    authority::{Permit, UseServer},
    ports::{HostedRequest, Introduction, SessionRecord, StoreError, Target},
    session::{self, LiveSession},
};

/// How long a server is waited for that is told what a client wants of its session; then it is told the next.
const WISH_HEARD_WITHIN: Duration = Duration::from_millis(500);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

impl Platform {
    /// Takes the session of a request along to the active version, if another one held it.
    ///
    /// # Errors
    /// `NotFound` when that version cannot serve it: the session is over then.
    pub(super) async fn follow_version(
        &self,
        permit: &Permit<UseServer>,
        talk: &Conversation,
        request: &mut HostedRequest,
    ) -> Result<()> {
        let Some(session) = &talk.session else { return Ok(()) };
        if session.record.version == talk.active.digest() {
            return Ok(());
        }
        let record = self.begin_again((permit, &talk.active.target), request, session).await?;
        session::name_inner(&mut request.headers, &record.inner)
    }

    /// Tells hosted code the client's `initialize` as it came, and keeps the session id that it gives.
    ///
    /// # Errors
    /// `NotFound` when it does not agree to what the client was told: the session is over then.
    pub(super) async fn begin_again(
        &self,
        (permit, target): (&Permit<UseServer>, &Target),
        like: &HostedRequest,
        session: &LiveSession,
    ) -> Result<SessionRecord> {
        let record = &session.record;
        let gone = || Error::NotFound("session");
        let told = self.stores.sessions.introduction(record.tenant, record.id).await?.ok_or_else(gone)?;
        let inner = match self.introduce((permit, target), like, told, session.revision).await? {
            Some(inner) => inner,
            None => {
                self.end_session(record).await?;
                return Err(gone());
            }
        };
        let rebound = self.stores.sessions.rebind(record, target.version.digest, &inner).await;
        self.sessions.forget(&record.id);
        match rebound {
            Ok(()) => Ok(SessionRecord { version: target.version.digest, inner, ..record.clone() }),
            // Another request of the session was faster.
            Err(StoreError::Stale) => {
                let now = self.stores.sessions.get(record.tenant, record.id).await?.ok_or_else(gone)?;
                if now.version == target.version.digest { Ok(now) } else { Err(gone()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// `initialize`, then `notifications/initialized`, then what the client has asked for since: the server's own session id, empty if it gives none, or `None` if it does
    /// not agree on the revision.
    async fn introduce(
        &self,
        (permit, target): (&Permit<UseServer>, &Target),
        like: &HostedRequest,
        told: Introduction,
        revision: Revision,
    ) -> Result<Option<String>> {
        let mut request = like.clone();
        (request.method, request.body) = (Method::POST, told.initialize.into());
        for name in ["mcp-session-id", "mcp-protocol-version"] {
            request.headers.remove(name);
        }
        request.headers.insert(header::CONTENT_TYPE, JSON);
        request.headers.insert(header::ACCEPT, BOTH);
        let mut second = request.clone();
        let limit = request.head_timeout;
        let response = self.isolates.call(permit, target, request).await?;
        if response.status != StatusCode::OK {
            return Ok(None);
        }
        let form = answer::form(&response)?;
        let inner =
            response.headers.get("mcp-session-id").map(|inner| inner.to_str().unwrap_or("\n").to_owned());
        let inner = inner.unwrap_or_default();
        let most = Most::of_target(self, target);
        let agreed = self.read_first_answer(response, form, (limit, most)).await?.agreed;
        if agreed != Some(revision) || !(inner.is_empty() || session::inner_id_is_sound(&inner)) {
            return Ok(None);
        }
        let outgoing = smcp_mcp::initialized(revision);
        second.body = outgoing.body.into();
        for (name, value) in &outgoing.headers {
            let name = http::HeaderName::try_from(*name).map_err(Error::internal)?;
            second.headers.insert(name, HeaderValue::from_str(value).map_err(Error::internal)?);
        }
        session::name_inner(&mut second.headers, &inner)?;
        self.isolates.call(permit, target, second.clone()).await?;
        for message in Wishes::read(&told.wishes).messages() {
            let head_timeout = second.head_timeout.min(WISH_HEARD_WITHIN);
            let wish = HostedRequest { body: message.into(), head_timeout, ..second.clone() };
            if let Err(error) = self.isolates.call(permit, target, wish).await {
                tracing::debug!(%error, "a session was begun again without a wish of its client");
            }
        }
        Ok(Some(inner))
    }
}
