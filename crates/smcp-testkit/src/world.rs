//! The smallest machine: repeatable randomness, no background work, no hosted code.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use smcp_core::{
    authority::{Deploy, Permit, UseServer},
    ports::{
        Entropy, HostedRequest, HostedResponse, HostedState, Isolates, Target, Tasks, Trial, TrialRefused,
        Usage, UsageMeter, VersionRef,
    },
};
use smcp_manifest::Bundle;
use smcp_types::{Error, Refusal, Result, ServerId, TenantId};

/// Different bytes at every call, the same in every run.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            // An odd multiplier keeps all values different.
            let next =
                self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// Drops all background work.
#[derive(Debug, Default)]
pub struct NoTasks;

impl Tasks for NoTasks {
    fn detach(&self, _work: Pin<Box<dyn Future<Output = ()> + Send>>) {}
}

/// Cannot run anything.
#[derive(Debug, Default)]
pub struct NoIsolates;

fn nothing() -> Error {
    Error::Unavailable(Refusal::new("no hosted code runs in this test"))
}

#[async_trait]
impl Isolates for NoIsolates {
    async fn call(&self, _: &Permit<UseServer>, _: &Target, _: HostedRequest) -> Result<HostedResponse> {
        Err(nothing())
    }

    async fn trial(
        &self,
        _: &Permit<Deploy>,
        _: &Target,
        _: Arc<Bundle>,
    ) -> std::result::Result<Box<dyn Trial>, TrialRefused> {
        Err(TrialRefused { error: nothing(), logs: Vec::new() })
    }

    async fn resume(&self, _: &Target) {}

    async fn erase(&self, _: TenantId, _: ServerId) -> Result<()> {
        Ok(())
    }

    fn warm(&self, _: &Target) {}

    fn lift(&self, _: &VersionRef) {}

    async fn retire(&self, _: &VersionRef) {}

    async fn forget(&self, _: &VersionRef) {}

    fn state(&self, _: &VersionRef) -> HostedState {
        HostedState::Asleep
    }

    fn health(&self) -> Result<()> {
        Err(nothing())
    }
}

impl UsageMeter for NoIsolates {
    fn server(&self, _: TenantId, _: ServerId) -> Usage {
        Usage::default()
    }

    fn tenant(&self, _: TenantId) -> Usage {
        Usage::default()
    }
}
