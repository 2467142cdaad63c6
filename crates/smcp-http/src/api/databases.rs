//! Operations on tenants' SQL databases. What a request is worth is decided before its body is read.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use smcp_api::{
    Database, DatabaseImport, DatabaseList, DatabaseQuery, DatabaseResult, DatabaseResults, DatabaseScript,
};
use smcp_types::{Error, Result, limits::MAX_API_BODY_BYTES};

use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::Path,
};

/// Largest query: its SQL has at most 100 KB, its parameters what fits beside that.
const MAX_QUERY_BYTES: usize = 10 << 20;

/// A result as D1 has it.
#[derive(Deserialize)]
struct Wire {
    results: Rows,
    meta: Meta,
}

#[derive(Deserialize)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Meta {
    changes: i64,
    last_row_id: i64,
    size_after: i64,
    duration: f64,
}

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let records = app.platform.list_databases(&ctx, &tenant).await?;
        let items = records.into_iter().map(|record| Database { name: record.name, bytes: record.bytes });
        Ok(answer::json(StatusCode::OK, &DatabaseList { items: items.collect() }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn query(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, database)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let querying = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        let _room = app.platform.hold(permit.tenant(), answer::size_of(&body, MAX_QUERY_BYTES))?;
        let query: DatabaseQuery = answer::read_json(&app, &headers, body, MAX_QUERY_BYTES).await?;
        let request = serde_json::to_vec(&query).map_err(Error::internal)?;
        let results = app.platform.query_database(&permit, &database, request.into()).await?;
        Ok(answer::json(StatusCode::OK, &described(&results)?))
    };
    querying.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn export(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, database)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let exporting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let script = app.platform.export_database(&ctx, &tenant, &database).await?;
        let mut response = Body::from_stream(script).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sql; charset=utf-8"));
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        Ok(response)
    };
    exporting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn import(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, database)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let importing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let permit = app.platform.manage_data(&ctx, &tenant)?;
        let _room = app.platform.hold(permit.tenant(), answer::size_of(&body, MAX_API_BODY_BYTES))?;
        let script: DatabaseScript = answer::read_json(&app, &headers, body, MAX_API_BODY_BYTES).await?;
        let did = app.platform.import_database(&permit, &database, script.sql.into()).await?;
        let did =
            DatabaseImport { statements: did.statements, changes: did.changes, size_after: did.size_after };
        Ok(answer::json(StatusCode::OK, &did))
    };
    importing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn delete(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, database)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let deleting = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        app.platform.delete_database(&ctx, &tenant, &database).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    deleting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

fn described(answer: &[u8]) -> Result<DatabaseResults> {
    let results: Vec<Wire> = serde_json::from_slice(answer).map_err(Error::internal)?;
    let result = |Wire { results: Rows { columns, rows }, meta }| DatabaseResult {
        columns,
        rows,
        changes: meta.changes,
        last_row_id: meta.last_row_id,
        size_after: meta.size_after,
        duration_ms: meta.duration,
    };
    Ok(DatabaseResults { results: results.into_iter().map(result).collect() })
}
