//! Alarms of objects whose process sleeps: it is started in time for the first, and the runtime rings it.

use std::{sync::Arc, time::Duration};

use smcp_core::{
    fleet::Traffic,
    ports::{LogLevel, Target},
};
use smcp_types::{Error, Result, ServerId, TenantId, UnixMillis};

use super::{call, shared::Shared};
use crate::state::Claim;

/// When it is tried again to start a process for an alarm.
const AGAIN: Duration = Duration::from_secs(30);
/// The longest sleep until it is looked at the calendar: clocks are set.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

/// The next alarm of one server.
pub(super) struct Alarm {
    /// The active version: what is to be started.
    target: Target,
    /// None while a process runs, which has its alarms in hand, and when there is none.
    due: Option<UnixMillis>,
}

impl Shared {
    /// Notes which version is active and, if no process has them in hand, when its first alarm is due.
    pub(super) async fn resume_alarms(self: &Arc<Self>, target: &Target) -> Result<()> {
        let key = (target.version.tenant, target.version.server);
        if !target.keeps_state() {
            self.alarms().remove(&key);
            return Ok(());
        }
        self.alarms().insert(key, Alarm { target: target.clone(), due: None });
        if let Some(claim) = self.host.state.try_claim(&target.version) {
            let due = self.host.state.first_alarm(&claim).await.map_err(Error::internal)?;
            self.set_due(key, due);
        }
        Ok(())
    }

    /// The server is gone.
    pub(super) fn forget_alarms(&self, tenant: TenantId, server: ServerId) {
        self.alarms().remove(&(tenant, server));
    }

    /// A process has ended and left its alarms to us.
    pub(super) async fn settle_alarms(self: &Arc<Self>, target: &Target, claim: &Claim) {
        let version = &target.version;
        match self.host.state.first_alarm(claim).await {
            Ok(due) => self.set_due((version.tenant, version.server), due),
            Err(error) => {
                tracing::error!(tenant.id = %version.tenant, server.id = %version.server, %error, "alarms cannot be read");
                let what = "[smcp] its alarms cannot be read: they ring when the next call comes".to_owned();
                self.note(version, LogLevel::Error, what);
            }
        }
    }

    fn set_due(&self, server: (TenantId, ServerId), due: Option<UnixMillis>) {
        if let Some(alarm) = self.alarms().get_mut(&server) {
            alarm.due = due;
        }
        self.changed.notify_one();
    }

    /// Starts what is due; says how long nothing else will be.
    pub(super) fn ring_alarms(self: &Arc<Self>) -> Option<Duration> {
        let now = self.host.clock.now();
        let (mut due, mut next) = (Vec::new(), None::<i64>);
        for alarm in self.alarms().values_mut() {
            match alarm.due {
                Some(at) if at.0 <= now.0 => {
                    alarm.due = None;
                    due.push(alarm.target.clone());
                }
                Some(at) => next = Some(next.map_or(at.0, |next| next.min(at.0))),
                None => {}
            }
        }
        for target in due {
            let work = ring(Arc::clone(self), target);
            #[allow(clippy::disallowed_methods, reason = "ends when the process is there or is refused")]
            tokio::spawn(work);
        }
        next.map(|at| Duration::from_millis(u64::try_from(at - now.0).unwrap_or_default()).min(LONGEST_SLEEP))
    }
}

/// Sees to it that a process is there, as a call does.
async fn ring(shared: Arc<Shared>, target: Target) {
    if let Err(error) = call::admit(&shared, &target, Traffic::Call).await {
        let version = &target.version;
        tracing::warn!(tenant.id = %version.tenant, server.id = %version.server, %error, "an alarm has to wait");
        let again = i64::try_from(AGAIN.as_millis()).unwrap_or(i64::MAX);
        let at = UnixMillis(shared.host.clock.now().0.saturating_add(again));
        shared.set_due((version.tenant, version.server), Some(at));
    }
}
