//! The domain error: what went wrong, what the caller may know, and what only the log may.

use std::{fmt, time::Duration};

/// What a use case returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is told to the caller, and what only to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For the caller: one sentence, no secrets, nothing about other tenants.
    pub message: String,
    /// For the caller: the next step, often a manifest line or a command.
    pub hint: Option<String>,
    /// For the log alone.
    pub private: Option<String>,
}

impl Refusal {
    /// A refusal with a message for the caller.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, private: None }
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what only the log may know.
    #[must_use]
    pub fn private(mut self, private: impl fmt::Display) -> Self {
        self.private = Some(private.to_string());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Everything a use case can fail with. Free of HTTP and of JSON-RPC: each transport has one `rescue` function that
/// lists every variant and decides status and disclosure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input breaks a rule; the caller can mend it.
    #[error("invalid input: {0}")]
    Invalid(Refusal),
    /// No credential, or one that does not verify. Never says which.
    #[error("not authenticated")]
    Unauthenticated,
    /// The caller is known and may not do this.
    #[error("forbidden: {0}")]
    Forbidden(Refusal),
    /// It does not exist, or the caller may not know that it does: both look the same.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The state has moved on, or a unique name is taken.
    #[error("conflict: {0}")]
    Conflict(Refusal),
    /// Over a limit of size or count that retrying does not help.
    #[error("too large: {0}")]
    TooLarge(Refusal),
    /// Over a limit that passes.
    #[error("limited: {message}")]
    Limited {
        /// For the caller: names the limit.
        message: String,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// A part of the platform is not there at the moment.
    #[error("unavailable: {0}")]
    Unavailable(Refusal),
    /// Hosted code failed: did not start, crashed, answered what a server may not answer.
    #[error("hosted server: {0}")]
    Hosted(Refusal),
    /// Hosted code did not answer in its time.
    #[error("hosted server timed out: {0}")]
    TimedOut(Refusal),
    /// Something stored cannot be read: damaged, moved to where it does not belong, or its key is gone for good.
    #[error("damaged: {0}")]
    Damaged(Refusal),
    /// Our own fault. The caller learns the request id and nothing else.
    #[error("internal: {0}")]
    Internal(String),
}

impl Error {
    /// The caller's input breaks a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(Refusal::new(message))
    }

    /// Our own fault; `private` goes to the log.
    pub fn internal(private: impl fmt::Display) -> Self {
        Self::Internal(private.to_string())
    }
}
