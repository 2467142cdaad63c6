//! The supervisor: owns the fleet, carries out its plans, and is the platform's way to hosted code.

mod admission;
mod alarms;
mod call;
mod desk;
mod generation;
mod ledger;
mod shared;
mod steps;
mod words;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use smcp_core::{
    authority::{Deploy, Permit, UseServer},
    fleet::{Event, Fleet, Generation, Settings},
    ports::{
        Clock, HostedRequest, HostedResponse, HostedState, Isolates, LogSink, Sealer, SecretSource, Target,
        Trial, TrialRefused, Usage, UsageMeter, VersionRef,
    },
};
use smcp_manifest::Bundle;
use smcp_types::{Error, Refusal, Result, ServerId, TenantId};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Bundles, Launcher, Workerd,
    cache::ConfigCache,
    capability::Services,
    process::{Host, Inbox},
    run_folder::RunFolder,
    state::StateFolders,
    trial,
};
use shared::Shared;
use steps::Effect;

pub(crate) use call::{Missed, exchange, timed_out};
pub(crate) use ledger::{Books, Run};
pub(crate) use shared::Ready;

/// What the supervisor keeps to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub workerd: Workerd,
    /// Compiled configurations go here; may be emptied while the platform is down.
    pub cache_dir: PathBuf,
    /// Sockets go here: a short path, used by this platform alone, made private.
    pub run_dir: PathBuf,
    /// Whether V8 is told how much memory there is.
    pub heap_flags: bool,
    /// Times and bounds of the planner.
    pub fleet: Settings,
    /// Whether processes that loop are found and killed: off only where an operator accepts that.
    pub watchdog: bool,
}

/// What the supervisor needs from the rest of the platform.
#[derive(Clone)]
pub struct Parts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where the output of hosted code goes.
    pub logs: Arc<dyn LogSink>,
    /// Where bundles come from.
    pub bundles: Arc<dyn Bundles>,
    /// What seals compiled configurations.
    pub sealer: Arc<dyn Sealer>,
    /// How processes are started.
    pub launcher: Arc<dyn Launcher>,
    /// What hosted code may use beside its processor and memory.
    pub services: Services,
    /// What Durable Objects keep.
    pub state: Arc<StateFolders>,
    /// Secrets of servers.
    pub secrets: Arc<dyn SecretSource>,
}

/// Runs hosted code: one process per version, as the fleet plans. Dropping it kills every process.
pub struct Supervisor {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Takes the run folder over and begins. To be called on the runtime that is to run it.
    ///
    /// # Errors
    /// `Unavailable` when a folder cannot be used.
    pub fn start(options: Options, parts: Parts) -> Result<Self> {
        let unusable = |path: PathBuf| {
            move |error: std::io::Error| {
                let message = format!("the folder {} cannot be used: {error}", path.display());
                Error::Unavailable(Refusal::new(message).hint("choose another data directory with --data"))
            }
        };
        let run = RunFolder::open(options.run_dir.clone(), parts.state.trash())
            .map_err(unusable(options.run_dir.clone()))?;
        let binary = options.workerd.path().to_owned();
        let cache = ConfigCache::open(
            options.cache_dir.clone(),
            options.workerd,
            Arc::clone(&parts.clock),
            parts.sealer,
            options.heap_flags,
        )
        .map_err(unusable(options.cache_dir))?;
        let host = Host {
            launcher: parts.launcher,
            binary,
            run,
            clock: Arc::clone(&parts.clock),
            services: parts.services,
            state: parts.state,
            secrets: parts.secrets,
            watchdog: options.watchdog,
        };
        let shared = Arc::new(Shared::new(Fleet::new(options.fleet), host, cache, parts.logs, parts.bundles));
        #[allow(clippy::disallowed_methods, reason = "aborted when the supervisor is dropped")]
        let executor = tokio::spawn(execute(Arc::clone(&shared)));
        Ok(Self { shared, task: executor })
    }

    /// Stops every process: what they have in flight may finish until `deadline` has passed. Returns when all are gone.
    pub async fn shutdown(&self, deadline: Duration) {
        self.shared.shut_down(deadline);
        self.shared.wait_until_quiet().await;
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.abandon();
        self.task.abort();
    }
}

#[async_trait]
impl Isolates for Supervisor {
    async fn call(
        &self,
        permit: &Permit<UseServer>,
        target: &Target,
        request: HostedRequest,
    ) -> Result<HostedResponse> {
        if !permit.covers(&target.version) {
            return Err(Error::internal("a permit was used for another server"));
        }
        call::call(&self.shared, target, &request).await
    }

    async fn trial(
        &self,
        permit: &Permit<Deploy>,
        target: &Target,
        bundle: Arc<Bundle>,
    ) -> std::result::Result<Box<dyn Trial>, TrialRefused> {
        if !permit.covers(&target.version) {
            let error = Error::internal("a permit was used for another server");
            return Err(TrialRefused { error, logs: Vec::new() });
        }
        let Shared { host, cache, books, .. } = &*self.shared;
        host.services.check(bundle.manifest()).map_err(|error| TrialRefused { error, logs: Vec::new() })?;
        let started = trial::start(host, cache, books, target, &bundle).await?;
        Ok(Box::new(started))
    }

    async fn resume(&self, target: &Target) {
        self.shared.resume_alarms(target).await;
    }

    async fn erase(&self, tenant: TenantId, server: ServerId) -> Result<()> {
        self.shared.forget_alarms(tenant, server);
        self.shared.host.services.outbound.forget(tenant, server);
        self.shared.host.state.erase(tenant, server).map_err(Error::internal)
    }

    fn warm(&self, target: &Target) {
        self.shared.warm(target);
    }

    fn lift(&self, version: &VersionRef) {
        self.shared.observe(version, Event::Lifted);
    }

    async fn retire(&self, version: &VersionRef) {
        self.shared.retire(version);
    }

    async fn forget(&self, version: &VersionRef) {
        self.shared.cache.remove(version);
        self.shared.ledger().delete(version);
    }

    fn state(&self, version: &VersionRef) -> HostedState {
        self.shared.state(version)
    }

    fn health(&self) -> Result<()> {
        self.shared.health()
    }
}

impl UsageMeter for Supervisor {
    fn server(&self, tenant: TenantId, server: ServerId) -> Usage {
        let outbound = self.shared.host.services.outbound.traffic(tenant, Some(server));
        Usage { outbound, ..self.shared.ledger().server(tenant, server) }
    }

    fn tenant(&self, tenant: TenantId) -> Usage {
        let outbound = self.shared.host.services.outbound.traffic(tenant, None);
        Usage { outbound, ..self.shared.ledger().tenant(tenant) }
    }
}

/// Plans, acts, and waits for news or the next deadline, for ever.
async fn execute(shared: Arc<Shared>) {
    loop {
        let (effects, wake_in) = shared.step();
        let ring_in = shared.ring_alarms();
        for effect in effects {
            match effect {
                Effect::Start { target, generation, inbox } => {
                    spawn_generation(&shared, target, generation, inbox)
                }
                Effect::Order { orders, order } => {
                    // It has ended by itself meanwhile: its end is on the way.
                    let _ = orders.send(order);
                }
            }
        }
        let deadline = async {
            match [wake_in, ring_in].into_iter().flatten().min() {
                Some(duration) => shared.host.clock.sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.news() => {}
            () = deadline => {}
        }
    }
}

fn spawn_generation(shared: &Arc<Shared>, target: Target, generation: Generation, inbox: Inbox) {
    let life = generation::run(Arc::clone(shared), target, generation, inbox);
    #[allow(clippy::disallowed_methods, reason = "ends with its process, which ends with its orders")]
    tokio::spawn(life);
}

/// A channel for the orders of a new process.
fn orders() -> (crate::process::Orders, Inbox) {
    mpsc::unbounded_channel()
}
