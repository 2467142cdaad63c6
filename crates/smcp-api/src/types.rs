//! The wire types. Times are Unix milliseconds, ids are opaque strings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Opaque id.
    pub id: String,
    /// Its name in paths.
    pub slug: String,
    /// When it was created.
    pub created_at: i64,
    /// The most its manifests may ask for, by the key of the limit: `memory_mb`, `cpu_ms` and so on.
    pub ceilings: BTreeMap<String, u32>,
}

/// Ceilings to change; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceilings {
    /// The key of a limit and its new ceiling; `null` for the platform's own.
    pub ceilings: BTreeMap<String, Option<u32>>,
}

/// A page of tenants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantList {
    /// Oldest first.
    pub items: Vec<Tenant>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A tenant to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// 1 to 30 characters of a-z, 0-9 and single inner hyphens. Never given out twice.
    pub slug: String,
}

/// What is known of an API key. Never the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Opaque id; stays the same over rotation.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `admin`, `mcp_user` or `read_only`.
    pub role: String,
    /// Slugs of the servers it is limited to; empty for all.
    pub servers: Vec<String>,
    /// `active` or `revoked`.
    pub status: String,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Until when the key before the last rotation works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<i64>,
    /// When it was created.
    pub created_at: i64,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
}

/// The API keys of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// Oldest first.
    pub items: Vec<Key>,
}

/// An API key to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// A name for people, 1 to 100 characters.
    pub name: String,
    /// `admin`, `mcp_user` or `read_only`.
    pub role: String,
    /// Slugs of the servers it shall be limited to; empty for all.
    #[serde(default)]
    pub servers: Vec<String>,
    /// When it shall stop working.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// An API key, shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedKey {
    /// `smcp_<tenantId>_<random>`. It cannot be shown again.
    pub key: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub record: Key,
}

/// How to rotate an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How long the old key goes on working, in seconds, at most 30 days.
    #[serde(default)]
    pub grace_seconds: u64,
}

/// How a server's active version is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ServerState {
    /// No version was ever activated.
    Empty,
    /// No process; the next call starts one.
    Asleep,
    /// A process is starting.
    Starting,
    /// A process answers.
    Ready {
        /// Since when.
        since: i64,
    },
    /// In-flight calls finish; then it sleeps.
    Stopping,
    /// It crashed or did not start.
    Failing {
        /// Why.
        reason: String,
        /// Failures in a row.
        attempts: u32,
        /// Not tried again before this time.
        retry_at: i64,
    },
    /// It broke its limits again and again and gets no process for a while.
    Quarantined {
        /// The last offence.
        reason: String,
        /// Limits broken that still count.
        offences: u32,
        /// Until when.
        until: i64,
    },
}

/// What hosted code has used since the platform started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Calls that were sent to a process.
    pub calls: u64,
    /// CPU time of calls that were alone in their process, in milliseconds: exact.
    pub cpu_exact_ms: f64,
    /// CPU time of calls that shared their process with others, in milliseconds: apportioned in equal parts.
    pub cpu_shared_ms: f64,
    /// CPU time while no call was in flight, in milliseconds: starts, timers, `waitUntil`.
    pub cpu_background_ms: f64,
    /// Bytes of memory of the processes there are now.
    pub memory_bytes: u64,
    /// The most bytes that one process has had.
    pub memory_peak_bytes: u64,
    /// Processes started.
    pub starts: u64,
    /// Processes killed because they broke a limit.
    pub limit_kills: u64,
    /// Requests that hosted code sent to the outside.
    pub requests: u64,
    /// Those of them that a rule refused.
    pub requests_refused: u64,
    /// Bytes of bodies to the outside.
    pub bytes_sent: u64,
    /// Bytes of bodies from outside.
    pub bytes_received: u64,
}

/// What one server has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerUsage {
    /// Its name in its path.
    pub server: String,
    /// What it has used, over all its versions.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What a tenant has used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// Each server that is there, oldest first.
    pub servers: Vec<ServerUsage>,
    /// All of them, deleted ones included.
    pub total: Usage,
}

/// A hosted server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Server {
    /// Opaque id.
    pub id: String,
    /// Slug of its tenant.
    pub tenant: String,
    /// Its name in its path.
    pub slug: String,
    /// Where MCP clients connect.
    pub url: String,
    /// Digest of the version that calls go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_version: Option<String>,
    /// How that version is.
    #[serde(flatten)]
    pub state: ServerState,
    /// When it was created.
    pub created_at: i64,
}

/// A page of servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerList {
    /// Oldest first.
    pub items: Vec<Server>,
    /// Give this as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An immutable version of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// SHA-256 of its manifest and modules.
    pub digest: String,
    /// Whether calls go to it.
    pub active: bool,
    /// Who deployed it.
    pub created_by: String,
    /// When it was stored.
    pub created_at: i64,
    /// The locked manifest.
    #[schema(value_type = Object)]
    pub manifest: Value,
    /// What it showed when it was started once: revisions, tools, prompts, resources.
    #[schema(value_type = Object)]
    pub definitions: Value,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionSummary {
    /// SHA-256 of its manifest and modules.
    pub digest: String,
    /// Whether calls go to it.
    pub active: bool,
    /// How many tools it showed when it was started once.
    pub tools: i64,
    /// Who deployed it.
    pub created_by: String,
    /// When it was stored.
    pub created_at: i64,
}

/// The versions of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// Newest first, at most 100.
    pub items: Vec<VersionSummary>,
}

/// What kind of module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// An ECMAScript module.
    EsModule,
    /// A WebAssembly module.
    Wasm,
    /// A string.
    Text,
    /// Bytes.
    Data,
    /// A JSON value.
    Json,
}

/// One module of a bundle on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadedModule {
    /// Relative name, as imports spell it.
    pub name: String,
    /// What it is.
    pub kind: ModuleKind,
    /// Its bytes in base64 (RFC 4648, section 4).
    pub content: String,
}

/// A bundle to check and store.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The locked manifest, at most 256 KiB.
    #[schema(value_type = Object)]
    pub manifest: Box<RawValue>,
    /// At most 64 modules, 10 MiB in all.
    pub modules: Vec<UploadedModule>,
}

/// A version that passed its check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeployedVersion {
    /// The server it belongs to, created if it was not there.
    pub server: Server,
    /// The version.
    pub version: Version,
    /// Whether exactly this content was there already.
    pub known: bool,
    /// What its publisher should know: secrets that its code can read, secrets that are not set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A value for a secret. It is never shown again.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SecretValue {
    /// 1 to 16384 bytes of text.
    pub value: String,
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue([redacted])")
    }
}

/// What may be known about a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Counts its values, from 1 on.
    pub version: i64,
    /// Who set it first.
    pub created_by: String,
    /// When it was set first.
    pub created_at: i64,
    /// When it got this value.
    pub updated_at: i64,
}

/// The secrets of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// By name.
    pub items: Vec<Secret>,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// `console.debug`
    Debug,
    /// `console.log` and `console.info`
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`, exceptions, standard error
    Error,
}

/// Whose line it is. What a line says of itself proves nothing; this does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Hosted code. Also what older platforms send, which do not say.
    #[default]
    Server,
    /// The platform.
    Platform,
}

/// One line of a hosted server's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When.
    pub at: i64,
    /// How loud.
    pub level: LogLevel,
    /// Whose it is.
    #[serde(default)]
    pub source: LogSource,
    /// The call it belongs to, if that is known. A label: hosted code could forge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The trace it belongs to, if that is known. A label too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The version that printed it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The text.
    pub message: String,
}

/// The last lines of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogPage {
    /// Oldest first.
    pub items: Vec<LogLine>,
}

/// Whom a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// The caller's id over the whole platform.
    pub principal: String,
    /// Slug of the tenant its roles count in.
    pub tenant: String,
    /// Its roles.
    pub roles: Vec<String>,
}

/// How the platform is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ready` or `unready`.
    pub status: String,
    /// Why it is unready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The platform's version.
    pub version: String,
}
