//! Operations on tenants.

use axum::{body::Body, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use smcp_api::{Ceilings, NewTenant, ServerUsage, TenantList, UsageReport};
use smcp_types::{Error, Limit, Refusal, Result, limits::MAX_MCP_BODY_BYTES};

use super::{MAX_PAGE, PAGE, wire};
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::{Path, Query},
};

/// Where a page begins and how long it is.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

impl Page {
    /// # Errors
    /// `Invalid` when `after` is not an id that a page gave out.
    pub(super) fn after<T: std::str::FromStr>(&self) -> Result<Option<T>> {
        self.after
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::invalid("`after` is not a page's `next`"))
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE)
    }

    /// The `next` of a page, when it is full and so may not be the last.
    pub(super) fn next(&self, ids: &[String]) -> Option<String> {
        (ids.len() >= self.limit() as usize).then(|| ids.last().cloned()).flatten()
    }
}

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Query(page): Query<Page>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenants = app.platform.list_tenants(&ctx, page.after()?, page.limit()).await?;
        let items: Vec<_> = tenants.iter().map(wire::tenant).collect();
        let ids: Vec<String> = items.iter().map(|tenant| tenant.id.clone()).collect();
        Ok(answer::json(StatusCode::OK, &TenantList { next: page.next(&ids), items }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn create(
    State(app): State<App>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let creating = async {
        let new: NewTenant = answer::read_json(&app, &headers, body, MAX_MCP_BODY_BYTES).await?;
        let slug = new.slug.parse().map_err(|error| {
            Error::Invalid(Refusal::new(format!("`slug`: {error}")).hint("for example: acme-tools"))
        })?;
        let tenant = app.platform.create_tenant(&ctx, slug).await?;
        Ok(answer::json(StatusCode::CREATED, &wire::tenant(&tenant)))
    };
    creating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn get(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let found = app.platform.tenant(&ctx, &tenant).await;
    let tenant = found.map_err(|error| Refused { error, request_id: ctx.request_id })?;
    Ok(answer::json(StatusCode::OK, &wire::tenant(&tenant)))
}

pub(super) async fn set_ceilings(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let setting = async {
        let permit = app.platform.ceilings_permit(&ctx, &tenant).await?;
        let asked: Ceilings = answer::read_json(&app, &headers, body, MAX_MCP_BODY_BYTES).await?;
        let changes =
            asked.ceilings.iter().map(|(key, value)| ceiling(key, *value)).collect::<Result<_>>()?;
        let tenant = app.platform.set_ceilings(&permit, changes).await?;
        Ok(answer::json(StatusCode::OK, &wire::tenant(&tenant)))
    };
    setting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn usage(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let used = app.platform.usage(&ctx, &tenant).await;
    let (each, total) = used.map_err(|error| Refused { error, request_id: ctx.request_id })?;
    let servers =
        each.iter().map(|(slug, used)| ServerUsage { server: slug.to_string(), usage: wire::usage(used) });
    let report = UsageReport { servers: servers.collect(), total: wire::usage(&total) };
    Ok(answer::json(StatusCode::OK, &report))
}

/// One ceiling that somebody wants to change.
fn ceiling(key: &str, value: Option<u32>) -> Result<(Limit, Option<u32>)> {
    let limit = Limit::of_key(key).ok_or_else(|| {
        let known = Limit::ALL.map(Limit::key).join(", ");
        Error::Invalid(Refusal::new("there is no such limit").hint(format!("limits are: {known}")))
    })?;
    let checked = value.map(|value| limit.check(value.into())).transpose();
    Ok((limit, checked.map_err(|why| Error::invalid(format!("`{}` {why}", limit.key())))?))
}
