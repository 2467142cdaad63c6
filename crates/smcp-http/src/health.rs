//! `/livez` and `/readyz`: for whoever restarts us and whoever sends us traffic. They tell nothing else.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, header};

use crate::App;

pub(crate) async fn live() -> Response {
    text(StatusCode::OK, "ok\n")
}

pub(crate) async fn ready(State(app): State<App>) -> Response {
    match app.platform.ready().await {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            text(StatusCode::SERVICE_UNAVAILABLE, "unready\n")
        }
    }
}

fn text(status: StatusCode, body: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
