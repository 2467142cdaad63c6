//! Alarms of objects whose process sleeps: it is started in time for the first, and the runtime rings it.

use std::{sync::Arc, time::Duration};

use smcp_core::{
    fleet::Traffic,
    ports::{LogLevel, Target},
};
use smcp_types::{ServerId, TenantId, UnixMillis};

use super::{call, desk::Takes, shared::Shared};
use crate::state::Claim;

/// When it is tried again to start a process for an alarm, if it has not come to that.
const AGAIN: i64 = 30_000;
/// How long an alarm waits for a place that is free before it asks for one as a call does.
const PATIENCE: i64 = 60_000;
/// The pause between an end and the next start for an alarm; it doubles while there is nothing but alarms.
const LEAST_PAUSE: i64 = 1_000;
const MOST_PAUSE: i64 = 60_000;
/// After so long without a start for an alarm, the pause is the least again.
const CALM: i64 = 600_000;
/// The longest sleep until it is looked at the calendar: clocks are set.
const LONGEST_SLEEP: Duration = Duration::from_secs(600);

/// The next alarm of one server.
pub(super) struct Alarm {
    /// The active version: what is to be started.
    target: Target,
    /// None while a process runs, which has its alarms in hand, and when there is none.
    due: Option<UnixMillis>,
    /// Since when the one that is due has waited for a place.
    waits_since: Option<i64>,
    pace: Pace,
}

/// How soon a process may be started for an alarm again.
#[derive(Clone, Copy)]
struct Pace {
    /// When one was last started for an alarm, and the pause after it.
    rung: i64,
    pause: i64,
}

impl Pace {
    const NEW: Self = Self { rung: 0, pause: LEAST_PAUSE };

    /// When an alarm rings that is due then, now that its process has ended: who sets one for at once, again and again,
    /// has not all the starts there are.
    fn after_end(&mut self, now: i64, due: i64) -> i64 {
        if now.saturating_sub(self.rung) > CALM {
            self.pause = LEAST_PAUSE;
        }
        due.max(now.saturating_add(self.pause))
    }

    fn rings(&mut self, now: i64) {
        *self = Self { rung: now, pause: (self.pause * 2).min(MOST_PAUSE) };
    }
}

impl Shared {
    /// Notes which version is active and, if no process has them in hand, when its first alarm is due.
    pub(super) async fn resume_alarms(self: &Arc<Self>, target: &Target) {
        let key = (target.version.tenant, target.version.server);
        if !target.keeps_state() {
            self.alarms().remove(&key);
            return;
        }
        let new = || Alarm { target: target.clone(), due: None, waits_since: None, pace: Pace::NEW };
        self.alarms().entry(key).or_insert_with(new).target = target.clone();
        if let Some(claim) = self.host.state.try_claim(&target.version) {
            let due = self.next_alarm(target, &claim).await;
            self.sleeps(target, due);
        }
    }

    /// The server is gone.
    pub(super) fn forget_alarms(&self, tenant: TenantId, server: ServerId) {
        self.alarms().remove(&(tenant, server));
    }

    /// When the first alarm is due that a process has left to us. Where that cannot be read, the runtime is asked: started
    /// after a while, it rings what is due.
    pub(super) async fn next_alarm(&self, target: &Target, claim: &Claim) -> Option<UnixMillis> {
        let version = &target.version;
        match self.host.state.first_alarm(claim, &target.manifest).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(tenant.id = %version.tenant, server.id = %version.server, %error, "alarms cannot be read");
                let what =
                    "[smcp] its alarms cannot be read: it is started in ten minutes to ring them".to_owned();
                self.note(version, LogLevel::Error, what);
                Some(UnixMillis(self.host.clock.now().0.saturating_add(CALM)))
            }
        }
    }

    /// No process has the alarms of a server in hand; the first is due then.
    pub(super) fn sleeps(&self, target: &Target, due: Option<UnixMillis>) {
        let now = self.host.clock.now().0;
        if let Some(alarm) = self.alarms().get_mut(&(target.version.tenant, target.version.server)) {
            alarm.due = due.map(|due| UnixMillis(alarm.pace.after_end(now, due.0)));
            alarm.waits_since = None;
        }
        self.changed.notify_one();
    }

    /// A process has them in hand.
    pub(super) fn wakes(&self, target: &Target) {
        if let Some(alarm) = self.alarms().get_mut(&(target.version.tenant, target.version.server)) {
            (alarm.due, alarm.waits_since) = (None, None);
        }
    }

    /// Starts what is due; says how long nothing else will be.
    pub(super) fn ring_alarms(self: &Arc<Self>) -> Option<Duration> {
        let now = self.host.clock.now().0;
        let (mut due, mut next) = (Vec::new(), None::<i64>);
        for alarm in self.alarms().values_mut() {
            let Some(mut at) = alarm.due else { continue };
            if at.0 <= now {
                let since = *alarm.waits_since.get_or_insert(now);
                if since == now {
                    alarm.pace.rings(now);
                }
                due.push((alarm.target.clone(), now - since >= PATIENCE));
                at = UnixMillis(now.saturating_add(AGAIN));
                alarm.due = Some(at);
            }
            next = Some(next.map_or(at.0, |next| next.min(at.0)));
        }
        for (target, is_late) in due {
            if is_late {
                #[allow(clippy::disallowed_methods, reason = "ends when the process is there or is refused")]
                tokio::spawn(demand(Arc::clone(self), target));
            } else {
                // Nobody gives a place up for it.
                self.warm(&target);
            }
        }
        next.map(|at| Duration::from_millis(u64::try_from(at - now).unwrap_or_default()).min(LONGEST_SLEEP))
    }
}

/// Sees to it that a process is there, as a call does.
async fn demand(shared: Arc<Shared>, target: Target) {
    if let Err(error) = call::admit(&shared, &target, Takes { traffic: Traffic::Call, calls: 1 }).await {
        let version = &target.version;
        tracing::warn!(tenant.id = %version.tenant, server.id = %version.server, %error, "an alarm has to wait");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_that_follow_each_other_are_rung_less_and_less_often() {
        let (mut pace, mut now, mut gaps) = (Pace::NEW, 1_000_000_000, Vec::new());
        for _ in 0..8 {
            // Set for at once, and the process has ended a second later.
            let rings = pace.after_end(now, now);
            gaps.push(rings - now);
            pace.rings(rings);
            now = rings + 1_000;
        }
        assert_eq!(gaps, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(pace.after_end(now, now + 90_000), now + 90_000, "one that is later is in time");
        now += CALM + 1;
        assert_eq!(pace.after_end(now, now), now + LEAST_PAUSE, "and after a while all is forgiven");
    }
}
