//! A trial: a throw-away process that shows what a bundle is before it is stored.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use smcp_core::{
    fleet::Cause,
    ports::{
        Clock, HostedRequest, HostedResponse, LogLine, Purpose, Target, Trial, TrialRefused, VersionRef,
    },
};
use smcp_manifest::Bundle;
use smcp_types::{Error, Limit, Refusal, Result};
use tokio::sync::{mpsc, watch};

use crate::{
    cache::ConfigCache,
    exit::{self, End},
    link::Link,
    log_budget::LogBudget,
    outlet::{LineSink, Outlet},
    process::{Host, Order, Orders, Process},
    supervisor::{Books, Missed, Ready, exchange, timed_out},
};

/// Most lines and bytes of a trial's output that are kept; the newest win.
const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 256 << 10;
/// Longest start of a trial, whatever its manifest says: other tenants' deploys wait meanwhile.
const LONGEST_START: Duration = Duration::from_secs(10);

/// A process that has started. Dropping it drops the orders, which kills it.
pub(crate) struct RunningTrial {
    ready: Ready,
    clock: Arc<dyn Clock>,
    logs: Arc<Mutex<Logs>>,
    _orders: Orders,
}

#[derive(Default)]
struct Logs {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl Logs {
    fn push(&mut self, line: LogLine) {
        self.bytes += line.message.len();
        self.lines.push_back(line);
        while self.lines.len() > MAX_LINES || self.bytes > MAX_BYTES {
            self.bytes -= self.lines.pop_front().map_or(self.bytes, |gone| gone.message.len());
        }
    }
}

/// Compiles the bundle's configuration, keeps it for later starts, and starts a process with it.
pub(crate) async fn start(
    host: &Host,
    cache: &ConfigCache,
    books: &Books,
    target: &Target,
    bundle: &Bundle,
) -> std::result::Result<RunningTrial, TrialRefused> {
    let logs = Arc::new(Mutex::new(Logs::default()));
    let version = &target.version;
    let found = cache.get(target).await;
    let known = matches!(found, Ok(Some(_)));
    let config = async {
        match found? {
            Some(file) => Ok(file),
            None => cache.make(target, bundle, &host.given(target)?).await,
        }
    };
    match attempt(host, books, target, config, &logs).await {
        Ok(trial) => Ok(trial),
        Err(error) => {
            if !known {
                cache.remove(version);
            }
            Err(TrialRefused { error, logs: lines(&logs) })
        }
    }
}

async fn attempt(
    host: &Host,
    books: &Books,
    target: &Target,
    config: impl Future<Output = Result<OwnedFd>> + Send,
    logs: &Arc<Mutex<Logs>>,
) -> Result<RunningTrial> {
    let config = config.await?;
    let sink: LineSink = {
        let logs = Arc::clone(logs);
        Arc::new(move |line| logs.lock().unwrap_or_else(PoisonError::into_inner).push(line))
    };
    let longest = Duration::from_millis(target.limits.start_ms.into()).min(LONGEST_START);
    let (orders, inbox) = mpsc::unbounded_channel();
    let outlet = Outlet {
        sink,
        budget: Arc::new(LogBudget::default()),
        limit: target.limits.log_bytes,
        clock: Arc::clone(&host.clock),
    };
    let mut process =
        host.start((target, Purpose::Trial), (config, None), inbox, outlet).await.map_err(Error::internal)?;
    charge(books, target.version, &process);
    bound(process.overflow(&host.state), process.exit(), orders.downgrade());
    let ready = tokio::select! {
        ready = process.ready() => Some(ready),
        () = host.clock.sleep(longest) => None,
    };
    match ready {
        Some(true) => {}
        Some(false) => {
            let End { cause, .. } = process.ended().await;
            let refusal = Refusal::new(format!("the server does not start: {}", cause.reason));
            return Err(Error::Hosted(match cause.limit() {
                Some(limit) => refusal.hint(exit::hint(limit)),
                None => refusal,
            }));
        }
        None => {
            let late =
                Cause::broken(Limit::Start, &format!("did not start within {} ms", longest.as_millis()));
            let refusal = Refusal::new(format!("the server {}", late.reason));
            let _ = orders.send(Order::Kill(Some(late)));
            // Its log is complete only now.
            process.ended().await;
            return Err(Error::TimedOut(refusal.hint(format!(
                "does its top-level code end? A deploy waits {} s at most, whatever {} says",
                LONGEST_START.as_secs(),
                Limit::Start
            ))));
        }
    }
    let link = Link::new(process.socket.clone(), Arc::clone(&host.clock));
    let (account, workload) = (Arc::clone(&process.account), Arc::clone(&process.workload));
    let ready = Ready { link, account, workload, gone: process.exit(), end_streams: Arc::default() };
    guard(process, orders.downgrade());
    Ok(RunningTrial { ready, clock: Arc::clone(&host.clock), logs: Arc::clone(logs), _orders: orders })
}

/// Charges the process to its server and tenant, however it ends and whoever still waits for it.
fn charge(books: &Books, version: VersionRef, process: &Process) {
    let run = books.open().open_trial(version, Arc::clone(&process.account));
    let (books, mut exit) = (books.clone(), process.exit());
    let close = async move {
        let end = exit.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        let broken = end.is_some_and(|end| end.cause.limit().is_some());
        books.open().close(&version, run, broken);
    };
    #[allow(clippy::disallowed_methods, reason = "ends with the process, which ends with its trial")]
    tokio::spawn(close);
}

/// Ends the trial when its objects keep too much, from its start on.
fn bound(
    overflow: impl Future<Output = Cause> + Send + 'static,
    mut exit: watch::Receiver<Option<End>>,
    orders: mpsc::WeakUnboundedSender<Order>,
) {
    let watch = async move {
        tokio::select! {
            _ = exit.wait_for(Option::is_some) => {}
            cause = overflow => {
                if let Some(orders) = orders.upgrade() {
                    let _ = orders.send(Order::Kill(Some(cause)));
                }
            }
        }
    };
    #[allow(clippy::disallowed_methods, reason = "ends with the process, which ends with its trial")]
    tokio::spawn(watch);
}

/// Has the watchdog end the trial. It holds no orders of its own: a trial that is dropped ends all the same.
fn guard(mut process: Process, orders: mpsc::WeakUnboundedSender<Order>) {
    let overrun = process.overrun();
    let watch = async move {
        tokio::select! {
            _ = process.ended() => {}
            cause = overrun => {
                if let Some(orders) = orders.upgrade() {
                    let _ = orders.send(Order::Kill(Some(cause)));
                }
            }
        }
    };
    #[allow(clippy::disallowed_methods, reason = "ends with the process, which ends with its trial")]
    tokio::spawn(watch);
}

fn lines(logs: &Mutex<Logs>) -> Vec<LogLine> {
    logs.lock().unwrap_or_else(PoisonError::into_inner).lines.iter().cloned().collect()
}

#[async_trait]
impl Trial for RunningTrial {
    async fn call(&self, request: HostedRequest) -> Result<HostedResponse> {
        let mut ready = self.ready.clone();
        let answer = tokio::select! {
            answer = exchange(&mut ready, &*self.clock, &request, ()) => answer,
            () = self.clock.sleep(request.head_timeout) => return Err(timed_out(request.head_timeout)),
        };
        answer.map_err(|missed| match missed {
            Missed::Failed(error) => error,
            Missed::Unsent => {
                let end = self.ready.gone.borrow().clone();
                end.unwrap_or_else(|| End::unseen("before it took the call")).error("nothing was sent")
            }
        })
    }

    fn logs(&self) -> Vec<LogLine> {
        lines(&self.logs)
    }
}
