//! What hosted code does without anybody asking: cron expressions that name this minute, and alarms after a restart.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode, Uri};
use smcp_manifest::Cron;
use smcp_types::{Error, RequestId, Result, ServerId, Slug, TenantId, UnixMillis};

use crate::{
    Platform,
    ports::{HostedRequest, LogLevel, LogLine, LogSink as _, Scheduled, ServerRecord, Target},
    servers::ActiveVersion,
};

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;
/// The longest a scheduled handler may take: Cloudflare's.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Tenants and servers read at once when the platform starts.
const AT_ONCE: u32 = 200;
/// Servers whose alarms are looked for at once.
const READERS: usize = 4;
/// What the wrapper answers for a version without a scheduled handler.
pub(crate) const NO_HANDLER: StatusCode = StatusCode::NOT_IMPLEMENTED;

/// The cron expressions of active versions.
#[derive(Default)]
pub(crate) struct Timers(Mutex<BTreeMap<(TenantId, ServerId), Vec<Timer>>>);

/// One expression of one server.
struct Timer {
    server: Slug,
    text: String,
    cron: Cron,
    running: bool,
}

/// A timer whose minute has come.
#[derive(Clone, Debug)]
struct Due {
    tenant: TenantId,
    id: ServerId,
    server: Slug,
    cron: String,
    /// Whether the call before it has ended.
    free: bool,
}

impl Timers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TenantId, ServerId), Vec<Timer>>> {
        // Every change is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another version is active: its expressions hold from the next minute on.
    pub(crate) fn set(&self, server: &ServerRecord, active: &ActiveVersion) {
        let timers: Vec<_> = (active.manifest().crons.iter())
            .filter_map(|text| {
                let cron = Cron::parse(text).ok()?;
                Some(Timer { server: server.slug.clone(), text: text.clone(), cron, running: false })
            })
            .collect();
        let key = (server.tenant, server.id);
        if timers.is_empty() {
            self.lock().remove(&key);
        } else {
            self.lock().insert(key, timers);
        }
    }

    /// The server is gone.
    pub(crate) fn forget(&self, server: &ServerRecord) {
        self.lock().remove(&(server.tenant, server.id));
    }

    /// Those that name the minute; each counts as running from now on.
    fn due(&self, minute: i64) -> Vec<Due> {
        let mut due = Vec::new();
        for ((tenant, id), timers) in self.lock().iter_mut() {
            for timer in timers.iter_mut().filter(|timer| timer.cron.names(minute * (MINUTE / 1000))) {
                let free = !std::mem::replace(&mut timer.running, true);
                let (server, cron) = (timer.server.clone(), timer.text.clone());
                due.push(Due { tenant: *tenant, id: *id, server, cron, free });
            }
        }
        due
    }

    fn done(&self, due: &Due) {
        if let Some(timers) = self.lock().get_mut(&(due.tenant, due.id)) {
            timers.iter_mut().filter(|timer| timer.text == due.cron).for_each(|timer| timer.running = false);
        }
    }
}

impl Platform {
    /// Calls scheduled handlers in their minutes, for ever. What a node that was down has missed is not made up for.
    pub async fn run_timers(self: &Arc<Self>) {
        match self.resume_timers().await {
            Ok(targets) => self.resume_alarms(targets),
            Err(error) => {
                tracing::error!(%error, "scheduled handlers and alarms of some servers wait for their next activation");
            }
        }
        let mut last = self.minute();
        loop {
            let now = self.clock.now().0;
            // A clock that was set back by hours is believed; one that is corrected runs no minute twice.
            last = last.min(now / MINUTE + 2);
            let left = (last + 1) * MINUTE - now;
            if let Ok(left @ 1..) = u64::try_from(left) {
                self.clock.sleep(Duration::from_millis(left)).await;
                continue;
            }
            last = now / MINUTE;
            self.ring(last);
        }
    }

    fn minute(&self) -> i64 {
        self.clock.now().0 / MINUTE
    }

    /// Has alarms looked for, a few servers at a time: nobody's minute waits for it.
    fn resume_alarms(self: &Arc<Self>, targets: Vec<Target>) {
        let platform = Arc::clone(self);
        self.tasks.detach(Box::pin(async move {
            let resume = |target: Target| {
                let platform = Arc::clone(&platform);
                async move { platform.isolates.resume(&target).await }
            };
            stream::iter(targets).for_each_concurrent(READERS, resume).await;
        }));
    }

    /// Takes up the timers of every active version; those whose objects may have alarms, tenants in turn.
    async fn resume_timers(&self) -> Result<Vec<Target>> {
        let (mut after, mut targets) = (None, Vec::new());
        loop {
            let tenants = self.stores.tenants.list(after, AT_ONCE).await?;
            let Some(last) = tenants.last().map(|tenant| tenant.id) else { break };
            after = Some(last);
            for tenant in tenants {
                self.resume_servers(tenant.id, &mut targets).await?;
            }
        }
        targets.sort_by_key(|(turn, _)| *turn);
        Ok(targets.into_iter().map(|(_, target)| target).collect())
    }

    async fn resume_servers(&self, tenant: TenantId, targets: &mut Vec<(usize, Target)>) -> Result<()> {
        let mut turn = 0;
        let mut after = None;
        loop {
            let servers = self.stores.servers.list(tenant, after, AT_ONCE).await?;
            let Some(last) = servers.last().map(|server| server.id) else { return Ok(()) };
            after = Some(last);
            for server in servers.iter().filter(|server| server.active.is_some()) {
                // One that cannot be read keeps none of the others from their time.
                match self.active_version(server).await {
                    Ok(active) => {
                        self.timers.set(server, &active);
                        if active.target.keeps_state() {
                            targets.push((turn, active.target.clone()));
                            turn += 1;
                        }
                    }
                    Err(error) => {
                        tracing::error!(server.id = %server.id, %error, "the timers of a server are not taken up");
                    }
                }
            }
        }
    }

    /// Starts what the minute is named by.
    fn ring(self: &Arc<Self>, minute: i64) {
        for due in self.timers.due(minute) {
            let platform = Arc::clone(self);
            self.tasks.detach(Box::pin(async move {
                platform.run_due(&due, UnixMillis(minute * MINUTE)).await;
                if due.free {
                    platform.timers.done(&due);
                }
            }));
        }
    }

    async fn run_due(&self, due: &Due, at: UnixMillis) {
        let found = self.server_by_slug(due.tenant, due.server.as_str()).await;
        let Some(server) = found.unwrap_or_default().filter(|server| server.id == due.id) else { return };
        let Ok(active) = self.active_version(&server).await else { return };
        let (level, said) = if due.free {
            match self.call_scheduled(&server, &active, &due.cron, at).await {
                Ok(StatusCode::OK) => (LogLevel::Info, "done".to_owned()),
                Ok(NO_HANDLER) => (LogLevel::Error, "the server exports no `scheduled` handler".to_owned()),
                Ok(_) => (LogLevel::Error, "the handler threw".to_owned()),
                Err(error) => (LogLevel::Error, error.to_string()),
            }
        } else {
            (LogLevel::Warn, "left out: the call before it has not ended".to_owned())
        };
        let line =
            LogLine::platform(self.clock.now(), level, format!("[smcp] scheduled {:?}: {said}", due.cron));
        self.logbook.append(&active.target.version, line);
    }

    /// Calls the scheduled handler; whoever deployed the version has named the time.
    async fn call_scheduled(
        &self,
        server: &ServerRecord,
        active: &ActiveVersion,
        cron: &str,
        at: UnixMillis,
    ) -> Result<StatusCode> {
        let permit = self.authority.on_schedule(server);
        let url = format!("{}{}", self.settings.external_url.origin(), active.manifest().endpoint);
        let request = HostedRequest {
            method: Method::POST,
            url: url.parse::<Uri>().map_err(Error::internal)?,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            request_id: RequestId::new(self.clock.now(), self.random()),
            head_timeout: LONGEST,
            calls: 1,
            scheduled: Some(Scheduled::Due { cron: cron.to_owned(), at }),
        };
        Ok(self.isolates.call(&permit, &active.target, request).await?.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_runs_once_at_a_time() {
        let timers = Timers::default();
        let key = (TenantId::from_bytes([1; 16]), ServerId::from_bytes([2; 16]));
        let timer = |text: &str| Timer {
            server: "notes".parse().unwrap(),
            text: text.to_owned(),
            cron: Cron::parse(text).unwrap(),
            running: false,
        };
        timers.lock().insert(key, vec![timer("* * * * *"), timer("5 * * * *")]);
        let first = timers.due(60);
        assert_eq!(
            first.iter().map(|due| (due.cron.as_str(), due.free)).collect::<Vec<_>>(),
            [("* * * * *", true)]
        );
        assert!(!timers.due(61)[0].free, "it still runs");
        timers.done(&first[0]);
        let both = timers.due(65);
        assert_eq!(both.iter().map(|due| due.free).collect::<Vec<_>>(), [true, true]);
    }
}
