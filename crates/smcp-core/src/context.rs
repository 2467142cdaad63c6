//! The operation context: who asks, under which request id. First parameter of every use case.

use std::sync::Arc;

use smcp_types::RequestId;

use crate::identity::VerifiedCaller;

/// Made in a transport, a background loop or a test, and nowhere else.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Stands in the answer, in every log line and in every error.
    pub request_id: RequestId,
    /// The caller, already verified.
    pub caller: Arc<VerifiedCaller>,
}
