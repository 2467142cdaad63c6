//! What the services beside hosted code know about the process that asks: it is known by the socket it was given.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use ipnet::IpNet;
use smcp_manifest::LockedManifest;

use super::VersionRef;

/// One process of hosted code. Nothing in it comes from the process itself.
#[derive(Debug)]
pub struct Workload {
    /// What runs.
    pub version: VersionRef,
    /// What it may.
    pub manifest: Arc<LockedManifest>,
    /// Why it runs.
    pub purpose: Purpose,
    /// Ranges that are not public and that an operator permitted to this server.
    pub networks: Arc<[IpNet]>,
    /// What it has left.
    pub budgets: Budgets,
}

/// Why a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To answer calls.
    Serving,
    /// To be looked at before a deploy: nothing leaves, no secret is added, what it stores is thrown away.
    Trial,
}

/// What a process may still do; every call that starts adds to it.
#[derive(Debug, Default)]
pub struct Budgets {
    /// Requests that leave the platform.
    pub subrequests: Tokens,
    /// Operations on storage.
    pub storage: Tokens,
}

/// A number of things that may still be done.
#[derive(Debug, Default)]
pub struct Tokens(AtomicU32);

impl Tokens {
    /// Adds some, up to `cap` in all.
    pub fn grant(&self, tokens: u32, cap: u32) {
        let more = |left: u32| Some(left.saturating_add(tokens).min(cap.max(left)));
        // The closure never gives up, so this cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Takes one, if one is left.
    pub fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_once_and_never_pile_up() {
        let tokens = Tokens::default();
        assert!(!tokens.take());
        tokens.grant(2, 3);
        tokens.grant(2, 3);
        assert_eq!([tokens.take(), tokens.take(), tokens.take(), tokens.take()], [true, true, true, false]);
    }
}
