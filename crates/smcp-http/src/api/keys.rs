//! Operations on API keys.

use std::{collections::BTreeMap, time::Duration};

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use smcp_api::{IssuedKey, Key, KeyList, NewKey, RotateKey};
use smcp_core::{
    Ctx,
    keys::{self, IssuedKey as Issued},
    ports::{KeyRecord, TenantRecord},
};
use smcp_types::{Error, KeyId, Result, ServerId, Slug, UnixMillis, limits::MAX_MCP_BODY_BYTES};

use super::wire;
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::Path,
};

/// Names of servers that are looked up for one new key; the core's own limit is on different ones.
const MAX_NAMES: usize = 200;

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let (records, slugs) = app.platform.list_keys(&ctx, &tenant).await?;
        let items = records.iter().map(|record| described(record, &slugs)).collect();
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
        let new: NewKey = answer::read_json(&app, &headers, body, MAX_MCP_BODY_BYTES).await?;
        if new.servers.len() > MAX_NAMES {
            return Err(Error::invalid("`servers` names too many"));
        }
        let mut servers: Vec<ServerId> = Vec::new();
        for slug in &new.servers {
            servers.push(app.platform.server(&ctx, tenant.slug.as_str(), slug).await?.1.id);
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
        let how: RotateKey = answer::read_json(&app, &headers, body, MAX_MCP_BODY_BYTES).await?;
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
        let (_, slugs) = app.platform.list_keys(&ctx, &tenant).await?;
        Ok(answer::json(StatusCode::OK, &described(&record, &slugs)))
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
    let (_, slugs) = app.platform.list_keys(ctx, tenant).await?;
    let record = described(&issued.record, &slugs);
    Ok(answer::json(status, &IssuedKey { key: issued.key.expose().clone(), record }))
}

/// A key with the slugs of the servers it is limited to; a server that is gone is shown by its id.
fn described(record: &KeyRecord, slugs: &BTreeMap<ServerId, Slug>) -> Key {
    let name = |id: &ServerId| slugs.get(id).map_or_else(|| id.to_string(), ToString::to_string);
    wire::key(record, record.servers.iter().map(name).collect())
}
