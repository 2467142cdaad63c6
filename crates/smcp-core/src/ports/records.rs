//! What the stores keep: plain records, exactly the columns.

use serde::{Deserialize, Serialize};
use smcp_types::{
    DataKeyId, Digest, KeyId, LimitSet, RequestId, RingKeyId, ServerId, SessionId, Slug, TenantId, TraceId,
    UnixMillis,
};

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Opaque, immutable.
    pub id: TenantId,
    /// Chosen at creation, never reused.
    pub slug: Slug,
    /// When it was created.
    pub created_at: UnixMillis,
    /// The most its manifests may ask for, where that is not the platform's ceiling.
    pub ceilings: LimitSet,
}

/// A server to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// The owner.
    pub tenant: TenantId,
    /// The new id.
    pub id: ServerId,
    /// Unique within the tenant, never reused.
    pub slug: Slug,
    /// When it is created.
    pub created_at: UnixMillis,
}

/// A hosted server, as the store has it. Authorisation takes this and no bare id: only a store makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRecord {
    /// The owner.
    pub tenant: TenantId,
    /// Opaque, immutable.
    pub id: ServerId,
    /// The name in its path.
    pub slug: Slug,
    /// The version calls go to, if one was ever activated.
    pub active: Option<Digest>,
    /// Counts changes of this record; an update names the one it saw.
    pub revision: i64,
    /// When it was created.
    pub created_at: UnixMillis,
}

/// An immutable version of a server: checked once, then stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// The owner.
    pub tenant: TenantId,
    /// The server.
    pub server: ServerId,
    /// The content: manifest and modules.
    pub digest: Digest,
    /// The locked manifest, canonical JSON.
    pub manifest: String,
    /// What the version showed at its trial (`smcp_mcp::Definitions`), JSON.
    pub definitions: String,
    /// Who deployed it: the key's or user's id.
    pub created_by: String,
    /// When it was stored.
    pub created_at: UnixMillis,
}

/// A version in a list: without its manifest and definitions, which may have megabytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// The content.
    pub digest: Digest,
    /// How many tools it showed at its trial.
    pub tools: i64,
    /// Who deployed it.
    pub created_by: String,
    /// When it was stored.
    pub created_at: UnixMillis,
}

/// Whether an API key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It does.
    Active,
    /// It does not, for good.
    Revoked,
}

/// An API key's record. The key itself is shown once and never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The key's lineage: stays the same over rotation.
    pub id: KeyId,
    /// A name for people.
    pub label: String,
    /// The role it carries (`smcp_policy::Role`).
    pub role: String,
    /// Servers it is limited to; empty means every server of the tenant.
    pub servers: Vec<ServerId>,
    /// The pepper under which `mac` was made.
    pub pepper: RingKeyId,
    /// HMAC-SHA-256 of the whole key under the pepper.
    pub mac: [u8; 32],
    /// The key before the last rotation, working until `previous_until`.
    pub previous: Option<(RingKeyId, [u8; 32])>,
    /// When the previous key stops working.
    pub previous_until: Option<UnixMillis>,
    /// Works or not.
    pub status: KeyStatus,
    /// Stops working at this time.
    pub expires_at: Option<UnixMillis>,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it last verified, to the minute.
    pub last_used_at: Option<UnixMillis>,
}

/// What changes about a session; the sealed id carries what does not (DESIGN 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The owner of the server.
    pub tenant: TenantId,
    /// The server.
    pub server: ServerId,
    /// The session.
    pub id: SessionId,
    /// The version that began it.
    pub version: Digest,
    /// The hosted server's own session id; never leaves the platform.
    pub inner: String,
    /// When it was begun.
    pub created_at: UnixMillis,
    /// When it ends if nothing happens.
    pub idle_expires_at: UnixMillis,
}

/// What a ring key is for. One record type serves sealing, signing and encryption (DESIGN 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingPurpose {
    /// Sealing `Mcp-Session-Id`.
    SessionSeal,
    /// Hashing API keys.
    ApiKeyPepper,
    /// Signing what hosted code is told about its callers.
    CallerSigning,
    /// Binding ids of events to the stream and the session that they belong to.
    EventIds,
}

impl RingPurpose {
    /// All purposes: each has a key from the first start on.
    pub const ALL: [Self; 4] = [Self::SessionSeal, Self::ApiKeyPepper, Self::CallerSigning, Self::EventIds];
}

/// Where a ring key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingState {
    /// Used for new values and for old ones.
    Active,
    /// Used for old values only.
    Retiring,
    /// Not used.
    Retired,
}

/// A key of the ring: 32 random bytes, wrapped under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingKey {
    /// Stands in every ciphertext made with it.
    pub id: RingKeyId,
    /// What it is for.
    pub purpose: RingPurpose,
    /// Where it is in its life.
    pub state: RingState,
    /// Not used before this time.
    pub not_before: UnixMillis,
    /// Not used after this time, if there is an end.
    pub not_after: Option<UnixMillis>,
    /// The key, wrapped.
    pub wrapped: Vec<u8>,
}

/// Where a key of a tenant's data is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataKeyState {
    /// Seals new values.
    Active,
    /// Opens old values only; they are being moved to the active key.
    Retiring,
    /// Nothing was found any more that it sealed. Kept for a while for what was on its way, then deleted.
    Retired,
    /// Gone for good with everything it sealed; what is left is its name.
    Destroyed,
}

/// A key of a tenant's data: 32 random bytes, wrapped under the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// The owner.
    pub tenant: TenantId,
    /// Stands in everything sealed with it.
    pub id: DataKeyId,
    /// Where it is in its life.
    pub state: DataKeyState,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Since when it is in this state.
    pub since: UnixMillis,
    /// The key, wrapped; empty when it is destroyed.
    pub wrapped: Vec<u8>,
}

/// A secret of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRecord {
    /// The owner.
    pub tenant: TenantId,
    /// The server.
    pub server: ServerId,
    /// Its name among the server's.
    pub name: String,
    /// Counts its values, from 1 on.
    pub version: i64,
    /// The value, sealed for this tenant, server, name and version.
    pub sealed: Vec<u8>,
    /// When it was set first.
    pub created_at: UnixMillis,
    /// Who set it first.
    pub created_by: String,
    /// When it got this value.
    pub updated_at: UnixMillis,
}

/// How loud a line of a hosted server's log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `console.debug`.
    Debug,
    /// `console.log`, `console.info` and plain standard output.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, exceptions and standard error.
    Error,
}

/// Whose line it is. What a line says of itself proves nothing; this does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Hosted code, or the runtime on its behalf.
    Server,
    /// The platform.
    Platform,
}

/// One line of a hosted server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When the platform read it.
    pub at: UnixMillis,
    /// How loud.
    pub level: LogLevel,
    /// Whose it is.
    pub source: LogSource,
    /// The call it belongs to, when the wrapper module knew; a label, forgeable by hosted code.
    pub request_id: Option<RequestId>,
    /// The trace it belongs to, when that is known; a label too.
    pub trace_id: Option<TraceId>,
    /// The text, at most 8 KiB.
    pub message: String,
}

impl LogLine {
    /// A line of the platform's own about a server.
    #[must_use]
    pub fn platform(at: UnixMillis, level: LogLevel, message: String) -> Self {
        Self { at, level, source: LogSource::Platform, request_id: None, trace_id: None, message }
    }
}

/// What of a server's log is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Nothing quieter.
    pub level: LogLevel,
    /// Lines of this call alone.
    pub request: Option<RequestId>,
    /// Lines of this trace alone.
    pub trace: Option<TraceId>,
}

impl LogQuery {
    /// Every line at or above a level.
    #[must_use]
    pub const fn from_level(level: LogLevel) -> Self {
        Self { level, request: None, trace: None }
    }

    /// Whether a line is wanted.
    #[must_use]
    pub fn wants(&self, line: &LogLine) -> bool {
        line.level >= self.level
            && self.request.is_none_or(|id| line.request_id == Some(id))
            && self.trace.is_none_or(|id| line.trace_id == Some(id))
    }
}
