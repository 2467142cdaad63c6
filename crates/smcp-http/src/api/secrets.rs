//! Operations on servers' secrets: values come in and never go out.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode};
use smcp_api::{Secret, SecretList, SecretValue};
use smcp_core::secrets::{MAX_SECRET_BYTES, SecretInfo};
use smcp_types::Result;

use super::servers::find;
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::Path,
};

/// A value in JSON: every byte may be an escape of six.
const MAX_BODY: usize = 6 * MAX_SECRET_BYTES + 1024;

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refused> {
    let listing = async {
        let (_, server) = find(&app, &ctx, &path).await?;
        let infos = app.platform.list_secrets(&ctx, &server).await?;
        Ok(answer::json(StatusCode::OK, &SecretList { items: infos.into_iter().map(described).collect() }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn set(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let setting = async {
        let (_, server) = find(&app, &ctx, &(tenant, server)).await?;
        let value = value(&app, &headers, body).await?;
        let info = app.platform.set_secret(&ctx, &server, &name, value).await?;
        Ok(answer::json(StatusCode::OK, &described(info)))
    };
    setting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn rotate(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let rotating = async {
        let (_, server) = find(&app, &ctx, &(tenant, server)).await?;
        let value = value(&app, &headers, body).await?;
        let info = app.platform.rotate_secret(&ctx, &server, &name, value).await?;
        Ok(answer::json(StatusCode::OK, &described(info)))
    };
    rotating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn remove(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server, name)): Path<(String, String, String)>,
) -> Result<Response, Refused> {
    let removing = async {
        let (_, server) = find(&app, &ctx, &(tenant, server)).await?;
        app.platform.remove_secret(&ctx, &server, &name).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    removing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

async fn value(app: &App, headers: &HeaderMap, body: Body) -> Result<smcp_types::Secret<String>> {
    let SecretValue { value } = answer::read_json(app, headers, body, MAX_BODY).await?;
    Ok(smcp_types::Secret::new(value))
}

fn described(info: SecretInfo) -> Secret {
    Secret {
        name: info.name,
        version: info.version,
        created_by: info.created_by,
        created_at: info.created_at.0,
        updated_at: info.updated_at.0,
    }
}
