//! The life of one process as the fleet sees it: load, start, ready, gone.

use std::{os::fd::OwnedFd, sync::Arc};

use smcp_core::{
    fleet::{Event, Generation},
    ports::{HostedState, LogLevel, Purpose, Target},
};
use smcp_types::Result;
use tokio::sync::watch;

use super::{
    Run,
    shared::{Ready, Shared},
    words::lift,
};
use crate::{exit::End, link::Link, process::Inbox, state::Claim};

/// Runs one generation to its end and reports what becomes of it.
pub(super) async fn run(shared: Arc<Shared>, target: Target, generation: Generation, inbox: Inbox) {
    let version = target.version;
    let begun = shared.host.clock.monotonic();
    let (gone, watched) = watch::channel(None);
    let claim = if target.keeps_state() { Some(shared.host.state.claim(&version).await) } else { None };
    let (started, end) = live(&shared, &target, (generation, claim.as_ref()), inbox, watched).await;
    let due = match &claim {
        Some(claim) => shared.next_alarm(&target, claim).await,
        None => None,
    };
    let lived = shared.host.clock.monotonic().saturating_sub(begun);
    let cause = end.cause.clone();
    let reason = cause.reason.clone();
    let event =
        if started { Event::Exited { generation, cause } } else { Event::StartFailed { generation, cause } };
    tracing::info!(
        tenant.id = %version.tenant, server.id = %version.server, version = %version.digest.short(),
        generation = generation.0, duration_ms = lived.as_millis(), reason, "hosted process ended"
    );
    shared.ledger().close(&version, Run::Of(generation), end.cause.limit().is_some());
    shared.ended(&version, generation, event);
    // Only now: what is due at once must not find the slot of the process that has gone.
    shared.sleeps(&target, due);
    drop(claim);
    let level = if end.cause.limit().is_some() { LogLevel::Warn } else { LogLevel::Info };
    shared.note(&version, level, format!("[smcp] process {generation} ended: {reason}"));
    if let HostedState::Quarantined { offences, until, .. } = shared.state(&version) {
        let seconds = until.0.saturating_sub(shared.host.clock.now().0) / 1000;
        let way_out = lift(&target.manifest.name);
        let what = format!("[smcp] in quarantine for {seconds} s: limits broken {offences} times; {way_out}");
        shared.note(&version, LogLevel::Warn, what);
    }
    // Only now: a call that learns of the end and asks again must not be sent here once more.
    gone.send_replace(Some(end));
}

/// Whether there was a process, and how it ended.
async fn live(
    shared: &Arc<Shared>,
    target: &Target,
    (generation, claim): (Generation, Option<&Claim>),
    mut inbox: Inbox,
    gone: watch::Receiver<Option<End>>,
) -> (bool, End) {
    let version = &target.version;
    let failed = |reason: String| (false, End::unseen(reason));
    let config = tokio::select! {
        config = config(shared, target) => config,
        _ = inbox.recv() => return failed("was stopped by the platform before it started".to_owned()),
    };
    let config = match config {
        Ok(config) => config,
        Err(error) => return failed(error.to_string()),
    };
    let state = match claim {
        Some(claim) => shared.host.state.open(claim).await.map(Some),
        None => Ok(None),
    };
    let state = match state {
        Ok(state) => state,
        Err(error) => return failed(error.to_string()),
    };
    let given = (config, state);
    let mut process =
        match shared.host.start((target, Purpose::Serving), given, inbox, shared.outlet(target)).await {
            Ok(process) => process,
            Err(error) => return failed(format!("the platform could not start a process: {error}")),
        };
    shared.opened(version, generation, Arc::clone(&process.account));
    shared.wakes(target);
    if !process.ready().await {
        return (true, process.ended().await);
    }
    let link = Link::new(process.socket.clone(), Arc::clone(&shared.host.clock));
    let (account, workload) = (Arc::clone(&process.account), Arc::clone(&process.workload));
    shared.started(version, generation, Ready { link, account, workload, gone, end_streams: Arc::default() });
    let overrun = process.overrun();
    let overflow = process.overflow(&shared.host.state);
    let cause = tokio::select! {
        end = process.ended() => return (true, end),
        cause = overrun => cause,
        cause = overflow => cause,
    };
    shared.observe(version, Event::Overrun { generation, cause });
    (true, process.ended().await)
}

/// The compiled configuration, made again if it has gone; one with secrets in it is made each time and kept nowhere.
async fn config(shared: &Shared, target: &Target) -> Result<OwnedFd> {
    if !target.manifest.secrets.plain.is_empty() {
        let given = shared.host.given_with_secrets(target).await?;
        let bundle = shared.bundles.load(&target.version).await?;
        return shared.cache.fresh(target, &bundle, &given).await;
    }
    if let Some(file) = shared.cache.get(target).await? {
        return Ok(file);
    }
    let bundle = shared.bundles.load(&target.version).await?;
    shared.cache.make(target, &bundle, &shared.host.given(target)?).await
}
