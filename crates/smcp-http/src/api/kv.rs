//! Operations on tenants' KV namespaces. Keys stand in the query: they may hold anything.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use smcp_api::{KvEntry, KvKey, KvKeyPage, StoreList, StoreSummary};
use smcp_core::{
    data::Contents,
    storage::kv::{Expiry, ListKeys, ListedKey, MAX_LIST, MAX_VALUE_BYTES, NewEntry},
};
use smcp_types::{Error, Refusal, Result};

use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::{Path, Query},
};

/// A value of the largest size in base64, and room around it.
const MAX_ENTRY_BYTES: usize = MAX_VALUE_BYTES / 3 * 4 + (64 << 10);

/// Which part of a namespace or bucket is listed.
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) prefix: String,
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

/// Which entry.
#[derive(Deserialize)]
pub(super) struct Which {
    /// One that is missing is refused like one that is empty: after the caller has shown that it may ask.
    #[serde(default)]
    pub(super) key: String,
}

pub(super) async fn namespaces(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        Ok(answer::json(StatusCode::OK, &summary(app.platform.list_namespaces(&permit).await?)))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn keys(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, namespace)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        let limit = Some(part.limit.unwrap_or(MAX_LIST));
        let list = ListKeys { prefix: &part.prefix, limit, cursor: part.after.as_deref() };
        let page = app.platform.list_kv(&permit, &namespace, list).await?;
        let items = page.keys.into_iter().map(key).collect::<Result<_>>()?;
        Ok(answer::json(StatusCode::OK, &KvKeyPage { items, next: page.cursor }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn get(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, namespace)): Path<(String, String)>,
    Query(Which { key }): Query<Which>,
) -> Result<Response, Refused> {
    let getting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        let entry = app.platform.get_kv(&permit, &namespace, &key).await?.ok_or(Error::NotFound("key"))?;
        let told = KvEntry {
            value: BASE64.encode(&entry.value),
            metadata: entry.metadata.map(raw).transpose()?,
            expires_at: entry.expires_at.map(|at| at.0),
        };
        let json = serde_json::to_vec(&told).map_err(Error::internal)?;
        let room = app.platform.hold(permit.tenant(), json.len())?;
        Ok(([(header::CONTENT_TYPE, "application/json")], room.hold(json)).into_response())
    };
    getting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn put(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, namespace)): Path<(String, String)>,
    Query(Which { key }): Query<Which>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let putting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        let _room = app.platform.hold(permit.tenant(), answer::size_of(&body, MAX_ENTRY_BYTES))?;
        let entry: KvEntry = answer::read_json(&app, &headers, body, MAX_ENTRY_BYTES).await?;
        let value = BASE64.decode(entry.value.as_bytes());
        let value = value.map_err(|_| Error::Invalid(Refusal::new("`value` has to be base64")))?;
        let expiry = Expiry { at: entry.expires_at.map(|at| at.div_euclid(1000)), ttl: None };
        let metadata = entry.metadata.as_deref().map(RawValue::get);
        let new = NewEntry { value: &value, metadata, expiry };
        app.platform.put_kv(&permit, (&namespace, &key), new).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    putting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn delete(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, namespace)): Path<(String, String)>,
    Query(Which { key }): Query<Which>,
) -> Result<Response, Refused> {
    let deleting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        app.platform.delete_kv(&permit, &namespace, &key).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    deleting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

/// What is stored where, on the wire.
pub(super) fn summary(contents: Contents) -> StoreList {
    let items = contents.stores.into_iter().map(|(name, entries)| StoreSummary { name, entries }).collect();
    StoreList { items, used_bytes: contents.used, quota_bytes: contents.quota }
}

fn key(listed: ListedKey) -> Result<KvKey> {
    let metadata = listed.metadata.map(raw).transpose()?;
    Ok(KvKey { name: listed.name, metadata, expires_at: listed.expires_at.map(|at| at.0) })
}

fn raw(json: String) -> Result<Box<RawValue>> {
    RawValue::from_string(json).map_err(Error::internal)
}
