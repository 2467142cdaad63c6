//! A process of hosted code as the services see it that it may use: known by the socket it was given, never by its words.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use ipnet::IpNet;
use smcp_manifest::LockedManifest;

use super::{HostedBody, VersionRef};

/// Requests that hosted code may send for each call it is given.
pub const SUBREQUESTS_PER_CALL: u32 = 50;
/// Operations on storage for each call.
pub const STORAGE_OPERATIONS_PER_CALL: u32 = 1_000;
/// Calls whose tokens can be saved up: who does much for few calls has the tokens of many, within this bound.
const CALLS_SAVED: u32 = 64;

/// Why a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It answers calls.
    Serving,
    /// It shows once what it is: no way out, no secrets, storage that is thrown away (DESIGN 10).
    Trial,
}

/// One process: what it runs, what for, and what it may still use.
#[derive(Debug)]
pub struct Workload {
    /// The version it runs. Its tenant owns everything the process can reach.
    pub version: VersionRef,
    /// What the version was given.
    pub manifest: Arc<LockedManifest>,
    /// Why it runs.
    pub purpose: Purpose,
    /// Private networks that an operator opened to this server.
    pub networks: Arc<[IpNet]>,
    /// What it may still use.
    pub budgets: Budgets,
}

/// Tokens of one process; each call that is sent to it adds some.
#[derive(Debug, Default)]
pub struct Budgets {
    /// For requests to the outside.
    pub subrequests: Tokens,
    /// For operations on storage.
    pub storage: Tokens,
}

impl Budgets {
    /// The tokens a process begins with: what it does before its first call, or in a timer, is no call's.
    #[must_use]
    pub fn new() -> Self {
        let budgets = Self::default();
        budgets.call();
        budgets
    }

    /// A call is sent to the process.
    pub fn call(&self) {
        self.subrequests.grant(SUBREQUESTS_PER_CALL, CALLS_SAVED * SUBREQUESTS_PER_CALL);
        self.storage.grant(STORAGE_OPERATIONS_PER_CALL, CALLS_SAVED * STORAGE_OPERATIONS_PER_CALL);
    }
}

/// A number of things that may still be done.
#[derive(Debug, Default)]
pub struct Tokens(AtomicU32);

impl Tokens {
    /// Adds tokens, up to a most.
    pub fn grant(&self, tokens: u32, most: u32) {
        let add = |held: u32| Some(held.saturating_add(tokens).min(most));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Takes one, if there is one.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| held.checked_sub(1)).is_ok()
    }
}

/// Serves one kind of binding over HTTP, as the runtime speaks it.
#[async_trait]
pub trait BindingService: Send + Sync + 'static {
    /// Serves one request to a store of the workload's tenant: the namespace, bucket or database behind the binding.
    async fn serve(
        &self,
        from: &Arc<Workload>,
        store: &str,
        request: http::Request<HostedBody>,
    ) -> http::Response<HostedBody>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_once_and_saved_up_to_a_bound() {
        let tokens = Tokens::default();
        assert!(!tokens.take());
        tokens.grant(2, 3);
        tokens.grant(2, 3);
        assert_eq!((0..5).filter(|_| tokens.take()).count(), 3);
    }

    #[test]
    fn racing_takers_never_take_more_than_there_is() {
        let tokens = Tokens::default();
        tokens.grant(1_000, 1_000);
        let taken = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while tokens.take() {
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 1_000);
    }
}
