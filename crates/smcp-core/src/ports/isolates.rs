//! The port to hosted code: send it a request, try a bundle, know how it is.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use ipnet::IpNet;
use smcp_manifest::{Bundle, LockedManifest, SandboxClass};
use smcp_types::{Digest, Error, Limits, RequestId, Result, ServerId, TenantId, UnixMillis};

use super::{LogLine, OutboundTraffic};
use crate::authority::{Deploy, Permit, UseServer};

/// One version of one server of one tenant: what a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionRef {
    /// The owner.
    pub tenant: TenantId,
    /// The server.
    pub server: ServerId,
    /// The content of the version.
    pub digest: Digest,
}

/// What runs, within which bounds, and with what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The version.
    pub version: VersionRef,
    /// Its limits, under its tenant's ceilings. They hold from the next start of a process.
    pub limits: Limits,
    /// How tightly its sandbox closes.
    pub class: SandboxClass,
    /// The version's manifest: what it was given.
    pub manifest: Arc<LockedManifest>,
    /// Private networks that an operator opened to the server.
    pub networks: Arc<[IpNet]>,
}

impl Target {
    /// Whether its objects keep state: at most one process of its server may run at any time.
    #[must_use]
    pub fn keeps_state(&self) -> bool {
        !self.manifest.durable_objects.is_empty()
    }
}

/// A body as it arrives from hosted code: chunks, or the error that cut it off.
pub type HostedBody = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// A request as hosted code will see it: already validated, stripped of credentials, with inner session ids.
#[derive(Debug, Clone)]
pub struct HostedRequest {
    /// GET, POST or DELETE.
    pub method: http::Method,
    /// The absolute URL hosted code reads in `request.url`.
    pub url: http::Uri,
    /// Only headers from the platform's allowlist.
    pub headers: http::HeaderMap,
    /// The raw body the client sent, at most 1 MiB.
    pub body: Bytes,
    /// A label for logs; never trusted coming back.
    pub request_id: RequestId,
    /// Longest wait for the response head, waking included.
    pub head_timeout: Duration,
    /// How many calls it is: the requests of a batch count one by one.
    pub calls: u32,
    /// Set when it is no request of a client's but about times: the scheduled handler answers it.
    pub scheduled: Option<Scheduled>,
}

/// What a scheduled handler is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheduled {
    /// A time that hosted code asked to be called at has come.
    Due {
        /// The cron expression, as the manifest has it.
        cron: String,
        /// The minute that it names.
        at: UnixMillis,
    },
    /// Whether there is one.
    Asked,
}

/// A response as hosted code gave it: nothing in it is trusted yet.
pub struct HostedResponse {
    /// The status.
    pub status: http::StatusCode,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The body. Dropping it closes the upstream request.
    pub body: HostedBody,
}

/// How a version is at the moment, as people and readiness checks see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostedState {
    /// No process; the next call starts one.
    Asleep,
    /// A process is starting.
    Starting,
    /// A process answers.
    Ready {
        /// When it became ready.
        since: UnixMillis,
    },
    /// It is being stopped: in-flight calls finish.
    Stopping,
    /// It crashed or did not start; the platform tries again at the given time, or when a call comes after it.
    Failing {
        /// Why, in words for the publisher.
        reason: String,
        /// Failures in a row.
        attempts: u32,
        /// Not before this time.
        retry_at: UnixMillis,
    },
    /// It broke its limits again and again and gets no process for a while, whoever calls.
    Quarantined {
        /// The last offence, in words for the publisher.
        reason: String,
        /// Limits broken that still count.
        offences: u32,
        /// Until when.
        until: UnixMillis,
    },
}

/// What hosted code has used since the platform started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Calls that were sent to a process.
    pub calls: u64,
    /// CPU time of calls that were alone in their process: exact.
    pub cpu_exact: Duration,
    /// CPU time of calls that shared their process with others, apportioned in equal parts.
    pub cpu_shared: Duration,
    /// CPU time while no call was in flight: starts, timers, `waitUntil`.
    pub cpu_background: Duration,
    /// Bytes of memory that its processes have now.
    pub memory_now: u64,
    /// The most bytes that one of its processes has had.
    pub memory_peak: u64,
    /// Processes started.
    pub starts: u64,
    /// Processes killed because they broke a limit.
    pub limit_kills: u64,
    /// Requests to the outside.
    pub outbound: OutboundTraffic,
}

impl Usage {
    /// All CPU time.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.cpu_exact + self.cpu_shared + self.cpu_background
    }

    /// The sum of two; of the peaks, the higher.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            cpu_exact: self.cpu_exact + other.cpu_exact,
            cpu_shared: self.cpu_shared + other.cpu_shared,
            cpu_background: self.cpu_background + other.cpu_background,
            memory_now: self.memory_now + other.memory_now,
            memory_peak: self.memory_peak.max(other.memory_peak),
            starts: self.starts + other.starts,
            limit_kills: self.limit_kills + other.limit_kills,
            outbound: self.outbound.plus(other.outbound),
        }
    }
}

/// A version that was refused before it was ever stored.
#[derive(Clone, Debug)]
pub struct TrialRefused {
    /// Why.
    pub error: Error,
    /// What the hosted code printed meanwhile, oldest first.
    pub logs: Vec<LogLine>,
}

/// Runs hosted code. One process per version, woken by the first call (DESIGN 1, 2).
#[async_trait]
pub trait Isolates: Send + Sync + 'static {
    /// Sends one request, waking the version if it is asleep. Returns when the response head is there; the body streams.
    /// Refuses a permit that is for another server.
    ///
    /// # Errors
    /// `Hosted` when it does not start or breaks, `TimedOut` when the head does not come in time, `Unavailable` while
    /// the platform stops or the version backs off after failures.
    async fn call(
        &self,
        permit: &Permit<UseServer>,
        target: &Target,
        request: HostedRequest,
    ) -> Result<HostedResponse>;

    /// Starts the bundle once, without egress, secrets or storage, to see what it is. Also prepares what a later start
    /// needs, so that the first call after activation does not pay for it.
    ///
    /// # Errors
    /// The reason it did not start, with its own output.
    async fn trial(
        &self,
        permit: &Permit<Deploy>,
        target: &Target,
        bundle: Arc<Bundle>,
    ) -> std::result::Result<Box<dyn Trial>, TrialRefused>;

    /// Takes the alarms of a version up, which is the active one: a process starts when the first is due.
    async fn resume(&self, target: &Target);

    /// A server is gone for good: removes what its objects kept.
    ///
    /// # Errors
    /// When it cannot be taken away.
    async fn erase(&self, tenant: TenantId, server: ServerId) -> Result<()>;

    /// Starts a process that will soon be needed, if a place is free; nobody waits for it.
    fn warm(&self, target: &Target);

    /// Lets a version's process finish what it has and stops it: another version is active now, or the server is gone.
    async fn retire(&self, version: &VersionRef);

    /// The version is gone for good, or never came to be: removes what was prepared for it.
    async fn forget(&self, version: &VersionRef);

    /// Ends a version's quarantine: the next call starts it again.
    fn lift(&self, version: &VersionRef);

    /// How the version is.
    fn state(&self, version: &VersionRef) -> HostedState;

    /// Whether hosted code can run at all on this node; the reason when it cannot.
    fn health(&self) -> Result<()>;
}

/// Knows what hosted code has used.
pub trait UsageMeter: Send + Sync + 'static {
    /// What one server has used, over all its versions, since the platform started.
    fn server(&self, tenant: TenantId, server: ServerId) -> Usage;

    /// What all servers of a tenant have used, deleted ones included.
    fn tenant(&self, tenant: TenantId) -> Usage;
}

/// A started trial of a bundle. The process ends when this is dropped.
#[async_trait]
pub trait Trial: Send + Sync {
    /// Sends one request to the trial process.
    ///
    /// # Errors
    /// As `Isolates::call`.
    async fn call(&self, request: HostedRequest) -> Result<HostedResponse>;

    /// What it has printed so far.
    fn logs(&self) -> Vec<LogLine>;
}
