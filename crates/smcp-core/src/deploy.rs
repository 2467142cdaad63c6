//! Deploying: check a bundle by starting it once, then store it; only then can it be activated.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use smcp_manifest::Bundle;
use smcp_types::{Error, Result};

use crate::{
    Platform,
    authority::{Deploy, On},
    bundle_file,
    context::Ctx,
    inspect::Inspector,
    ports::{LogLine, LogSink as _, ServerRecord, TenantRecord, TrialRefused, VersionRecord, VersionRef},
};

/// Trials that run at the same time; each is a process.
const MAX_TRIALS: usize = 2;
/// When a refused deploy is worth another try.
const TRIAL_RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// What a deploy made or found.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The server, created if it was not there.
    pub server: ServerRecord,
    /// The stored version.
    pub version: VersionRecord,
    /// Whether exactly this content had been deployed before.
    pub known: bool,
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
            return Ok(Deployed { server, version: known, known: true });
        }
        let bundle = Arc::new(bundle);
        let definitions = {
            let _turn = self.take_trial_turn()?;
            let trial = self.isolates.trial(&permit, &version, Arc::clone(&bundle)).await;
            let trial = trial.map_err(|TrialRefused { error, logs }| DeployRefused { error, logs })?;
            let inspector = Inspector {
                trial: &*trial,
                clock: &*self.clock,
                manifest: bundle.manifest(),
                authority: self.settings.external_url.authority(),
                request_id: ctx.request_id,
            };
            let definitions =
                inspector.inspect().await.map_err(|error| DeployRefused { error, logs: trial.logs() })?;
            for line in trial.logs() {
                self.logbook.append(&version, line);
            }
            definitions
        };
        let record = VersionRecord {
            tenant: version.tenant,
            server: version.server,
            digest: version.digest,
            manifest: serde_json::to_string(bundle.manifest()).map_err(Error::internal)?,
            definitions: serde_json::to_string(&definitions).map_err(Error::internal)?,
            created_by: ctx.caller.principal().to_owned(),
            created_at: self.clock.now(),
        };
        // The blob first: a version that is in the table can always be started.
        let file = Bytes::from(bundle_file::encode(&bundle)?);
        self.stores
            .blobs
            .put(version.tenant, &bundle_file::blob_name(&version), file)
            .await
            .map_err(Error::from)?;
        self.stores.versions.put(&record).await.map_err(Error::from)?;
        Ok(Deployed { server, version: record, known: false })
    }

    /// The server a bundle names, created on its first deploy.
    async fn server_for(&self, ctx: &Ctx, tenant: &TenantRecord, bundle: &Bundle) -> Result<ServerRecord> {
        let slug = &bundle.manifest().name;
        match self.server_by_slug(tenant.id, slug.as_str()).await? {
            Some(server) => Ok(server),
            None => self.create_server(ctx, tenant, slug.clone()).await,
        }
    }

    fn take_trial_turn(&self) -> Result<TrialTurn<'_>> {
        let turn = TrialTurn(self);
        if self.trials.fetch_add(1, Ordering::AcqRel) < MAX_TRIALS {
            return Ok(turn);
        }
        Err(Error::Limited {
            message: format!("{MAX_TRIALS} deploys are being checked already"),
            retry_after: TRIAL_RETRY,
        })
    }
}

/// One of the trials that may run at the same time; given back when dropped.
struct TrialTurn<'a>(&'a Platform);

impl Drop for TrialTurn<'_> {
    fn drop(&mut self) {
        self.0.trials.fetch_sub(1, Ordering::AcqRel);
    }
}
