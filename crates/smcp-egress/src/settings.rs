//! What an operator decides about the way out.

use std::{net::SocketAddr, time::Duration};

use crate::places::Concurrency;

/// What nothing that leaves may exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Bytes of a request's body.
    pub request_bytes: u64,
    /// Bytes of an answer's body, unpacked.
    pub response_bytes: u64,
    /// Until a name is resolved.
    pub resolve: Duration,
    /// Until one address has accepted a connection.
    pub connect: Duration,
    /// Until the head of the answer is there.
    pub head: Duration,
    /// Until the end of the answer.
    pub total: Duration,
    /// Requests at once.
    pub concurrency: Concurrency,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            request_bytes: 10 << 20,
            response_bytes: 64 << 20,
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            head: Duration::from_secs(30),
            total: Duration::from_secs(60),
            concurrency: Concurrency::default(),
        }
    }
}

/// What the platform is known by, and hosted code may not call.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Where it listens. An unspecified address is every one of this machine.
    pub listeners: Vec<SocketAddr>,
    /// Its public hosts, without ports; with `*.` before one, all below it.
    pub names: Vec<String>,
}

impl Own {
    /// Whether a host, in its canonical form, is one of the names.
    pub(crate) fn is_named(&self, host: &str) -> bool {
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix('*') {
                Some(below) => host.ends_with(below),
                None => host == name,
            }
        })
    }
}
