//! Operations on servers and their logs.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use http::{StatusCode, header};
use serde::Deserialize;
use smcp_api::{LogPage, ServerList};
use smcp_core::{
    Ctx,
    ports::{LogLine, LogQuery, ServerRecord, TenantRecord},
};
use smcp_mcp::sse;
use smcp_types::{Digest, Error, Result};

use super::{tenants::Page, wire};
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::{Path, Query},
};

/// Log lines shown when the caller does not say how many.
const LINES: u32 = 100;

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Refused> {
    let listing = async {
        let (tenant, servers) = app.platform.list_servers(&ctx, &tenant, page.after()?, page.limit()).await?;
        let items: Vec<_> =
            servers.iter().map(|status| wire::server(&app.platform, &tenant, status)).collect();
        let ids: Vec<String> = items.iter().map(|server| server.id.clone()).collect();
        Ok(answer::json(StatusCode::OK, &ServerList { next: page.next(&ids), items }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn get(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refused> {
    let getting = async {
        let (tenant, server) = find(&app, &ctx, &path).await?;
        let status = app.platform.status(server);
        Ok(answer::json(StatusCode::OK, &wire::server(&app.platform, &tenant, &status)))
    };
    getting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn delete(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refused> {
    let deleting = async {
        let (_, server) = find(&app, &ctx, &path).await?;
        app.platform.delete_server(&ctx, &server).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    deleting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn lift(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refused> {
    let lifting = async {
        let (tenant, server) = find(&app, &ctx, &path).await?;
        let status = app.platform.lift(&ctx, &tenant, &server).await?;
        Ok(answer::json(StatusCode::OK, &wire::server(&app.platform, &tenant, &status)))
    };
    lifting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

/// What of a log is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct LogsWanted {
    limit: Option<u32>,
    level: Option<String>,
    request: Option<String>,
    trace: Option<String>,
    #[serde(default)]
    follow: bool,
}

pub(super) async fn logs(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
    Query(wanted): Query<LogsWanted>,
) -> Result<Response, Refused> {
    let reading = async {
        let (_, server) = find(&app, &ctx, &path).await?;
        let query = wanted.query()?;
        // Followed first, read second: a line in between shows twice rather than never.
        let following =
            if wanted.follow { Some(app.platform.log_follow(&ctx, &server, query)?) } else { None };
        let tail = app.platform.log_tail(&ctx, &server, query, wanted.limit.unwrap_or(LINES)).await?;
        match following {
            None => {
                let items = tail.iter().map(|(version, line)| wire::log_line(line, Some(version))).collect();
                Ok(answer::json(StatusCode::OK, &LogPage { items }))
            }
            Some(lines) => {
                let last = tail.last().cloned();
                let fresh = lines.skip_while(move |line| std::future::ready(last.as_ref() == Some(line)));
                let events =
                    stream::iter(tail).chain(fresh).map(|line| Ok::<_, std::io::Error>(event(&line)));
                let kind = [(header::CONTENT_TYPE, "text/event-stream")];
                Ok((kind, Body::from_stream(events)).into_response())
            }
        }
    };
    reading.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

impl LogsWanted {
    fn query(&self) -> Result<LogQuery> {
        let level = wire::log_level(self.level.as_deref().unwrap_or("debug"))?;
        let request = self.request.as_deref().map(str::parse).transpose();
        let trace = self.trace.as_deref().map(str::parse).transpose();
        Ok(LogQuery {
            level,
            request: request.map_err(|error| Error::invalid(format!("`request` is {error}")))?,
            trace: trace.map_err(|error| Error::invalid(format!("`trace` is {error}")))?,
        })
    }
}

fn event((version, line): &(Digest, LogLine)) -> Vec<u8> {
    let data = serde_json::to_string(&wire::log_line(line, Some(version))).unwrap_or_default();
    let mut out = Vec::new();
    sse::encode(&sse::Event::message(data), &mut out);
    out
}

/// The tenant and server of a path, if the caller may see both.
pub(super) async fn find(
    app: &App,
    ctx: &Ctx,
    (tenant, server): &(String, String),
) -> Result<(TenantRecord, ServerRecord)> {
    app.platform.server(ctx, tenant, server).await
}
