//! From domain records to wire types.

use std::time::Duration;

use smcp_api::{
    Key, LogLevel, LogLine, LogSource, Server, ServerState, Tenant, Usage, Version, VersionSummary,
};
use smcp_core::{
    Platform,
    ports::{self, HostedState, KeyRecord, KeyStatus, ServerRecord, TenantRecord, VersionRecord},
    servers::ServerStatus,
};
use smcp_types::{Digest, Error, Limit, Result};

pub(super) fn tenant(record: &TenantRecord) -> Tenant {
    let ceiling = |limit: Limit| (limit.key().to_owned(), record.ceilings.ceiling(limit));
    Tenant {
        id: record.id.to_string(),
        slug: record.slug.to_string(),
        created_at: record.created_at.0,
        ceilings: Limit::ALL.into_iter().map(ceiling).collect(),
    }
}

/// `servers` are the slugs the key is limited to.
pub(super) fn key(record: &KeyRecord, servers: Vec<String>) -> Key {
    let status = match record.status {
        KeyStatus::Active => "active",
        KeyStatus::Revoked => "revoked",
    };
    Key {
        id: record.id.to_string(),
        name: record.label.clone(),
        role: record.role.clone(),
        servers,
        status: status.to_owned(),
        expires_at: record.expires_at.map(|t| t.0),
        previous_until: record.previous_until.map(|t| t.0),
        created_at: record.created_at.0,
        last_used_at: record.last_used_at.map(|t| t.0),
    }
}

pub(super) fn server(platform: &Platform, tenant: &TenantRecord, status: &ServerStatus) -> Server {
    let record = &status.server;
    let origin = platform.settings.external_url.origin();
    Server {
        id: record.id.to_string(),
        tenant: tenant.slug.to_string(),
        slug: record.slug.to_string(),
        url: format!("{origin}/t/{}/{}/mcp", tenant.slug, record.slug),
        active_version: record.active.map(|digest| digest.to_string()),
        state: state(status.state.as_ref()),
        created_at: record.created_at.0,
    }
}

fn state(state: Option<&HostedState>) -> ServerState {
    match state {
        None => ServerState::Empty,
        Some(HostedState::Asleep) => ServerState::Asleep,
        Some(HostedState::Starting) => ServerState::Starting,
        Some(HostedState::Ready { since }) => ServerState::Ready { since: since.0 },
        Some(HostedState::Stopping) => ServerState::Stopping,
        Some(HostedState::Failing { reason, attempts, retry_at }) => {
            ServerState::Failing { reason: reason.clone(), attempts: *attempts, retry_at: retry_at.0 }
        }
        Some(HostedState::Quarantined { reason, offences, until }) => {
            ServerState::Quarantined { reason: reason.clone(), offences: *offences, until: until.0 }
        }
    }
}

pub(super) fn usage(usage: &ports::Usage) -> Usage {
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    Usage {
        calls: usage.calls,
        cpu_exact_ms: millis(usage.cpu_exact),
        cpu_shared_ms: millis(usage.cpu_shared),
        cpu_background_ms: millis(usage.cpu_background),
        memory_bytes: usage.memory_now,
        memory_peak_bytes: usage.memory_peak,
        starts: usage.starts,
        limit_kills: usage.limit_kills,
        requests: usage.outbound.requests,
        requests_refused: usage.outbound.refused,
        bytes_sent: usage.outbound.bytes_out,
        bytes_received: usage.outbound.bytes_in,
    }
}

pub(super) fn version(server: &ServerRecord, record: &VersionRecord) -> Result<Version> {
    Ok(Version {
        digest: record.digest.to_string(),
        active: server.active == Some(record.digest),
        created_by: record.created_by.clone(),
        created_at: record.created_at.0,
        manifest: serde_json::from_str(&record.manifest).map_err(Error::internal)?,
        definitions: serde_json::from_str(&record.definitions).map_err(Error::internal)?,
    })
}

pub(super) fn version_summary(server: &ServerRecord, record: &ports::VersionSummary) -> VersionSummary {
    VersionSummary {
        digest: record.digest.to_string(),
        active: server.active == Some(record.digest),
        tools: record.tools,
        created_by: record.created_by.clone(),
        created_at: record.created_at.0,
    }
}

pub(super) fn log_line(line: &ports::LogLine, version: Option<&Digest>) -> LogLine {
    LogLine {
        at: line.at.0,
        level: match line.level {
            ports::LogLevel::Debug => LogLevel::Debug,
            ports::LogLevel::Info => LogLevel::Info,
            ports::LogLevel::Warn => LogLevel::Warn,
            ports::LogLevel::Error => LogLevel::Error,
        },
        source: match line.source {
            ports::LogSource::Server => LogSource::Server,
            ports::LogSource::Platform => LogSource::Platform,
        },
        request_id: line.request_id.map(|id| id.to_string()),
        trace_id: line.trace_id.map(|id| id.to_string()),
        version: version.map(ToString::to_string),
        message: line.message.clone(),
    }
}

/// The level a query names.
pub(super) fn log_level(text: &str) -> Result<ports::LogLevel> {
    match text {
        "debug" => Ok(ports::LogLevel::Debug),
        "info" => Ok(ports::LogLevel::Info),
        "warn" => Ok(ports::LogLevel::Warn),
        "error" => Ok(ports::LogLevel::Error),
        _ => Err(Error::invalid("`level` is debug, info, warn or error")),
    }
}
