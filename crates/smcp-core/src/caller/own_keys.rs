//! The one address of our own that hosted code reaches: the key set that verifies its callers, answered in place.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, header};
use smcp_types::{Result, ServerId, TenantId};

use super::{CallerTokens, JWKS_PATH, JWKS_TYPE};
use crate::{
    ports::{HostedBody, Outbound, OutboundTraffic, Workload},
    settings::ExternalUrl,
};

/// The way out with the key set on it. No manifest has to name it: nothing is dialled, and the keys are public.
pub struct OwnKeys {
    callers: Arc<CallerTokens>,
    inner: Arc<dyn Outbound>,
}

impl OwnKeys {
    /// Stands before the real way out.
    #[must_use]
    pub fn new(callers: Arc<CallerTokens>, inner: Arc<dyn Outbound>) -> Self {
        Self { callers, inner }
    }

    fn is_asked_for(&self, request: &Request<HostedBody>) -> bool {
        let uri = request.uri();
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
        let origin = ExternalUrl::parse(&format!("{scheme}://{authority}"));
        request.method() == Method::GET
            && uri.path() == JWKS_PATH
            && uri.query().is_none()
            && origin.is_ok_and(|origin| origin.origin() == self.callers.origin)
    }
}

#[async_trait]
impl Outbound for OwnKeys {
    async fn fetch(&self, from: &Arc<Workload>, request: Request<HostedBody>) -> Response<HostedBody> {
        // It counts as a request like any other; without a token left, the real way out says so.
        if !self.is_asked_for(&request) || !from.budgets.subrequests.take() {
            return self.inner.fetch(from, request).await;
        }
        let keys = self.callers.jwks();
        let body: HostedBody = Box::pin(stream::iter([Ok(keys)] as [Result<Bytes>; 1]));
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JWKS_TYPE));
        response
    }

    fn traffic(&self, tenant: TenantId, server: Option<ServerId>) -> OutboundTraffic {
        self.inner.traffic(tenant, server)
    }

    fn forget(&self, tenant: TenantId, server: ServerId) {
        self.inner.forget(tenant, server);
    }
}
