//! Deploying: check a bundle by starting it once, then store it; only then can it be activated.

pub(crate) mod turns;

use std::{sync::Arc, time::Duration};

use smcp_manifest::{Bundle, LockedManifest, Validation};
use smcp_mcp::Definitions;
use smcp_types::{Error, Refusal, Result};

use crate::{
    Platform,
    arguments::ToolSchemas,
    authority::{Deploy, On, Permit},
    context::Ctx,
    inspect::Inspector,
    ports::{
        LogLevel, LogLine, LogSink as _, ServerRecord, Target, TenantRecord, TrialRefused, VersionRecord,
        VersionRef,
    },
    timeout::within,
};

/// Longest inspection of a version that has started, all its answers together.
const INSPECTION: Duration = Duration::from_secs(20);

/// The warning of a manifest with times and code without a handler for them.
const NOTHING_HEARS: &str =
    "`triggers` names times, and the main module exports no `scheduled` handler: nothing is called at them";

/// What a deploy made or found.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The server, created if it was not there.
    pub server: ServerRecord,
    /// The stored version.
    pub version: VersionRecord,
    /// Whether exactly this content had been deployed before.
    pub known: bool,
    /// What its publisher should know, in words.
    pub warnings: Vec<String>,
}

/// Why a deploy was refused, with what the hosted code printed meanwhile.
#[derive(Clone, Debug)]
pub struct DeployRefused {
    /// Why.
    pub error: Error,
    /// The version's own log lines, oldest first; empty when it was never started.
    pub logs: Vec<LogLine>,
}

impl From<Error> for DeployRefused {
    fn from(error: Error) -> Self {
        Self { error, logs: Vec::new() }
    }
}

impl Platform {
    /// Checks a bundle and stores it as a version of the server its manifest names. The same content is the same
    /// version and is not started again. Activates nothing.
    ///
    /// # Errors
    /// `Hosted` or `TimedOut` when it does not start or speaks no MCP, with its log; as `authorize`; store errors.
    pub async fn deploy(
        &self,
        ctx: &Ctx,
        tenant: &TenantRecord,
        bundle: Bundle,
    ) -> std::result::Result<Deployed, DeployRefused> {
        let server = self.server_for(ctx, tenant, &bundle).await?;
        let permit = self.authority.authorize::<Deploy>(&ctx.caller, On::Server(&server))?;
        let version = VersionRef { tenant: server.tenant, server: server.id, digest: bundle.digest() };
        permit.require(version.tenant, Some(version.server))?;
        if let Some(known) = self.stores.versions.get(&version).await.map_err(Error::from)? {
            self.mend(&version, &bundle).await?;
            let warnings = self.secret_warnings(&server, bundle.manifest()).await?;
            return Ok(Deployed { server, version: known, known: true, warnings });
        }
        let bundle = Arc::new(bundle);
        let target = self.target(version, Arc::new(bundle.manifest().clone()), tenant);
        self.below_ceilings(tenant, &bundle)?;
        let (definitions, silent) = self.try_out(ctx, &permit, &target, &bundle).await?;
        let record = VersionRecord {
            tenant: version.tenant,
            server: version.server,
            digest: version.digest,
            manifest: serde_json::to_string(bundle.manifest()).map_err(Error::internal)?,
            definitions: serde_json::to_string(&definitions).map_err(Error::internal)?,
            created_by: ctx.caller.principal().to_owned(),
            created_at: self.clock.now(),
        };
        self.store_version(&version, &record, &bundle).await?;
        let mut warnings = self.secret_warnings(&server, bundle.manifest()).await?;
        warnings.extend(silent.then(|| NOTHING_HEARS.to_owned()));
        self.note_warnings(&version, &warnings);
        Ok(Deployed { server, version: record, known: false, warnings })
    }

    /// Starts a version once and reads what it offers, and whether it has times that it does not hear. Its lines go to the
    /// log, or into the refusal.
    async fn try_out(
        &self,
        ctx: &Ctx,
        permit: &Permit<Deploy>,
        target: &Target,
        bundle: &Arc<Bundle>,
    ) -> std::result::Result<(Definitions, bool), DeployRefused> {
        let version = &target.version;
        let _turn = self.trials.take(&*self.clock, version.tenant).await?;
        let trial = self.isolates.trial(permit, target, Arc::clone(bundle)).await;
        let trial = trial.map_err(|TrialRefused { error, logs }| DeployRefused { error, logs })?;
        let inspector = Inspector {
            trial: &*trial,
            clock: &*self.clock,
            manifest: bundle.manifest(),
            authority: self.settings.external_url.authority(),
            request_id: ctx.request_id,
        };
        let inspected = within(&*self.clock, INSPECTION, inspector.inspect()).await;
        let inspected = inspected.unwrap_or_else(|| Err(too_slow()));
        match inspected.and_then(|definitions| checkable(bundle.manifest(), definitions)) {
            Ok(definitions) => {
                let silent = !bundle.manifest().crons.is_empty() && inspector.hears_no_time().await;
                for line in trial.logs() {
                    self.logbook.append(version, line);
                }
                Ok((definitions, silent))
            }
            Err(error) => {
                self.isolates.forget(version).await;
                Err(DeployRefused { error, logs: trial.logs() })
            }
        }
    }

    /// What the publisher should know of a new version stands in its log as well.
    fn note_warnings(&self, version: &VersionRef, warnings: &[String]) {
        for warning in warnings {
            let message = format!("[smcp] {warning}");
            let line = LogLine::platform(self.clock.now(), LogLevel::Warn, message);
            self.logbook.append(version, line);
        }
    }

    /// A manifest that asks for more than its tenant may have is refused, and told who can change that.
    fn below_ceilings(&self, tenant: &TenantRecord, bundle: &Bundle) -> Result<()> {
        let limits = &bundle.manifest().limits;
        let above: Vec<_> = limits.above(&tenant.ceilings).collect();
        if above.is_empty() {
            return Ok(());
        }
        let told = above.iter().map(|(limit, value, ceiling)| {
            let unit = limit.bounds().unit;
            format!("`{limit}` = {value} is above this tenant's ceiling of {ceiling} {unit}")
        });
        let raised: Vec<String> =
            above.iter().map(|(limit, value, _)| format!("{}={value}", limit.key())).collect();
        let hint = format!(
            "lower it in smcp.toml, or have the platform's administrator run: smcp tenants limits {} {}",
            tenant.slug,
            raised.join(" ")
        );
        Err(Error::Invalid(Refusal::new(told.collect::<Vec<_>>().join("; ")).hint(hint)))
    }

    /// A version that is known and whose stored bundle does not open any more, damaged or with its key destroyed: the same
    /// content has just come again.
    async fn mend(&self, version: &VersionRef, bundle: &Bundle) -> Result<()> {
        match self.bundles.load(version).await {
            Ok(_) => Ok(()),
            Err(Error::Damaged(_) | Error::Internal(_)) => {
                self.bundles.put(version, bundle).await?;
                if self.stores.versions.get(version).await?.is_none() {
                    // Its server was deleted meanwhile, and its blob before this put it back.
                    self.bundles.delete(version).await?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The blob first: a version that is in the table can always be started.
    async fn store_version(
        &self,
        version: &VersionRef,
        record: &VersionRecord,
        bundle: &Bundle,
    ) -> Result<()> {
        self.bundles.put(version, bundle).await?;
        let stored = self.stores.versions.put(record).await;
        if stored.is_err() {
            // The server was deleted meanwhile; its code goes too.
            self.isolates.forget(version).await;
            self.bundles.delete(version).await?;
        }
        Ok(stored?)
    }

    /// The server a bundle names, created on its first deploy.
    async fn server_for(&self, ctx: &Ctx, tenant: &TenantRecord, bundle: &Bundle) -> Result<ServerRecord> {
        let slug = &bundle.manifest().name;
        if let Some(server) = self.server_by_slug(tenant.id, slug.as_str()).await? {
            return Ok(server);
        }
        match self.create_server(ctx, tenant, slug.clone()).await {
            // Another deploy of the same name was first; or a tombstone holds it.
            Err(Error::Conflict(refusal)) => {
                let found = self.server_by_slug(tenant.id, slug.as_str()).await?;
                found.ok_or(Error::Conflict(refusal.hint("choose another `name` in smcp.toml")))
            }
            created => created,
        }
    }
}

/// Definitions whose schemas can be checked against, where the manifest asks for that.
fn checkable(manifest: &LockedManifest, definitions: Definitions) -> Result<Definitions> {
    match manifest.validation {
        Validation::Nothing => {}
        Validation::Arguments => drop(ToolSchemas::of(&definitions)?),
    }
    Ok(definitions)
}

fn too_slow() -> Error {
    let message = format!("the version did not show what it offers within {} s", INSPECTION.as_secs());
    Error::TimedOut(Refusal::new(message))
}
