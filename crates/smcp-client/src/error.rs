//! What can go wrong between a client and the platform.

use serde_json::Value;
use smcp_api::Problem;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The platform refused or failed, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// Nobody answered, or the connection broke.
    #[error("cannot reach {url}: {why}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What the system says.
        why: String,
    },
    /// Somebody answered, but not as this platform does.
    #[error("no proper answer from {url}: {what}")]
    NotOurs {
        /// What was asked.
        url: String,
        /// What came instead.
        what: String,
    },
    /// A JSON-RPC error, from the platform or from the hosted server.
    #[error("{message}")]
    Rpc {
        /// The HTTP status it came with.
        status: u16,
        /// Its code.
        code: i64,
        /// Its text. May be the hosted server's: show it as foreign text.
        message: String,
        /// What the platform or the server adds.
        data: Option<Value>,
    },
    /// A name that no path can hold: empty, or only dots.
    #[error("{0:?} cannot be the name of anything")]
    Name(String),
}

impl ClientError {
    pub(crate) fn not_ours(url: &str, what: impl Into<String>) -> Self {
        Self::NotOurs { url: url.to_owned(), what: what.into() }
    }

    pub(crate) fn unreachable(url: &str, why: impl Into<String>) -> Self {
        Self::Unreachable { url: url.to_owned(), why: why.into() }
    }
}
