//! A service that is not there: every request is refused, in words. For nodes and tests that offer none.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Request, Response, StatusCode, header};
use smcp_core::ports::{BindingService, HostedBody, Outbound, Workload};

use super::Services;

/// Most of a request's body that is passed over before the answer. Unread bytes would reset the connection, answer and all.
const MAX_BODY: usize = 1 << 20;

/// Longest host name there is.
const MAX_HOST: usize = 253;

/// Refuses everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Closed;

impl Services {
    /// Nothing is offered.
    #[must_use]
    pub fn closed() -> Self {
        let closed = Arc::new(Closed);
        Self {
            outbound: closed.clone(),
            kv: closed.clone(),
            objects: closed.clone(),
            d1: closed,
            offered: &[],
        }
    }
}

#[async_trait]
impl Outbound for Closed {
    async fn fetch(&self, _: &Arc<Workload>, request: Request<HostedBody>) -> Response<HostedBody> {
        let host = request.uri().host().unwrap_or("the host");
        let host = &host[..host.floor_char_boundary(MAX_HOST)];
        let sentence = format!(
            "outbound requests are not offered yet: hosted code has no network, and {host} was not asked\n"
        );
        refuse(request, sentence).await
    }
}

#[async_trait]
impl BindingService for Closed {
    async fn serve(&self, _: &Arc<Workload>, _: &str, request: Request<HostedBody>) -> Response<HostedBody> {
        refuse(request, "this node offers no such storage\n".to_owned()).await
    }
}

async fn refuse(request: Request<HostedBody>, sentence: String) -> Response<HostedBody> {
    let (mut body, mut read) = (request.into_body(), 0);
    while let Some(Ok(chunk)) = body.next().await {
        read += chunk.len();
        if read > MAX_BODY {
            break;
        }
    }
    let once = stream::once(std::future::ready(Ok(Bytes::from(sentence))));
    let mut response: Response<HostedBody> = Response::new(Box::pin(once));
    *response.status_mut() = StatusCode::FORBIDDEN;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // The body may not have been read to its end, so the connection is not used again.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
