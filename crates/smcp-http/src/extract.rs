//! Path and query parameters, refused like everything else: with a problem document.

use axum::extract::{FromRequestParts, Path as AxumPath, Query as AxumQuery};
use http::request::Parts;
use serde::de::DeserializeOwned;
use smcp_types::Error;

use crate::caller::{Refused, request_id};

/// The parameters of a path. What is no text is no name of anything.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = AxumPath::from_request_parts(parts, state).await;
        found
            .map(|AxumPath(value)| Self(value))
            .map_err(|_| Refused { error: Error::NotFound("path"), request_id: request_id(parts) })
    }
}

/// The query's parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = AxumQuery::from_request_parts(parts, state).await;
        found.map(|AxumQuery(value)| Self(value)).map_err(|error| Refused {
            error: Error::invalid(error.body_text()),
            request_id: request_id(parts),
        })
    }
}
