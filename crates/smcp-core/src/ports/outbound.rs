//! The port to the world outside, for hosted code.

use std::sync::Arc;

use async_trait::async_trait;

use super::{HostedBody, Workload};

/// Carries requests of hosted code out, as far as its manifest allows (DESIGN 7).
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// Sends one request whose URL is absolute. Its head is as hosted code sent it, framing headers included: without
    /// `Content-Length` and `Transfer-Encoding` it has no body. What is refused or fails is an answer too, in words for
    /// whoever wrote the code; dropping the answer's body ends the request.
    async fn fetch(
        &self,
        from: &Arc<Workload>,
        request: http::Request<HostedBody>,
    ) -> http::Response<HostedBody>;
}
