//! Operations on the keys of tenants' data and on the master key.

use axum::{extract::State, response::Response};
use http::StatusCode;
use smcp_api::{DataKey, DataKeyList, ResealedStore, Resealing, RotatedMasterKey};
use smcp_core::{data_keys::DataKeys, ports::DataKeyState, vault::rotation::Progress};

use crate::{
    App, answer,
    caller::{Caller, Refused},
    extract::Path,
};

pub(super) async fn list(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let listing = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let keys = app.platform.data_keys(&ctx, &tenant).await?;
        Ok(answer::json(StatusCode::OK, &shown(keys)))
    };
    listing.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn rotate(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let rotating = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let keys = app.platform.rotate_data_keys(&ctx, &tenant).await?;
        Ok(answer::json(StatusCode::OK, &shown(keys)))
    };
    rotating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn destroy(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let destroying = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let keys = app.platform.destroy_data(&ctx, &tenant).await?;
        Ok(answer::json(StatusCode::OK, &shown(keys)))
    };
    destroying.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

pub(super) async fn rotate_master(
    State(app): State<App>,
    Caller(ctx): Caller,
    Path(tenant): Path<String>,
) -> Result<Response, Refused> {
    let rotating = async {
        let tenant = app.platform.tenant(&ctx, &tenant).await?;
        let done = app.platform.rotate_master_key(&ctx, &tenant).await?;
        let rotated =
            RotatedMasterKey { ring_keys: done.ring as u64, data_keys: done.data as u64, note: done.note };
        Ok(answer::json(StatusCode::OK, &rotated))
    };
    rotating.await.map_err(|error| Refused { error, request_id: ctx.request_id })
}

fn shown(DataKeys { keys, progress }: DataKeys) -> DataKeyList {
    let items = keys.into_iter().map(|key| DataKey {
        id: key.id.to_string(),
        state: state(key.state).to_owned(),
        created_at: key.created_at.0,
        since: key.since.0,
    });
    DataKeyList { items: items.collect(), resealing: progress.map(resealing) }
}

const fn state(state: DataKeyState) -> &'static str {
    match state {
        DataKeyState::Active => "active",
        DataKeyState::Retiring => "retiring",
        DataKeyState::Retired => "retired",
        DataKeyState::Destroyed => "destroyed",
    }
}

fn resealing(progress: Progress) -> Resealing {
    let stores = progress.stores.into_iter().map(|store| ResealedStore {
        store: store.store.to_owned(),
        resealed: store.resealed,
        damaged: store.damaged,
        waiting: store.waiting,
        done: store.done,
    });
    Resealing { stores: stores.collect(), again_at: progress.again_at.map(|at| at.0) }
}
