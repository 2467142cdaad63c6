//! The management API: every operation of the contract gets its handler, and nothing else does.

mod data_keys;
mod databases;
mod keys;
mod kv;
mod objects;
mod platform;
mod secrets;
mod servers;
mod tenants;
mod versions;
mod wire;

use axum::{
    Router,
    routing::{MethodFilter, MethodRouter, on},
};
use smcp_api::{Method, OPERATIONS, OperationId};

use crate::App;

/// Rows in a page when the caller does not say.
const PAGE: u32 = 50;
/// Most rows in a page.
const MAX_PAGE: u32 = 200;

/// One route per operation.
pub(crate) fn routes() -> Router<App> {
    OPERATIONS.iter().fold(Router::new(), |router, operation| {
        let filter = match operation.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Delete => MethodFilter::DELETE,
        };
        router.route(operation.path, handler(operation.id, filter))
    })
}

fn handler(id: OperationId, filter: MethodFilter) -> MethodRouter<App> {
    match id {
        OperationId::WhoAmI => on(filter, platform::who_am_i),
        OperationId::GetHealth => on(filter, platform::health),
        OperationId::GetOpenApi => on(filter, platform::openapi),
        OperationId::ListTenants => on(filter, tenants::list),
        OperationId::CreateTenant => on(filter, tenants::create),
        OperationId::GetTenant => on(filter, tenants::get),
        OperationId::SetCeilings => on(filter, tenants::set_ceilings),
        OperationId::GetUsage => on(filter, tenants::usage),
        OperationId::ListKeys => on(filter, keys::list),
        OperationId::CreateKey => on(filter, keys::create),
        OperationId::RotateKey => on(filter, keys::rotate),
        OperationId::RevokeKey => on(filter, keys::revoke),
        OperationId::ListDataKeys => on(filter, data_keys::list),
        OperationId::RotateDataKeys => on(filter, data_keys::rotate),
        OperationId::DestroyData => on(filter, data_keys::destroy),
        OperationId::RotateMasterKey => on(filter, data_keys::rotate_master),
        OperationId::ListServers => on(filter, servers::list),
        OperationId::GetServer => on(filter, servers::get),
        OperationId::DeleteServer => on(filter, servers::delete),
        OperationId::GetLogs => on(filter, servers::logs),
        OperationId::LiftQuarantine => on(filter, servers::lift),
        OperationId::ListSecrets => on(filter, secrets::list),
        OperationId::SetSecret => on(filter, secrets::set),
        OperationId::RotateSecret => on(filter, secrets::rotate),
        OperationId::RemoveSecret => on(filter, secrets::remove),
        OperationId::ListDatabases => on(filter, databases::list),
        OperationId::QueryDatabase => on(filter, databases::query),
        OperationId::ExportDatabase => on(filter, databases::export),
        OperationId::ImportDatabase => on(filter, databases::import),
        OperationId::DeleteDatabase => on(filter, databases::delete),
        OperationId::ListKvNamespaces => on(filter, kv::namespaces),
        OperationId::ListKvKeys => on(filter, kv::keys),
        OperationId::GetKvEntry => on(filter, kv::get),
        OperationId::PutKvEntry => on(filter, kv::put),
        OperationId::DeleteKvEntry => on(filter, kv::delete),
        OperationId::ListBuckets => on(filter, objects::buckets),
        OperationId::ListObjects => on(filter, objects::list),
        OperationId::GetObject => on(filter, objects::get),
        OperationId::PutObject => on(filter, objects::put),
        OperationId::DeleteObject => on(filter, objects::delete),
        OperationId::ListVersions => on(filter, versions::list),
        OperationId::DeployVersion => on(filter, versions::deploy),
        OperationId::GetVersion => on(filter, versions::get),
        OperationId::ActivateVersion => on(filter, versions::activate),
    }
}
