//! Values of arguments, checked where they are read so that the mistake names the argument.

use std::time::Duration;

use smcp_api::LogLevel;
use smcp_types::{Limit, Slug};

use crate::config::duration;

/// A name of a tenant or a server, as it stands in a path.
pub(crate) fn slug(text: &str) -> Result<String, String> {
    Slug::check_form(text).map(|()| text.to_owned()).map_err(|why| why.to_string())
}

/// A duration with a unit.
pub(crate) fn time_span(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

/// A JSON value, or text.
#[allow(clippy::unnecessary_wraps, reason = "as clap asks for it")]
pub(crate) fn json_or_text(text: &str) -> Result<serde_json::Value, String> {
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write NAME=VALUE".to_owned()),
    }
}

/// `limit=ceiling`, or `limit=` for the platform's own.
pub(crate) fn ceiling(text: &str) -> Result<(String, Option<u32>), String> {
    let (key, value) =
        text.split_once('=').ok_or("write LIMIT=VALUE, or LIMIT= for the platform's ceiling")?;
    let limit = Limit::of_key(key).ok_or_else(|| {
        format!("there is no limit {key:?}; limits are: {}", Limit::ALL.map(Limit::key).join(", "))
    })?;
    if value.is_empty() {
        return Ok((key.to_owned(), None));
    }
    let number: i64 = value.parse().map_err(|_| format!("{value:?} is no whole number"))?;
    limit.check(number).map(|value| (key.to_owned(), Some(value)))
}

/// A level of log lines.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Everything in its tenant
    Admin,
    /// Call servers
    McpUser,
    /// Look, and call nothing
    ReadOnly,
}

impl Role {
    /// As the contract writes it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::McpUser => "mcp_user",
            Self::ReadOnly => "read_only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_cut_at_the_first_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
    }

    #[test]
    fn ceilings_are_checked_where_they_are_typed() {
        assert_eq!(ceiling("memory_mb=256"), Ok(("memory_mb".to_owned(), Some(256))));
        assert_eq!(ceiling("memory_mb="), Ok(("memory_mb".to_owned(), None)));
        assert_eq!(ceiling("memory_mb=1"), Err("must be between 64 and 16384 MiB".to_owned()));
        assert!(ceiling("memory_mb").is_err(), "to ask is not to reset");
        assert!(ceiling("memory=1").is_err_and(|why| why.contains("limits are: call_timeout_ms")));
    }
}
