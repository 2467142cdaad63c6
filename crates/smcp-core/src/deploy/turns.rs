//! Whose deploy is checked when: few at a time, one of a tenant, and between tenants in the order they came.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_channel::oneshot;
use smcp_types::{Error, Result, TenantId};

use crate::{ports::Clock, timeout::within};

/// Trials that run at the same time; each is a process.
const MAX_TRIALS: usize = 4;
/// Tenants that wait for theirs; each holds its bundle in memory meanwhile.
const MAX_WAITING: usize = 64;
/// Longest wait of one.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// When a refused deploy is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The trials of all tenants. Who has several deploys has one turn like everybody, and then stands behind all others.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    running: HashSet<TenantId>,
    waiting: VecDeque<(TenantId, oneshot::Sender<()>)>,
}

/// A tenant's turn, or its place in the queue; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    tenant: TenantId,
}

impl Turns {
    /// Waits for this tenant's turn.
    ///
    /// # Errors
    /// `Limited` when the tenant has a deploy under way, or others take all turns for too long.
    pub(crate) async fn take(&self, clock: &dyn Clock, tenant: TenantId) -> Result<Turn<'_>> {
        let (turn, called) = self.join(tenant)?;
        if let Some(called) = called
            && within(clock, LONGEST_WAIT, called).await.is_none()
        {
            let seconds = LONGEST_WAIT.as_secs();
            return Err(busy(format!("deploys of other tenants were being checked for {seconds} s")));
        }
        Ok(turn)
    }

    /// A turn at once, or a place in the queue and what tells when its turn has come.
    fn join(&self, tenant: TenantId) -> Result<(Turn<'_>, Option<oneshot::Receiver<()>>)> {
        let mut state = self.state();
        if state.running.contains(&tenant) || state.waiting.iter().any(|(waiting, _)| *waiting == tenant) {
            return Err(busy("another deploy of this tenant is being checked".to_owned()));
        }
        // Whoever waits has been called as soon as there was a turn: a free one belongs to nobody else.
        if state.running.len() < MAX_TRIALS {
            state.running.insert(tenant);
            return Ok((Turn { turns: self, tenant }, None));
        }
        if state.waiting.len() >= MAX_WAITING {
            return Err(busy("as many deploys as can be wait to be checked".to_owned()));
        }
        let (call, called) = oneshot::channel();
        state.waiting.push_back((tenant, call));
        Ok((Turn { turns: self, tenant }, Some(called)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if !state.running.remove(&self.tenant) {
            state.waiting.retain(|(waiting, _)| *waiting != self.tenant);
            return;
        }
        if let Some((next, call)) = state.waiting.pop_front() {
            state.running.insert(next);
            // Who has gone without hearing it passes its turn on when its own `Turn` is dropped.
            let _ = call.send(());
        }
    }
}

fn busy(message: String) -> Error {
    Error::Limited { message, retry_after: RETRY_AFTER }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::FutureExt as _;
    use smcp_types::UnixMillis;

    use super::*;

    fn tenant(name: u8) -> TenantId {
        TenantId::from_bytes([name; 16])
    }

    /// Time that is always over, or never comes.
    struct Frozen {
        over: bool,
    }

    #[async_trait]
    impl Clock for Frozen {
        fn now(&self) -> UnixMillis {
            UnixMillis(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        async fn sleep(&self, duration: Duration) {
            assert_eq!(duration, LONGEST_WAIT);
            if !self.over {
                std::future::pending().await
            }
        }
    }

    const PATIENT: Frozen = Frozen { over: false };

    fn message(result: Option<Result<Turn<'_>>>) -> String {
        match result {
            Some(Err(Error::Limited { message, .. })) => message,
            other => panic!("{other:?}"),
        }
    }

    fn four(turns: &Turns) -> Vec<Turn<'_>> {
        (0..4).map(|name| turns.take(&PATIENT, tenant(name)).now_or_never().unwrap().unwrap()).collect()
    }

    #[test]
    fn a_tenant_waits_in_order_and_has_one_deploy() {
        let turns = Turns::default();
        let mut running = four(&turns);
        let mut fifth = Box::pin(turns.take(&PATIENT, tenant(5)));
        let mut sixth = Box::pin(turns.take(&PATIENT, tenant(6)));
        assert!(fifth.as_mut().now_or_never().is_none() && sixth.as_mut().now_or_never().is_none());
        for name in [0, 5] {
            let again = message(turns.take(&PATIENT, tenant(name)).now_or_never());
            assert_eq!(again, "another deploy of this tenant is being checked");
        }
        drop(running.remove(0));
        let mut again = Box::pin(turns.take(&PATIENT, tenant(0)));
        assert!(again.as_mut().now_or_never().is_none(), "behind all who wait");
        assert!(sixth.as_mut().now_or_never().is_none());
        let fifth = fifth.now_or_never().unwrap().unwrap();
        drop((fifth, running.remove(0)));
        assert!(sixth.now_or_never().is_some() && again.now_or_never().is_some());
    }

    #[test]
    fn who_leaves_takes_nothing_along() {
        let turns = Turns::default();
        let mut running = four(&turns);
        let late = message(turns.take(&Frozen { over: true }, tenant(5)).now_or_never());
        assert_eq!(late, "deploys of other tenants were being checked for 30 s");
        let mut fifth = Box::pin(turns.take(&PATIENT, tenant(5)));
        let mut sixth = Box::pin(turns.take(&PATIENT, tenant(6)));
        assert!(fifth.as_mut().now_or_never().is_none() && sixth.as_mut().now_or_never().is_none());
        // Called, and gone before it heard of it.
        drop(running.pop());
        drop(fifth);
        let sixth = sixth.now_or_never().unwrap().unwrap();
        drop((running, sixth));
        let state = turns.state();
        assert!(state.running.is_empty() && state.waiting.is_empty());
    }

    #[test]
    fn the_queue_is_bounded() {
        let turns = Turns::default();
        let running = four(&turns);
        let waiting: Vec<_> = (10..74).map(|name| turns.join(tenant(name)).unwrap()).collect();
        let refused = message(turns.take(&PATIENT, tenant(99)).now_or_never());
        assert_eq!(refused, "as many deploys as can be wait to be checked");
        drop((running, waiting));
        assert!(turns.state().running.is_empty());
    }
}
