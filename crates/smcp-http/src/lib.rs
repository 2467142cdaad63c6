//! The axum router: MCP endpoint, management API, health. No sockets; the same router serves the node and the edge.

mod answer;
mod api;
mod caller;
mod extract;
mod gate;
mod health;
mod identity;
mod mcp;
mod old_sse;
mod rescue;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use smcp_core::{Platform, caller::JWKS_PATH};

pub use mcp::Unending;

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) platform: Arc<Platform>,
    /// Open streams of 2024-11-05.
    pub(crate) talks: Arc<old_sse::Talks>,
}

/// The router over an open platform.
pub fn router(platform: Arc<Platform>) -> Router {
    let app = App { platform, talks: Arc::default() };
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route(JWKS_PATH, get(identity::jwks))
        .route("/t/{tenant}/{server}/mcp", mcp::endpoint())
        .route("/t/{tenant}/{server}/sse", old_sse::stream_endpoint())
        .route("/t/{tenant}/{server}/messages", old_sse::message_endpoint())
        .merge(api::routes())
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), gate::check))
        .with_state(app)
}
