//! Who is calling: the bearer credential of a request becomes an operation context.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header, request::Parts};
use smcp_core::Ctx;
use smcp_types::{Error, RequestId};

use crate::{App, rescue};

/// The context of a management request. As an extractor it stands before every other, so that nothing about a request
/// is looked at before its credential.
pub(crate) struct Caller(pub(crate) Ctx);

impl FromRequestParts<App> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let request_id = request_id(parts);
        identify(app, &parts.headers, request_id)
            .await
            .map(Self)
            .map_err(|error| Refused { error, request_id })
    }
}

/// A refusal on its way out, as a problem document.
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) request_id: RequestId,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        rescue::problem(&self.error, self.request_id)
    }
}

/// The id the gate gave this request.
pub(crate) fn request_id(parts: &Parts) -> RequestId {
    // The gate stands before every route; without it the id would read as zeros.
    parts.extensions.get().copied().unwrap_or(RequestId::from_bytes([0; 16]))
}

/// Verifies the credential of a request.
///
/// # Errors
/// `Unauthenticated` when it has none, two, or one that is not in force.
pub(crate) async fn identify(app: &App, headers: &HeaderMap, request_id: RequestId) -> Result<Ctx, Error> {
    let presented = bearer(headers).ok_or(Error::Unauthenticated)?;
    let caller = app.platform.identity().identify(presented).await?;
    Ok(Ctx { request_id, caller })
}

/// The token of the one `Authorization` header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    (second.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim_matches(' '))
}
