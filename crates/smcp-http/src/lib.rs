//! The axum router: MCP endpoint, management API, health. No sockets; the same router serves the node and the edge.

mod answer;
mod api;
mod caller;
mod extract;
mod gate;
mod health;
mod identity;
mod mcp;
mod rescue;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use smcp_core::{Platform, caller::JWKS_PATH};

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) platform: Arc<Platform>,
}

/// The router over an open platform.
pub fn router(platform: Arc<Platform>) -> Router {
    let app = App { platform };
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route(JWKS_PATH, get(identity::jwks))
        .route("/t/{tenant}/{server}/mcp", mcp::endpoint())
        .merge(api::routes())
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), gate::check))
        .with_state(app)
}
