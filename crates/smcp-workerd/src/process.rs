//! One running process: started, watched to its end, drained.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::sys::signal::Signal;
use smcp_core::{
    fleet::{Cause, Why},
    ports::{Budgets, Clock, Purpose, SecretSource, Target, Workload},
    secrets::not_set,
};
use smcp_types::{Error, Limits, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::unix::pipe,
    sync::{mpsc, watch},
};

use crate::{
    Child, Launcher,
    account::Account,
    capability::{Counter, Services},
    config::{Given, HEALTH_SOCKET, MAIN_SOCKET, bindings},
    exit::{End, LastWords},
    launcher::LaunchSpec,
    outlet::Outlet,
    run_folder::{RunFolder, Scratch, Socket},
    state::StateFolders,
    watchdog::Watchdog,
};

/// The most a process is listened to while it starts; it says two short lines.
const MAX_CONTROL_BYTES: u64 = 4 << 10;
/// How long the pipes of a process that has ended are read on.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a process can be told. It is also killed when nobody can tell it anything any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Finish what runs and end.
    Finish(Why),
    /// End now, for this if anything.
    Kill(Option<Cause>),
}

/// The sender of orders.
pub(crate) type Orders = mpsc::UnboundedSender<Order>;
/// The process's end of it.
pub(crate) type Inbox = mpsc::UnboundedReceiver<Order>;

/// What every process of this node shares.
pub(crate) struct Host {
    pub(crate) launcher: Arc<dyn Launcher>,
    pub(crate) binary: PathBuf,
    pub(crate) run: RunFolder,
    pub(crate) clock: Arc<dyn Clock>,
    /// What processes may use.
    pub(crate) services: Services,
    /// What Durable Objects keep.
    pub(crate) state: Arc<StateFolders>,
    /// Secrets of servers.
    pub(crate) secrets: Arc<dyn SecretSource>,
    /// Whether loops are found.
    pub(crate) watchdog: bool,
}

/// The sockets of what one process may use; closed with it.
struct Counters {
    egress: Counter,
    data: Option<Counter>,
}

/// A process that was started and may not be ready yet.
pub(crate) struct Process {
    /// The path of its socket, gone with it.
    pub(crate) socket: PathBuf,
    /// What it uses.
    pub(crate) account: Arc<Account>,
    /// What it may use.
    pub(crate) workload: Arc<Workload>,
    watchdog: Option<Watchdog>,
    /// What its objects keep, and how much that may be.
    state: Option<(PathBuf, u64)>,
    control: Option<pipe::Receiver>,
    exit: watch::Receiver<Option<End>>,
}

impl Host {
    /// What a version's configuration holds beside its bundle, secrets apart.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub(crate) fn given(&self, target: &Target) -> Result<Given> {
        let key = target.keeps_state().then(|| self.state.key(&target.version));
        Ok(Given { key: key.transpose().map_err(Error::internal)?, secrets: BTreeMap::new() })
    }

    /// The same with the secrets that its code is to read.
    ///
    /// # Errors
    /// `Unavailable`, naming what is not set; when one cannot be read.
    pub(crate) async fn given_with_secrets(&self, target: &Target) -> Result<Given> {
        let (mut given, mut missing) = (self.given(target)?, Vec::new());
        let version = &target.version;
        for name in &target.manifest.secrets.plain {
            match self.secrets.reveal(version.tenant, version.server, name).await? {
                Some(value) => drop(given.secrets.insert(name.clone(), value)),
                None => missing.push(name.clone()),
            }
        }
        if missing.is_empty() { Ok(given) } else { Err(not_set(target.manifest.name.as_str(), &missing)) }
    }

    /// Starts a process with this configuration; a serving one with the folder that its objects have, if any. It ends on
    /// an order, or when all senders of orders are gone.
    pub(crate) async fn start(
        &self,
        (target, purpose): (&Target, Purpose),
        (config, state): (OwnedFd, Option<PathBuf>),
        inbox: Inbox,
        outlet: Outlet,
    ) -> io::Result<Process> {
        let workload = Arc::new(Workload {
            version: target.version,
            manifest: Arc::clone(&target.manifest),
            purpose,
            networks: Arc::clone(&target.networks),
            budgets: Budgets::new(),
        });
        let (number, socket, health) = self.run.sockets()?;
        let counters = self.counters(number, &workload)?;
        let folder = |files: PathBuf| (files, self.state.quota(purpose));
        let scratch = match purpose {
            Purpose::Trial if target.keeps_state() => Some(self.run.scratch(number)?),
            Purpose::Trial | Purpose::Serving => None,
        };
        let folder = scratch.as_ref().map(|scratch| scratch.path().to_owned()).or(state).map(folder);
        let (control_in, control) = pipe::pipe()?;
        let spec = LaunchSpec {
            binary: self.binary.clone(),
            listen: socket.share()?,
            health: health.share()?,
            control: control_in.into_blocking_fd()?,
            config,
            egress: counters.egress.path().to_owned(),
            data: counters.data.as_ref().map(|data| data.path().to_owned()),
            data_services: bindings::data_services(&target.manifest),
            state: folder.as_ref().map(|(files, quota)| (files.clone(), *quota)),
            health_dir: self.run.health(),
            limits: target.limits,
            class: target.class,
            server: target.version.server,
            tenant: target.version.tenant,
            label: format!("{}-{number}", target.version.server),
        };
        let child = self.launcher.launch(spec).await?;
        let account = Arc::new(Account::new(child.meter()));
        let watchdog = self.watchdog.then(|| Watchdog {
            clock: Arc::clone(&self.clock),
            meter: child.meter(),
            health: health.path().to_owned(),
            limit: Duration::from_millis(target.limits.cpu_ms.into()),
        });
        let path = socket.path().to_owned();
        let (exited, exit) = watch::channel(None);
        let watcher = Watcher {
            child,
            sockets: [socket, health],
            scratch,
            counters,
            limits: target.limits,
            account: Arc::clone(&account),
            outlet,
            clock: Arc::clone(&self.clock),
        };
        #[allow(clippy::disallowed_methods, reason = "ends with the process, which ends with its orders")]
        tokio::spawn(watcher.watch(inbox, exited));
        Ok(Process { socket: path, account, workload, watchdog, state: folder, control: Some(control), exit })
    }

    /// Opens what the process may use, each behind a socket of its own.
    fn counters(&self, number: u64, workload: &Arc<Workload>) -> io::Result<Counters> {
        let egress =
            Counter::outbound(self.run.service(number, ".e")?, &self.services, workload, &self.clock)?;
        let data = workload.manifest.has_storage().then(|| {
            Counter::storage(self.run.service(number, ".d")?, &self.services, workload, &self.clock)
        });
        Ok(Counters { egress, data: data.transpose()? })
    }
}

impl Process {
    /// Waits until it listens on both sockets; false when it has ended before.
    pub(crate) async fn ready(&mut self) -> bool {
        let Some(control) = self.control.take() else { return false };
        // Hosted code may have got hold of the pipe: what it writes there has a bound.
        let mut lines = BufReader::new(control.take(MAX_CONTROL_BYTES)).lines();
        let mut missing = vec![MAIN_SOCKET, HEALTH_SOCKET];
        while let Ok(Some(line)) = lines.next_line().await {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if event["event"] == "listen" {
                missing.retain(|name| event["socket"] != *name);
            }
            if missing.is_empty() {
                return true;
            }
        }
        // One that closes the pipe and lives on is as late as one that says nothing.
        self.ended().await;
        false
    }

    /// What tells of its end.
    pub(crate) fn exit(&self) -> watch::Receiver<Option<End>> {
        self.exit.clone()
    }

    /// Returns when it breaks its limit of CPU time, and never if it does not. For a process that is ready, once.
    pub(crate) fn overrun(&mut self) -> impl Future<Output = Cause> + Send + use<> {
        let watchdog = self.watchdog.take();
        async {
            match watchdog {
                Some(watchdog) => watchdog.overrun().await,
                None => std::future::pending().await,
            }
        }
    }

    /// Returns when its objects keep more than they may, and never if they do not.
    pub(crate) fn overflow(&self, folders: &StateFolders) -> impl Future<Output = Cause> + Send + use<> {
        let overflow = self.state.clone().map(|(files, quota)| folders.overflow(files, quota));
        async {
            match overflow {
                Some(overflow) => overflow.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Waits for its end; says how it ended.
    pub(crate) async fn ended(&mut self) -> End {
        let end = self.exit.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        // The watcher runs to its end unless the runtime stops, which kills the process too.
        end.unwrap_or_else(|| End::unseen("the platform stopped"))
    }
}

/// Owns the process until its end.
struct Watcher {
    child: Child,
    sockets: [Socket; 2],
    scratch: Option<Scratch>,
    counters: Counters,
    limits: Limits,
    account: Arc<Account>,
    outlet: Outlet,
    clock: Arc<dyn Clock>,
}

impl Watcher {
    async fn watch(mut self, mut inbox: Inbox, exited: watch::Sender<Option<End>>) {
        let last = Arc::new(Mutex::new(LastWords::default()));
        let pipes = self.child.take_output();
        let mut drains = std::pin::pin!(async {
            if let Some(pipes) = pipes {
                self.outlet.clone().drain(pipes, Arc::clone(&last)).await;
            }
        });
        let mut drained = false;
        let mut told = None;
        let mut orphaned = false;
        let ended = loop {
            tokio::select! {
                ended = self.child.wait() => break ended,
                () = &mut drains, if !drained => drained = true,
                order = inbox.recv(), if !orphaned => {
                    orphaned = order.is_none();
                    let order = order.unwrap_or(Order::Kill(None));
                    self.obey(&order);
                    // The first order is why it ends, unless a later one has a better reason.
                    if told.is_none() || matches!(order, Order::Kill(Some(_))) {
                        told = Some(order);
                    }
                }
            }
        };
        if !drained {
            tokio::select! {
                () = &mut drains => {}
                () = self.clock.sleep(LAST_WORDS) => {}
            }
        }
        self.outlet.close(&last);
        let end = match ended {
            Ok(ended) => {
                self.account.close(&ended);
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                End::of(&ended, told.as_ref(), &last, &self.limits)
            }
            Err(error) => End::unseen(format!("cannot be watched: {error}")),
        };
        // Connections that nobody accepted are reset before anybody hears of the end: they were never served.
        drop((self.sockets, self.counters, self.scratch));
        exited.send_replace(Some(end));
    }

    fn obey(&self, order: &Order) {
        self.child.signal(match order {
            Order::Finish(_) => Signal::SIGTERM,
            Order::Kill(_) => Signal::SIGKILL,
        });
    }
}
