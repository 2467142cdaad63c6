//! Operations about the platform itself.

use axum::{extract::State, response::Response};
use http::StatusCode;
use smcp_api::{Health, WhoAmI};
use smcp_types::Error;

use crate::{
    App, answer,
    caller::{Caller, Refused},
};

pub(super) async fn who_am_i(State(app): State<App>, Caller(ctx): Caller) -> Result<Response, Refused> {
    let request_id = ctx.request_id;
    let tenant = app.platform.own_tenant(&ctx).await.map_err(|error| Refused { error, request_id })?;
    let who = WhoAmI {
        principal: ctx.caller.principal().to_owned(),
        tenant: tenant.slug.to_string(),
        roles: ctx.caller.roles().iter().map(ToString::to_string).collect(),
    };
    Ok(answer::json(StatusCode::OK, &who))
}

pub(super) async fn health(State(app): State<App>, Caller(_): Caller) -> Response {
    let (status, reason) = match app.platform.ready().await {
        Ok(()) => ("ready", None),
        Err(Error::Unavailable(refusal)) => ("unready", Some(refusal.message)),
        // Anything else is ours alone to know; it is in the log.
        Err(error) => {
            tracing::error!(%error, "not ready");
            ("unready", None)
        }
    };
    let version = env!("CARGO_PKG_VERSION").to_owned();
    answer::json(StatusCode::OK, &Health { status: status.to_owned(), reason, version })
}

pub(super) async fn openapi() -> Response {
    answer::json(StatusCode::OK, &smcp_api::document())
}
