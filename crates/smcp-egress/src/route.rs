//! From a host to a connection: look it up once, drop what may not be reached, dial what was checked.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};
use smcp_core::ports::{Clock, Workload};
use smcp_manifest::Scheme;
use smcp_policy::check_address;
use smcp_types::TenantId;
use tokio_rustls::TlsConnector;

use crate::{
    cache::Cache,
    dial::{Dial, Stream},
    refused::Refused,
    resolve::{Resolve, ResolveError},
    settings::{EgressLimits, Own},
    target::Target,
    tls,
};

/// Most addresses of a host that are tried.
const MAX_TRIED: usize = 3;

/// Finds the way to a host.
pub(crate) struct Route {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resolver: Box<dyn Resolve>,
    pub(crate) dialer: Box<dyn Dial>,
    pub(crate) own: Own,
    pub(crate) tls: TlsConnector,
    pub(crate) limits: EgressLimits,
    pub(crate) remembered: Cache,
}

impl Route {
    /// The addresses of the host that may be reached; at least one. Nothing else is dialled.
    pub(crate) async fn addresses(
        &self,
        from: &Workload,
        target: &Target,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let host = target.host.as_str();
        let found = match target.host.address() {
            Some(address) => vec![address],
            None => self.resolve(from.version.tenant, host).await?,
        };
        let mut refusal = Refused::unresolved(host, &ResolveError::NoSuchName);
        let mut allowed = Vec::new();
        for address in found {
            let at = SocketAddr::new(address, target.port);
            match check_address(address, &from.networks) {
                Ok(()) if self.is_own(at) => refusal = Refused::ourselves(host),
                Ok(()) => allowed.push(at),
                Err(kind) => refusal = Refused::address(host, kind),
            }
        }
        // Where there is no route for IPv6, every name would cost a failed connection first.
        allowed.sort_by_key(SocketAddr::is_ipv6);
        allowed.truncate(MAX_TRIED);
        if allowed.is_empty() { Err(refusal) } else { Ok(allowed) }
    }

    async fn resolve(&self, tenant: TenantId, name: &str) -> Result<Vec<IpAddr>, Refused> {
        let now = self.clock.monotonic();
        let answer = match self.remembered.get(tenant, name, now) {
            Some(answer) => answer,
            None => {
                let asked = self.within(self.limits.resolve, self.resolver.resolve(name)).await;
                let answer = asked.unwrap_or(Err(ResolveError::Failed));
                self.remembered.put(tenant, name, &answer, now);
                answer
            }
        };
        answer.map(|resolved| resolved.addresses).map_err(|error| Refused::unresolved(name, &error))
    }

    fn is_own(&self, at: SocketAddr) -> bool {
        self.own.listeners.iter().any(|own| {
            let same =
                own.ip() == at.ip() || (own.ip().is_unspecified() && self.dialer.is_this_machine(at.ip()));
            own.port() == at.port() && same
        })
    }

    /// A connection to one of the addresses, secured where the scheme asks for it.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<Box<dyn Stream>, Refused> {
        let host = target.host.as_str();
        let mut refusal = Refused::late(host, self.limits.connect);
        for address in addresses {
            match self.within(self.limits.connect, self.dialer.dial(*address)).await {
                Some(Ok(stream)) => {
                    return match target.scheme {
                        Scheme::Http => Ok(stream),
                        Scheme::Https => tls::secure(&self.tls, &target.host, stream)
                            .await
                            .map_err(|error| Refused::untrusted(host, &error)),
                    };
                }
                Some(Err(error)) => refusal = Refused::unreachable(host, &error),
                None => {}
            }
        }
        Err(refusal)
    }

    /// The work's result, or `None` when it takes longer than `limit`.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.clock.sleep(limit))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}
