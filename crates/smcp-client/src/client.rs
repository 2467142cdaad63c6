//! The client: one method for each operation of the contract.

mod databases;
mod stores;

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use smcp_api::{
    Ceilings, DataKeyList, Deploy, DeployedVersion, Health, IssuedKey, Key, KeyList, LogPage, NewKey,
    NewTenant, OperationId, RotateKey, RotatedMasterKey, SecretList, SecretValue, Server, ServerList, Tenant,
    TenantList, UsageReport, Version, VersionList, WhoAmI,
};
use smcp_types::Secret;

use crate::{
    ClientError, Endpoint, LogFilter, LogStream, McpSession, path,
    transport::{Ask, Transport, check, read_json},
};

/// Most items the platform gives in one page.
pub const PAGE_LIMIT: u32 = 200;

/// For an ordinary answer.
const ANSWER: Duration = Duration::from_secs(30);
/// For uploads and statements: an upload, a process to start, and the time that they may take.
const DATABASE: Duration = Duration::from_secs(60);
/// For a deploy: an upload, a turn to wait for, and a start with its answers.
const DEPLOY: Duration = Duration::from_secs(120);

pub use stores::{NewObject, StorePart};

/// A client of one platform, with one key.
pub struct Client {
    transport: Transport,
}

/// Path parameters and query of a request.
struct Target<'a> {
    operation: OperationId,
    path: &'a [&'a str],
    query: Vec<(&'a str, Option<String>)>,
}

impl Client {
    /// A client. `user_agent` names the program it works for.
    #[must_use]
    pub fn new(endpoint: Endpoint, key: Option<Secret<String>>, user_agent: &str) -> Self {
        Self { transport: Transport::new(endpoint, key, user_agent) }
    }

    /// Where it asks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.transport.endpoint()
    }

    /// Whom the key stands for.
    ///
    /// # Errors
    /// `ClientError`, as of every method here.
    pub fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.ask(target(OperationId::WhoAmI, &[]))
    }

    /// How the platform is.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.ask(target(OperationId::GetHealth, &[]))
    }

    /// The OpenAPI document.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn openapi(&self) -> Result<Value, ClientError> {
        self.ask(target(OperationId::GetOpenApi, &[]))
    }

    /// One page of the tenants the key may see.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_tenants(&self, after: Option<&str>) -> Result<TenantList, ClientError> {
        self.ask(Target { query: page(after), ..target(OperationId::ListTenants, &[]) })
    }

    /// Creates a tenant.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn create_tenant(&self, new: &NewTenant) -> Result<Tenant, ClientError> {
        self.give(target(OperationId::CreateTenant, &[]), new)
    }

    /// One tenant.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn get_tenant(&self, tenant: &str) -> Result<Tenant, ClientError> {
        self.ask(target(OperationId::GetTenant, &[tenant]))
    }

    /// Sets what a tenant's manifests may ask for at most.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn set_ceilings(&self, tenant: &str, ceilings: &Ceilings) -> Result<Tenant, ClientError> {
        self.give(target(OperationId::SetCeilings, &[tenant]), ceilings)
    }

    /// What a tenant's servers have used since the platform started.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn usage(&self, tenant: &str) -> Result<UsageReport, ClientError> {
        self.ask(target(OperationId::GetUsage, &[tenant]))
    }

    /// The API keys of a tenant.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_keys(&self, tenant: &str) -> Result<KeyList, ClientError> {
        self.ask(target(OperationId::ListKeys, &[tenant]))
    }

    /// Creates an API key; the answer shows it this once.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn create_key(&self, tenant: &str, new: &NewKey) -> Result<IssuedKey, ClientError> {
        self.give(target(OperationId::CreateKey, &[tenant]), new)
    }

    /// Gives a key a new secret; the answer shows it this once.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn rotate_key(&self, tenant: &str, key: &str, how: &RotateKey) -> Result<IssuedKey, ClientError> {
        self.give(target(OperationId::RotateKey, &[tenant, key]), how)
    }

    /// Ends a key for good.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn revoke_key(&self, tenant: &str, key: &str) -> Result<Key, ClientError> {
        self.ask(target(OperationId::RevokeKey, &[tenant, key]))
    }

    /// The keys a tenant's data is encrypted with.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_data_keys(&self, tenant: &str) -> Result<DataKeyList, ClientError> {
        self.ask(target(OperationId::ListDataKeys, &[tenant]))
    }

    /// Gives a tenant's data a new key.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn rotate_data_keys(&self, tenant: &str) -> Result<DataKeyList, ClientError> {
        self.ask(target(OperationId::RotateDataKeys, &[tenant]))
    }

    /// Destroys the keys of a tenant's data, for good.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn destroy_data(&self, tenant: &str) -> Result<DataKeyList, ClientError> {
        self.ask(target(OperationId::DestroyData, &[tenant]))
    }

    /// Replaces the master key; the tenant is the platform's own.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn rotate_master_key(&self, tenant: &str) -> Result<RotatedMasterKey, ClientError> {
        self.ask(target(OperationId::RotateMasterKey, &[tenant]))
    }

    /// One page of the servers of a tenant.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_servers(&self, tenant: &str, after: Option<&str>) -> Result<ServerList, ClientError> {
        self.ask(Target { query: page(after), ..target(OperationId::ListServers, &[tenant]) })
    }

    /// One server.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn get_server(&self, tenant: &str, server: &str) -> Result<Server, ClientError> {
        self.ask(target(OperationId::GetServer, &[tenant, server]))
    }

    /// Deletes a server with all its versions.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn delete_server(&self, tenant: &str, server: &str) -> Result<(), ClientError> {
        self.nothing(target(OperationId::DeleteServer, &[tenant, server]))
    }

    /// Ends the quarantine of a server.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn lift(&self, tenant: &str, server: &str) -> Result<Server, ClientError> {
        self.ask(target(OperationId::LiftQuarantine, &[tenant, server]))
    }

    /// The versions of a server.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_versions(&self, tenant: &str, server: &str) -> Result<VersionList, ClientError> {
        self.ask(target(OperationId::ListVersions, &[tenant, server]))
    }

    /// Has a bundle checked and stored. Activates nothing.
    ///
    /// # Errors
    /// `ClientError`; a refused version's own log is in `Problem.logs`.
    pub fn deploy(
        &self,
        tenant: &str,
        server: &str,
        deploy: &Deploy,
    ) -> Result<DeployedVersion, ClientError> {
        self.give(target(OperationId::DeployVersion, &[tenant, server]), deploy)
    }

    /// One version.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn get_version(&self, tenant: &str, server: &str, version: &str) -> Result<Version, ClientError> {
        self.ask(target(OperationId::GetVersion, &[tenant, server, version]))
    }

    /// Sends calls to a version from now on.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn activate(&self, tenant: &str, server: &str, version: &str) -> Result<Server, ClientError> {
        self.ask(target(OperationId::ActivateVersion, &[tenant, server, version]))
    }

    /// The last lines of a server's log.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn logs(&self, tenant: &str, server: &str, filter: LogFilter) -> Result<LogPage, ClientError> {
        self.ask(Target { query: filter.query(), ..target(OperationId::GetLogs, &[tenant, server]) })
    }

    /// The last lines of a server's log, and then every further one as it comes.
    ///
    /// # Errors
    /// `ClientError`, here and from the stream.
    pub fn follow_logs(
        &self,
        tenant: &str,
        server: &str,
        filter: LogFilter,
    ) -> Result<LogStream, ClientError> {
        let mut query = filter.query();
        query.push(("follow", Some("true".to_owned())));
        let path = Target { query, ..target(OperationId::GetLogs, &[tenant, server]) }.path()?;
        let ask = Ask { all_within: None, ..plain(OperationId::GetLogs, &path, None) };
        let url = self.transport.url(&path);
        let response = check(&url, self.transport.send(ask)?)?;
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(LogStream::new(url, body))
    }

    /// Which secrets a server has.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_secrets(&self, tenant: &str, server: &str) -> Result<SecretList, ClientError> {
        self.ask(target(OperationId::ListSecrets, &[tenant, server]))
    }

    /// Gives a secret a value.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn set_secret(
        &self,
        tenant: &str,
        server: &str,
        name: &str,
        value: &SecretValue,
    ) -> Result<smcp_api::Secret, ClientError> {
        self.give(target(OperationId::SetSecret, &[tenant, server, name]), value)
    }

    /// Gives a secret that has a value another one.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn rotate_secret(
        &self,
        tenant: &str,
        server: &str,
        name: &str,
        value: &SecretValue,
    ) -> Result<smcp_api::Secret, ClientError> {
        self.give(target(OperationId::RotateSecret, &[tenant, server, name]), value)
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn remove_secret(&self, tenant: &str, server: &str, name: &str) -> Result<(), ClientError> {
        self.nothing(target(OperationId::RemoveSecret, &[tenant, server, name]))
    }

    /// Begins an MCP session with a server of this platform, at the path of its endpoint.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn mcp<'a>(
        &'a self,
        path: &str,
        name: &'a str,
        version: &'a str,
    ) -> Result<McpSession<'a>, ClientError> {
        McpSession::begin(&self.transport, path, smcp_mcp::ClientInfo { name, version })
    }

    /// For operations whose answer has no body.
    fn nothing(&self, target: Target<'_>) -> Result<(), ClientError> {
        let path = target.path()?;
        let response = self.transport.send(plain(target.operation, &path, None))?;
        check(&self.transport.url(&path), response).map(drop)
    }

    fn ask<T: DeserializeOwned>(&self, target: Target<'_>) -> Result<T, ClientError> {
        self.exchange(&target, None)
    }

    fn give<T: DeserializeOwned>(&self, target: Target<'_>, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            ClientError::not_ours(self.endpoint().as_str(), format!("this cannot be sent: {error}"))
        })?;
        self.exchange(&target, Some(body))
    }

    fn exchange<T: DeserializeOwned>(
        &self,
        target: &Target<'_>,
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let path = target.path()?;
        let response = self.transport.send(plain(target.operation, &path, body))?;
        read_json(&self.transport.url(&path), response)
    }
}

impl Target<'_> {
    fn path(&self) -> Result<String, ClientError> {
        let path = path::fill(self.operation.operation().path, self.path)?;
        Ok(path::with_query(path, &self.query))
    }
}

fn target<'a>(operation: OperationId, path: &'a [&'a str]) -> Target<'a> {
    Target { operation, path, query: Vec::new() }
}

fn page(after: Option<&str>) -> Vec<(&'static str, Option<String>)> {
    vec![("after", after.map(str::to_owned)), ("limit", Some(PAGE_LIMIT.to_string()))]
}

/// The request of an operation with its ordinary time-outs.
fn plain(operation: OperationId, path: &str, body: Option<Vec<u8>>) -> Ask<'_> {
    let within = match operation {
        OperationId::DeployVersion => DEPLOY,
        OperationId::QueryDatabase
        | OperationId::ImportDatabase
        | OperationId::ExportDatabase
        | OperationId::PutKvEntry
        | OperationId::PutObject => DATABASE,
        _ => ANSWER,
    };
    let mut headers =
        vec![("Accept", "application/json, application/problem+json, text/event-stream".to_owned())];
    if body.is_some() {
        headers.push(("Content-Type", "application/json".to_owned()));
    }
    Ask {
        method: operation.operation().method,
        path,
        headers,
        body,
        head_within: within,
        all_within: Some(within),
    }
}

#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;
