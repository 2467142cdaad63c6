//! Legacy sessions: the sealed `Mcp-Session-Id` a client holds, and the record behind it (DESIGN 5).

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use smcp_mcp::{Revision, SessionClaims, decode_session_id, encode_session_id};
use smcp_types::{Error, Refusal, Result, SessionId, TenantId, UnixMillis};

pub(crate) use smcp_mcp::hosted_id_is_sound as inner_id_is_sound;

use crate::{
    Platform,
    crypto::Belongs,
    identity::VerifiedCaller,
    memory::Epoch,
    ports::{RingPurpose, ServerRecord, SessionRecord, VersionRef},
};

/// No session lives longer, however busy.
const ABSOLUTE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A session nobody uses ends.
const IDLE_LIFE: Duration = Duration::from_secs(3600);
/// The idle expiry in the store is true to this.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// Largest `initialize` that begins a session: it is stored as long as the session lives.
const MAX_INITIALIZE_BYTES: usize = 16 << 10;

/// A session that a client has proved to hold.
#[derive(Clone, Debug)]
pub(crate) struct LiveSession {
    pub(crate) record: SessionRecord,
    pub(crate) revision: Revision,
}

fn belongs<'a>(server: &ServerRecord, namespace: &'a str) -> Belongs<'a> {
    Belongs { purpose: "mcp session", tenant: Some(server.tenant), namespace, key: "", version: 1 }
}

/// Puts the hosted server's own session id into a request to it; one that has no sessions gets none.
pub(crate) fn name_inner(headers: &mut HeaderMap, inner: &str) -> Result<()> {
    if inner.is_empty() {
        headers.remove("mcp-session-id");
    } else {
        headers.insert("mcp-session-id", HeaderValue::from_str(inner).map_err(Error::internal)?);
    }
    Ok(())
}

impl Platform {
    /// Begins a session: stores the record, then returns the sealed id for the client.
    pub(crate) async fn begin_session(
        &self,
        caller: &VerifiedCaller,
        server: &ServerRecord,
        version: &VersionRef,
        begun: Begun<'_>,
    ) -> Result<String> {
        if begun.initialize.len() > MAX_INITIALIZE_BYTES {
            let message =
                format!("an initialize that begins a session has at most {MAX_INITIALIZE_BYTES} bytes");
            return Err(Error::TooLarge(Refusal::new(message)));
        }
        let now = self.clock.now();
        let record = SessionRecord {
            tenant: server.tenant,
            server: server.id,
            id: SessionId::new(now, self.random()),
            version: version.digest,
            inner: begun.inner.to_owned(),
            created_at: now,
            idle_expires_at: now.after(IDLE_LIFE),
        };
        self.stores.sessions.create(&record, begun.initialize).await?;
        let claims = SessionClaims {
            session: record.id,
            caller: caller.fingerprint(),
            revision: begun.revision,
            expires: now.after(ABSOLUTE_LIFE),
        };
        let namespace = server.id.to_string();
        let bytes =
            self.ring.seal(RingPurpose::SessionSeal, belongs(server, &namespace), &claims.to_bytes())?;
        self.sessions.fill(self.sessions.epoch(), record.id, record);
        Ok(encode_session_id(&bytes))
    }

    /// The session a client names.
    ///
    /// # Errors
    /// `NotFound` for a forged id, a stolen one, one of another server, an expired or an ended one: all the same.
    pub(crate) async fn session(
        &self,
        caller: &VerifiedCaller,
        server: &ServerRecord,
        presented: &str,
    ) -> Result<LiveSession> {
        let gone = || Error::NotFound("session");
        let now = self.clock.now();
        let sealed = self.unseal(server, presented).ok_or_else(gone)?;
        if sealed.caller != caller.fingerprint() || now >= sealed.expires {
            return Err(gone());
        }
        let epoch = self.sessions.epoch();
        let record = match self.sessions.get(&sealed.session) {
            Some(record) => record,
            None => {
                let record =
                    self.stores.sessions.get(server.tenant, sealed.session).await?.ok_or_else(gone)?;
                self.sessions.fill(epoch, record.id, record.clone());
                record
            }
        };
        if record.server != server.id || now >= record.idle_expires_at {
            self.end_session(&record).await?;
            return Err(gone());
        }
        let record = self.keep_session(epoch, record, now).await?;
        Ok(LiveSession { record, revision: sealed.revision })
    }

    fn unseal(&self, server: &ServerRecord, presented: &str) -> Option<SessionClaims> {
        let bytes = decode_session_id(presented)?;
        let namespace = server.id.to_string();
        let plain =
            self.ring.open_sealed(RingPurpose::SessionSeal, belongs(server, &namespace), &bytes).ok()?;
        SessionClaims::from_bytes(&plain)
    }

    /// Moves the idle expiry, in the store at most once a minute.
    async fn keep_session(
        &self,
        epoch: Epoch,
        mut record: SessionRecord,
        now: UnixMillis,
    ) -> Result<SessionRecord> {
        let next = now.after(IDLE_LIFE);
        if next.since(record.idle_expires_at) >= TOUCH_EVERY {
            self.stores.sessions.touch(record.tenant, record.id, next).await?;
            record.idle_expires_at = next;
            self.sessions.fill(epoch, record.id, record.clone());
        }
        Ok(record)
    }

    /// Keeps a session that somebody listens to, as far as its age allows. Returns whether it goes on.
    pub(crate) async fn keep_listened(
        &self,
        (tenant, id, begun): (TenantId, SessionId, UnixMillis),
    ) -> Result<bool> {
        let now = self.clock.now();
        let Some(record) = self.stores.sessions.get(tenant, id).await? else { return Ok(false) };
        if now >= begun.after(ABSOLUTE_LIFE) {
            self.end_session(&record).await?;
            return Ok(false);
        }
        if record.idle_expires_at.since(now) < IDLE_LIFE / 2 {
            self.stores.sessions.touch(tenant, id, now.after(IDLE_LIFE)).await?;
            self.sessions.forget(&id);
        }
        Ok(true)
    }

    /// Ends a session. From then on its id is as good as any forged one.
    pub(crate) async fn end_session(&self, record: &SessionRecord) -> Result<()> {
        self.stores.sessions.delete(record.tenant, record.id).await?;
        self.sessions.forget(&record.id);
        self.standings.end(&record.id);
        self.streams.forget(record).await
    }
}

/// What a new session begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun<'a> {
    /// The hosted server's own session id.
    pub(crate) inner: &'a str,
    /// The revision both sides agreed on.
    pub(crate) revision: Revision,
    /// The client's `initialize`, as it came.
    pub(crate) initialize: &'a str,
}
