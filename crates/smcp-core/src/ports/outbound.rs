//! The port to the world outside, for hosted code.

use std::sync::Arc;

use async_trait::async_trait;
use smcp_types::{ServerId, TenantId};

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

    /// What a server has sent and got since the platform started, or all servers of its tenant, deleted ones included.
    /// One that counts nothing says nothing.
    fn traffic(&self, _tenant: TenantId, _server: Option<ServerId>) -> OutboundTraffic {
        OutboundTraffic::default()
    }

    /// A server is gone: what it alone has sent is not asked for any more.
    fn forget(&self, _tenant: TenantId, _server: ServerId) {}
}

/// Sums of requests to the outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboundTraffic {
    /// Requests that hosted code sent.
    pub requests: u64,
    /// Those of them that a rule refused.
    pub refused: u64,
    /// Bytes of bodies from outside.
    pub bytes_in: u64,
    /// Bytes of bodies to the outside.
    pub bytes_out: u64,
}

impl OutboundTraffic {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            refused: self.refused + other.refused,
            bytes_in: self.bytes_in + other.bytes_in,
            bytes_out: self.bytes_out + other.bytes_out,
        }
    }
}
