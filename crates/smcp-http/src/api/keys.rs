//! Operations on API keys.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use smcp_api::{IssuedKey, Key, KeyList, NewKey, RotateKey};
use smcp_core::{
    Ctx,
    keys::{self, IssuedKey as Issued},
    ports::{KeyRecord, TenantRecord},
};
use smcp_types::{Error, KeyId, Result, ServerId, UnixMillis, limits::MAX_MCP_BODY_BYTES};

use super::wire;
use crate::{
    App, answer,
    caller::{Caller, Refused},
};

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let records = app.platform.list_keys(&ctx, &tenant).await?;
        let mut items = Vec::with_capacity(records.len());
        for record in &records {
            items.push(described(&app, &ctx, &tenant, record).await?);
        }
        Ok(answer::json(StatusCode::OK, &KeyList { items }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn create(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let creating = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let new: NewKey = answer::read_json(&headers, body, MAX_MCP_BODY_BYTES).await?;
        let mut servers: Vec<ServerId> = Vec::new();
        for slug in &new.servers {
            servers.push(app.platform.server(&ctx, &tenant, slug).await?.id);
        }
        let new = keys::NewKey {
            label: new.name,
            role: new.role.parse().map_err(|error| Error::invalid(format!("`role`: {error}")))?,
            servers,
            expires_at: new.expires_at.map(UnixMillis),
        };
        let issued = app.platform.create_key(&ctx, &tenant, new).await?;
        show(&app, &ctx, &tenant, StatusCode::CREATED, &issued).await
    };
    creating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn rotate(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let rotating = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let how: RotateKey = answer::read_json(&headers, body, MAX_MCP_BODY_BYTES).await?;
        let grace = Duration::from_secs(how.grace_seconds);
        let issued = app.platform.rotate_key(&ctx, &tenant, key_id(&key)?, grace).await?;
        show(&app, &ctx, &tenant, StatusCode::OK, &issued).await
    };
    rotating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn revoke(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, key)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let revoking = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let record = app.platform.revoke_key(&ctx, &tenant, key_id(&key)?).await?;
        Ok(answer::json(StatusCode::OK, &described(&app, &ctx, &tenant, &record).await?))
    };
    revoking.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

fn key_id(text: &str) -> Result<KeyId> {
    text.parse().map_err(|_| Error::NotFound("key"))
}

async fn show(
    app: &App,
    ctx: &Ctx,
    tenant: &TenantRecord,
    status: StatusCode,
    issued: &Issued,
) -> Result<Response> {
    let record = described(app, ctx, tenant, &issued.record).await?;
    Ok(answer::json(status, &IssuedKey { key: issued.key.expose().clone(), record }))
}

/// A key with the slugs of the servers it is limited to; a server that is gone is shown by its id.
async fn described(app: &App, ctx: &Ctx, tenant: &TenantRecord, record: &KeyRecord) -> Result<Key> {
    let mut slugs = Vec::with_capacity(record.servers.len());
    for id in &record.servers {
        slugs.push(app.platform.server_slug(ctx, tenant, *id).await?.unwrap_or_else(|| id.to_string()));
    }
    Ok(wire::key(record, slugs))
}
