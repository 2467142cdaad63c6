//! The key set that verifies what hosted code is told about its callers. Public, and the same for everybody.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::header;
use smcp_core::caller::JWKS_TYPE;

use crate::App;

/// A key stays in the set for longer than this after it has signed for the last time.
const CACHED: &str = "public, max-age=300";

pub(crate) async fn jwks(State(app): State<App>) -> Response {
    let headers = [(header::CONTENT_TYPE, JWKS_TYPE), (header::CACHE_CONTROL, CACHED)];
    (headers, app.platform.callers().jwks()).into_response()
}
