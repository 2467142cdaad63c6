//! Operations on tenants' buckets. An object's content comes and goes as it is; what is known of it stands in lists.

use axum::{
    body::{Body, HttpBody as _},
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use smcp_api::{ObjectPage, StoredObject};
use smcp_core::{
    ports::HostedBody,
    storage::objects::{
        ListObjects, Object,
        head::{CustomField, HttpFields, Labels},
    },
};
use smcp_types::{Error, Refusal, Result};

use super::kv::{Part, Which, summary};
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::{Path, Query},
};

/// What an object takes in memory on its way in or out: a piece of content, open and sealed.
const PIECES: usize = 2 << 20;

/// What an object is to be stored as.
#[derive(Deserialize)]
pub(super) struct New {
    #[serde(default)]
    key: String,
    content_type: Option<String>,
    /// JSON: an object of strings.
    metadata: Option<String>,
}

pub(super) async fn buckets(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        Ok(answer::json(StatusCode::OK, &summary(app.platform.list_buckets(&permit).await?)))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, bucket)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        let list = ListObjects {
            prefix: &part.prefix,
            limit: part.limit,
            cursor: part.after.as_deref(),
            unreadable: true,
            ..ListObjects::default()
        };
        let page = app.platform.list_objects(&permit, &bucket, list).await?;
        let items = page.objects.into_iter().map(shown).collect();
        Ok(answer::json(
            StatusCode::OK,
            &ObjectPage { items, unreadable: page.unreadable, next: page.cursor },
        ))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn get(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, bucket)): Path<(String, String)>,
    Query(Which { key }): Query<Which>,
) -> Result<Response, Refused> {
    let getting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.view_data(&ctx, &tenant)?;
        let found =
            app.platform.get_object(&permit, &bucket, &key).await?.ok_or(Error::NotFound("object"))?;
        let size = HeaderValue::from(found.object.head.size);
        let room = app.platform.hold(permit.tenant(), PIECES)?;
        let content = found.body.map(move |piece| {
            // Whoever reads slowly has taken it until the last piece.
            let _room = &room;
            piece
        });
        let mut response = Body::from_stream(content).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, size);
        // Whatever its writer calls it: no browser makes a page of it on our origin.
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        Ok(response)
    };
    getting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn put(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, bucket)): Path<(String, String)>,
    Query(new): Query<New>,
    body: Body,
) -> Result<Response, Refused> {
    let putting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        let size = body.size_hint().exact();
        let size = size.ok_or_else(|| Error::Invalid(Refusal::new("an object needs a Content-Length")))?;
        let _room = app.platform.hold(permit.tenant(), PIECES)?;
        let body: HostedBody = Box::pin(answer::pieces(&app, body));
        let given = (labels(&new)?, size, body);
        let stored = app.platform.put_object(&permit, (&bucket, &new.key), given).await?;
        let stored = stored.ok_or_else(|| Error::internal("an object without conditions was refused"))?;
        Ok(answer::json(StatusCode::OK, &shown(stored)))
    };
    putting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn delete(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, bucket)): Path<(String, String)>,
    Query(Which { key }): Query<Which>,
) -> Result<Response, Refused> {
    let deleting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        app.platform.delete_object(&permit, &bucket, &key).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    deleting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

fn shown(object: Object) -> StoredObject {
    let Object { key, head, .. } = object;
    StoredObject {
        key,
        size: head.size,
        etag: head.etag,
        uploaded_at: head.uploaded,
        content_type: head.labels.http.content_type,
        metadata: head.labels.custom.into_iter().map(|field| (field.k, field.v)).collect(),
    }
}

fn labels(new: &New) -> Result<Labels> {
    let http = HttpFields { content_type: new.content_type.clone(), ..HttpFields::default() };
    let Some(json) = &new.metadata else { return Ok(Labels { http, custom: Vec::new() }) };
    let fields: std::collections::BTreeMap<String, String> = serde_json::from_str(json)
        .map_err(|error| Error::invalid(format!("`metadata` is no JSON object of strings: {error}")))?;
    let custom = fields.into_iter().map(|(k, v)| CustomField { k, v }).collect();
    Ok(Labels { http, custom })
}
