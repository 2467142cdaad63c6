//! Why a KV request is refused: Cloudflare has a status of its own for keys that are too long.

use http::{Response, StatusCode};
use smcp_core::{
    ports::HostedBody,
    storage::{Store, kv::check_length},
};
use smcp_types::Error;

use crate::capability::refusal;

/// Shortest time that a read may ask to be cached, in seconds.
const MIN_CACHE_TTL: i64 = 30;

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Refused {
    /// Its key or prefix has too many bytes.
    TooLong(Error),
    /// Everything else.
    Other(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Refused {
    /// The answer.
    pub(super) fn answer(&self, store: Store<'_>) -> Response<HostedBody> {
        let (Self::TooLong(error) | Self::Other(error)) = self;
        let mut told = refusal::tell(error, store.tenant, store.name);
        if matches!(self, Self::TooLong(_)) {
            told.status = StatusCode::URI_TOO_LONG;
        }
        refusal::phrased(&told)
    }
}

/// A key or prefix that is short enough.
pub(super) fn short(key: &str) -> Result<(), Refused> {
    check_length(key).map_err(Refused::TooLong)
}

/// A time to cache. Nothing is cached here, but code that runs here shall not be refused elsewhere.
///
/// # Errors
/// `Invalid` for less than Cloudflare's minimum and for what is no number.
pub(super) fn check_cache_ttl(text: &str) -> Result<(), Refused> {
    if text.parse::<i64>().is_ok_and(|seconds| seconds >= MIN_CACHE_TTL) {
        return Ok(());
    }
    let told = format!("Invalid cache_ttl of {text}. Cache TTL must be at least {MIN_CACHE_TTL}.");
    Err(Error::invalid(told).into())
}
