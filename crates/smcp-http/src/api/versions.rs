//! Operations on versions: deploy, look, activate.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use data_encoding::BASE64;
use http::{HeaderMap, StatusCode};
use smcp_api::{Deploy, DeployedVersion, ModuleKind as WireKind, UploadedModule, VersionList};
use smcp_core::deploy::DeployRefused;
use smcp_manifest::{Bundle, LockedManifest, Module, ModuleKind};
use smcp_types::{
    Digest, Error, Refusal, Result,
    limits::{MAX_API_BODY_BYTES, MAX_BUNDLE_BYTES, MAX_MODULES},
};

use super::{servers::find, wire};
use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::Path,
    rescue,
};

/// Largest locked manifest: its vars have at most 64 KiB.
const MAX_MANIFEST_BYTES: usize = 256 << 10;

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refused> {
    let listing = async {
        let (_, server) = find(&app, &ctx, &path).await?;
        let records = app.platform.list_versions(&ctx, &server).await?;
        let items = records.iter().map(|record| wire::version_summary(&server, record)).collect();
        Ok(answer::json(StatusCode::OK, &VersionList { items }))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn get(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server, version)): Path<(String, String, String)>,
) -> Result<Response, Refused> {
    let getting = async {
        let (_, server) = find(&app, &ctx, &(tenant, server)).await?;
        let record = app.platform.version(&ctx, &server, digest(&version)?).await?;
        Ok(answer::json(StatusCode::OK, &wire::version(&server, &record)?))
    };
    getting.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn activate(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server, version)): Path<(String, String, String)>,
) -> Result<Response, Refused> {
    let activating = async {
        let (tenant, server) = find(&app, &ctx, &(tenant, server)).await?;
        let status = app.platform.activate(&ctx, &server, digest(&version)?).await?;
        Ok(answer::json(StatusCode::OK, &wire::server(&app.platform, &tenant, &status)))
    };
    activating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn deploy(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path((tenant, server)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let deploying = async {
        let tenant = match app.platform.deploy_target(&ctx, &tenant, &server).await {
            Ok(tenant) => tenant,
            Err(error) => {
                // A client that is still sending hears a refusal only when it is done.
                answer::discard(&app, body, MAX_API_BODY_BYTES).await;
                return Err(error.into());
            }
        };
        let upload: Deploy = answer::read_json(&app, &headers, body, MAX_API_BODY_BYTES).await?;
        let bundle = bundle(upload)?;
        if bundle.manifest().name.as_str() != server {
            return Err(Error::invalid("the manifest's `name` is not the server of this path").into());
        }
        let deployed = app.platform.deploy(&ctx, &tenant, bundle).await?;
        let version = wire::version(&deployed.server, &deployed.version)?;
        let status = app.platform.status(deployed.server);
        let server = wire::server(&app.platform, &tenant, &status);
        let code = if deployed.known { StatusCode::OK } else { StatusCode::CREATED };
        Ok::<_, DeployRefused>(answer::json(
            code,
            &DeployedVersion { server, version, known: deployed.known, warnings: deployed.warnings },
        ))
    };
    deploying.await.unwrap_or_else(|DeployRefused { error, logs }| {
        let logs = logs.iter().map(|line| wire::log_line(line, None)).collect();
        let mut response = rescue::problem_with_logs(&error, ctx.request_id, logs);
        // Here hosted code that fails is the caller's own input, not a gateway's trouble.
        if matches!(error, Error::Hosted(_) | Error::TimedOut(_)) {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        response.into_response()
    })
}

/// An upload, checked from scratch: nothing the client's tool checked is taken on trust.
fn bundle(upload: Deploy) -> Result<Bundle> {
    let too_large = |what: String| Error::TooLarge(Refusal::new(what));
    if upload.modules.len() > MAX_MODULES {
        return Err(too_large(format!("a bundle has at most {MAX_MODULES} modules")));
    }
    let encoded: usize = upload.modules.iter().map(|module| module.content.len()).sum();
    if encoded / 4 * 3 > MAX_BUNDLE_BYTES + 3 * MAX_MODULES {
        return Err(too_large(format!("a bundle has at most {MAX_BUNDLE_BYTES} bytes")));
    }
    if upload.manifest.get().len() > MAX_MANIFEST_BYTES {
        return Err(too_large(format!("a manifest has at most {MAX_MANIFEST_BYTES} bytes")));
    }
    let manifest = LockedManifest::from_json(upload.manifest.get().as_bytes())
        .map_err(|error| Error::invalid(format!("`manifest`: {error}")))?;
    let modules = upload.modules.into_iter().map(module).collect::<Result<_>>()?;
    Bundle::new(manifest, modules).map_err(|error| Error::invalid(error.to_string()))
}

fn module(uploaded: UploadedModule) -> Result<Module> {
    let bytes = BASE64
        .decode(uploaded.content.as_bytes())
        .map_err(|_| Error::invalid(format!("module `{}`: its content is not base64", uploaded.name)))?;
    let kind = match uploaded.kind {
        WireKind::EsModule => ModuleKind::EsModule,
        WireKind::Wasm => ModuleKind::Wasm,
        WireKind::Text => ModuleKind::Text,
        WireKind::Data => ModuleKind::Data,
        WireKind::Json => ModuleKind::Json,
    };
    Ok(Module { name: uploaded.name, kind, bytes })
}

fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|_| Error::NotFound("version"))
}
