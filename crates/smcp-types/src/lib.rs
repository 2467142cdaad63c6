//! Ids, names, secrets, limits, time and the domain error of SMCP: the words every other crate speaks.

pub mod base32;
mod digest;
mod error;
mod id;
mod limit;
pub mod limits;
mod name;
mod secret;
mod time;
mod trace_id;

pub use digest::{Digest, ParseDigestError};
pub use error::{Error, Refusal, Result};
pub use id::{
    DataKeyId, KeyId, MasterKeyId, ParseIdError, RequestId, RingKeyId, ServerId, SessionId, StreamId,
    TenantId,
};
pub use limit::{Bounds, Limit, LimitSet, Limits};
pub use name::{ParseSlugError, Slug};
pub use secret::Secret;
pub use time::UnixMillis;
pub use trace_id::{ParseTraceIdError, TraceId};
