//! Hosted servers: create, find, list, activate a version, delete.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use smcp_manifest::{DefinitionsMode, LockedManifest, Validation};
use smcp_mcp::{Definitions, Mirrors};
use smcp_types::{Digest, Error, Limits, Refusal, Result, ServerId, Slug, TenantId};

use crate::{
    Platform,
    arguments::ToolSchemas,
    authority::{
        CreateServer, DeleteServer, Deploy, ManageTenants, On, Permit, ViewKeys, ViewServer, ViewTenant,
    },
    context::Ctx,
    ports::{
        HostedState, NewServer, ServerRecord, Target, TenantRecord, Usage, VersionRecord, VersionRef,
        VersionSummary,
    },
};

/// Versions shown in a list.
const MAX_VERSIONS_LISTED: u32 = 100;

/// A server with the state of its active version.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// The server.
    pub server: ServerRecord,
    /// How its active version is; `None` when no version was ever activated.
    pub state: Option<HostedState>,
}

/// The version that calls go to, parsed once.
#[derive(Debug)]
pub struct ActiveVersion {
    /// Which one, and the limits it runs under.
    pub target: Target,
    /// What it showed at its trial.
    pub definitions: Definitions,
    /// The parameters that headers repeat, of each tool that has any.
    pub(crate) mirrors: BTreeMap<String, Mirrors>,
    /// What arguments are checked against; made when the first call needs it.
    schemas: OnceLock<Result<ToolSchemas>>,
}

impl ActiveVersion {
    /// Whether it offers what it showed at its deploy and nothing else (DESIGN 10).
    pub(crate) fn is_pinned(&self) -> bool {
        self.manifest().definitions == DefinitionsMode::Pinned
    }

    /// What the arguments of calls are checked against, if they are.
    ///
    /// # Errors
    /// `Invalid` for schemas that a release before this one has taken and this one does not.
    pub(crate) fn schemas(&self) -> Result<Option<&ToolSchemas>> {
        match self.manifest().validation {
            Validation::Nothing => Ok(None),
            Validation::Arguments => {
                let schemas = self.schemas.get_or_init(|| ToolSchemas::of(&self.definitions));
                schemas.as_ref().map(Some).map_err(Error::clone)
            }
        }
    }

    /// Its locked manifest.
    #[must_use]
    pub fn manifest(&self) -> &LockedManifest {
        &self.target.manifest
    }

    /// Which version it is.
    pub(crate) fn digest(&self) -> Digest {
        self.target.version.digest
    }

    /// The longest a call may take, waking included.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.target.limits.call_timeout_ms.into())
    }
}

impl Platform {
    /// Creates a server under a slug that was never used in the tenant.
    ///
    /// # Errors
    /// `Conflict` when the slug is or was taken; as `authorize`; store errors.
    pub async fn create_server(&self, ctx: &Ctx, tenant: &TenantRecord, slug: Slug) -> Result<ServerRecord> {
        let permit = self.authority.authorize::<CreateServer>(&ctx.caller, On::Tenant(tenant))?;
        let now = self.clock.now();
        let new = NewServer {
            tenant: permit.tenant(),
            id: ServerId::new(now, self.random()),
            slug,
            created_at: now,
        };
        self.stores.servers.create(&new).await?;
        let missing = || Error::internal("a server that was just created is missing");
        self.stores.servers.by_slug(tenant.id, &new.slug).await?.ok_or_else(missing)
    }

    /// A server by the slugs of its path, with its tenant, if the caller may see the server. A credential that is limited
    /// to some servers may see these and not the tenant as a whole.
    ///
    /// # Errors
    /// `NotFound`, whichever of the two is missing or hidden; store errors.
    pub async fn server(&self, ctx: &Ctx, tenant: &str, slug: &str) -> Result<(TenantRecord, ServerRecord)> {
        let missing = || Error::NotFound("server");
        let tenant = self.tenant_by_slug(tenant).await?.ok_or_else(missing)?;
        let server = self.server_by_slug(tenant.id, slug).await?.ok_or_else(missing)?;
        self.authority.authorize::<ViewServer>(&ctx.caller, On::Server(&server))?;
        Ok((tenant, server))
    }

    /// A server with its state.
    #[must_use]
    pub fn status(&self, server: ServerRecord) -> ServerStatus {
        let state = server.active.map(|digest| self.isolates.state(&version_ref(&server, digest)));
        ServerStatus { server, state }
    }

    /// The tenant's servers that the caller may see, oldest first, after the given one.
    ///
    /// # Errors
    /// `NotFound` when the caller may see neither the tenant nor any server of it; store errors.
    pub async fn list_servers(
        &self,
        ctx: &Ctx,
        tenant: &str,
        after: Option<ServerId>,
        limit: u32,
    ) -> Result<(TenantRecord, Vec<ServerStatus>)> {
        let tenant = self.tenant_by_slug(tenant).await?.ok_or(Error::NotFound("tenant"))?;
        let mut servers = self.stores.servers.list(tenant.id, after, limit).await?;
        servers
            .retain(|server| self.authority.authorize::<ViewServer>(&ctx.caller, On::Server(server)).is_ok());
        if servers.is_empty() {
            self.authority.authorize::<ViewTenant>(&ctx.caller, On::Tenant(&tenant))?;
        }
        Ok((tenant, servers.into_iter().map(|server| self.status(server)).collect()))
    }

    /// The slugs of a tenant's servers by their ids, for showing what a key is limited to.
    ///
    /// # Errors
    /// Store errors.
    pub async fn server_slugs(&self, permit: &Permit<ViewKeys>) -> Result<BTreeMap<ServerId, Slug>> {
        let servers = self.stores.servers.list(permit.tenant(), None, u32::MAX).await?;
        Ok(servers.into_iter().map(|server| (server.id, server.slug)).collect())
    }

    /// The tenant a bundle for this server may be deployed to, the server existing or to be: asked before a large body is
    /// read.
    ///
    /// # Errors
    /// `NotFound` when neither server nor tenant may be seen; `Forbidden`; store errors.
    pub async fn deploy_target(&self, ctx: &Ctx, tenant: &str, slug: &str) -> Result<TenantRecord> {
        let tenant = self.tenant_by_slug(tenant).await?.ok_or(Error::NotFound("tenant"))?;
        match self.server_by_slug(tenant.id, slug).await? {
            Some(server) => self.authority.authorize::<Deploy>(&ctx.caller, On::Server(&server)).map(drop),
            None => self.authority.authorize::<CreateServer>(&ctx.caller, On::Tenant(&tenant)).map(drop),
        }
        .map_err(|error| match error {
            // Which of the two is hidden is nobody's business.
            Error::NotFound(_) => Error::NotFound("tenant"),
            other => other,
        })?;
        Ok(tenant)
    }

    /// The versions of a server, newest first.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn list_versions(&self, ctx: &Ctx, server: &ServerRecord) -> Result<Vec<VersionSummary>> {
        self.authority.authorize::<ViewServer>(&ctx.caller, On::Server(server))?;
        Ok(self.stores.versions.list(server.tenant, server.id, MAX_VERSIONS_LISTED).await?)
    }

    /// One version of a server.
    ///
    /// # Errors
    /// `NotFound`; as `authorize`; store errors.
    pub async fn version(&self, ctx: &Ctx, server: &ServerRecord, digest: Digest) -> Result<VersionRecord> {
        self.authority.authorize::<ViewServer>(&ctx.caller, On::Server(server))?;
        self.stores.versions.get(&version_ref(server, digest)).await?.ok_or(Error::NotFound("version"))
    }

    /// Sends calls to a stored version from now on, forwards or back. Calls that are under way finish on the old one.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when somebody else activated another one meanwhile; as `authorize`; store errors.
    pub async fn activate(&self, ctx: &Ctx, server: &ServerRecord, digest: Digest) -> Result<ServerStatus> {
        self.authority.authorize::<Deploy>(&ctx.caller, On::Server(server))?;
        let version = version_ref(server, digest);
        let record = self.stores.versions.get(&version).await?.ok_or(Error::NotFound("version"))?;
        self.can_start(&version).await?;
        if server.active == Some(digest) {
            return Ok(self.status(server.clone()));
        }
        // The next call should find it awake.
        let active = self.parse_version(version, &record).await?;
        let before = match server.active {
            Some(old) => self.stored_version(version_ref(server, old)).await?,
            None => None,
        };
        self.isolates.warm(&active.target);
        self.stores.servers.activate(server.tenant, server.id, digest, server.revision).await?;
        self.forget_server(server);
        self.timers.set(server, &active);
        if let Some(old) = server.active {
            self.isolates.retire(&version_ref(server, old)).await;
        }
        self.isolates.resume(&active.target).await;
        if let Some(before) = before {
            self.listeners_follow(&before.definitions, &active).await?;
        }
        let changed = self.server_by_slug(server.tenant, server.slug.as_str()).await?;
        Ok(self.status(changed.ok_or(Error::NotFound("server"))?))
    }

    /// A version whose bundle does not open any more would answer nothing: the one that is active stays.
    async fn can_start(&self, version: &VersionRef) -> Result<()> {
        match self.bundles.load(version).await {
            Ok(_) => Ok(()),
            Err(Error::Damaged(refusal)) => {
                let message = format!("version {} cannot be started: {}", version.digest, refusal.message);
                Err(Error::Conflict(
                    Refusal::new(message)
                        .hint("deploy it again: smcp deploy")
                        .private(refusal.private.unwrap_or_default()),
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the quarantine of a server's active version. The platform's administrators alone may: the publisher's way out
    /// is a version that keeps its limits.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn lift(
        &self,
        ctx: &Ctx,
        tenant: &TenantRecord,
        server: &ServerRecord,
    ) -> Result<ServerStatus> {
        self.authority.authorize::<ManageTenants>(&ctx.caller, On::Tenant(tenant))?;
        if let Some(digest) = server.active {
            self.isolates.lift(&version_ref(server, digest));
        }
        Ok(self.status(server.clone()))
    }

    /// What a tenant's servers have used since the platform started: each of those that are there, and all together.
    ///
    /// # Errors
    /// `NotFound`; as `authorize`; store errors.
    pub async fn usage(&self, ctx: &Ctx, tenant: &str) -> Result<(Vec<(Slug, Usage)>, Usage)> {
        let tenant = self.tenant(ctx, tenant).await?;
        let servers = self.stores.servers.list(tenant.id, None, u32::MAX).await?;
        let each = servers.into_iter().map(|server| (server.slug, self.usage.server(tenant.id, server.id)));
        Ok((each.collect(), self.usage.tenant(tenant.id)))
    }

    /// Deletes a server with its versions, sessions and secrets. Its slug is never given out again.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn delete_server(&self, ctx: &Ctx, server: &ServerRecord) -> Result<()> {
        self.authority.authorize::<DeleteServer>(&ctx.caller, On::Server(server))?;
        // One that cannot be read any more keeps nobody from deleting its server.
        if let Err(error) = self.secrets.let_go_all(server.tenant, server.id).await {
            tracing::error!(server.id = %server.id, %error, "secrets of a server that is deleted cannot be read");
        }
        let versions = self.stores.versions.list(server.tenant, server.id, u32::MAX).await?;
        // The rows last: whoever is killed before that still sees the server, and deletes it again.
        for version in &versions {
            self.delete_version(&version_ref(server, version.digest)).await?;
        }
        self.isolates.erase(server.tenant, server.id).await?;
        let gone = self.stores.servers.delete(server.tenant, server.id).await?;
        // A deploy that came between has stored one more; one that comes now finds no server.
        for digest in gone.into_iter().filter(|gone| versions.iter().all(|version| version.digest != *gone)) {
            self.delete_version(&version_ref(server, digest)).await?;
        }
        self.secrets.forget_all();
        self.timers.forget(server);
        self.forget_server(server);
        self.standings.end_of(server.id);
        // Once more: a call that came between may have started it again.
        self.isolates.erase(server.tenant, server.id).await
    }

    /// Takes away everything of a version but its row.
    async fn delete_version(&self, version: &VersionRef) -> Result<()> {
        self.isolates.retire(version).await;
        self.isolates.forget(version).await;
        self.bundles.delete(version).await
    }

    /// The server with this slug, from memory when it was read before.
    pub(crate) async fn server_by_slug(&self, tenant: TenantId, slug: &str) -> Result<Option<ServerRecord>> {
        let key = (tenant, slug.to_owned());
        if let Some(known) = self.known_servers.get(&key) {
            return Ok(Some(known));
        }
        let Ok(parsed) = slug.parse() else { return Ok(None) };
        let epoch = self.known_servers.epoch();
        let found = self.stores.servers.by_slug(tenant, &parsed).await?;
        if let Some(server) = &found {
            self.known_servers.fill(epoch, key, server.clone());
        }
        Ok(found)
    }

    /// The active version of a server, from memory when it was read before.
    pub(crate) async fn active_version(&self, server: &ServerRecord) -> Result<Arc<ActiveVersion>> {
        let digest = server.active.ok_or_else(|| {
            Error::Unavailable(
                Refusal::new("this server has no active version").hint("deploy one: smcp deploy"),
            )
        })?;
        if let Some(known) = self.active.get(&server.id)
            && known.digest() == digest
        {
            return Ok(known);
        }
        let epoch = self.active.epoch();
        let version = version_ref(server, digest);
        let record = self.stores.versions.get(&version).await?;
        let record =
            record.ok_or_else(|| Error::internal(format!("the active version {digest} is missing")))?;
        let parsed = Arc::new(self.parse_version(version, &record).await?);
        self.active.fill(epoch, server.id, Arc::clone(&parsed));
        Ok(parsed)
    }

    async fn parse_version(&self, version: VersionRef, record: &VersionRecord) -> Result<ActiveVersion> {
        let manifest: LockedManifest = serde_json::from_str(&record.manifest).map_err(Error::internal)?;
        let tenant = self.stores.tenants.by_id(version.tenant).await?.ok_or(Error::NotFound("tenant"))?;
        let definitions: Definitions = serde_json::from_str(&record.definitions).map_err(Error::internal)?;
        Ok(ActiveVersion {
            target: self.target(version, Arc::new(manifest), &tenant),
            mirrors: mirrors(&definitions),
            schemas: OnceLock::new(),
            definitions,
        })
    }

    /// A version that need not be the active one.
    pub(crate) async fn stored_version(&self, version: VersionRef) -> Result<Option<Arc<ActiveVersion>>> {
        match self.stores.versions.get(&version).await? {
            Some(record) => self.parse_version(version, &record).await.map(Arc::new).map(Some),
            None => Ok(None),
        }
    }

    /// What runs when a version of a tenant does.
    pub(crate) fn target(
        &self,
        version: VersionRef,
        manifest: Arc<LockedManifest>,
        tenant: &TenantRecord,
    ) -> Target {
        let limits = Limits::resolve(&manifest.limits, &tenant.ceilings);
        let networks = self.settings.networks_of(&tenant.slug, &manifest.name);
        Target { version, limits, class: manifest.sandbox, manifest, networks }
    }

    fn forget_server(&self, server: &ServerRecord) {
        self.known_servers.forget(&(server.tenant, server.slug.to_string()));
        self.active.forget(&server.id);
    }
}

/// What headers repeat of each tool's parameters.
fn mirrors(definitions: &Definitions) -> BTreeMap<String, Mirrors> {
    let tools = definitions.tools.iter().filter_map(|tool| {
        let mirrors = Mirrors::of(tool.get("inputSchema")?);
        Some((tool.get("name")?.as_str()?.to_owned(), mirrors))
    });
    tools.filter(|(_, mirrors)| !mirrors.is_empty()).collect()
}

/// A version of a server.
pub(crate) fn version_ref(server: &ServerRecord, digest: Digest) -> VersionRef {
    VersionRef { tenant: server.tenant, server: server.id, digest }
}
