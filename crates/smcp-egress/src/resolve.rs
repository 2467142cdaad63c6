//! Names to addresses: the port, and the resolver of the real world.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::NetError,
};
use smcp_types::{Error, Refusal, Result};

/// Most addresses of one name that are looked at.
const MAX_ADDRESSES: usize = 32;
/// How long one server is waited for, and how often one is asked again.
const PATIENCE: (Duration, usize) = (Duration::from_secs(2), 1);

/// What the DNS says of a name. Nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// In no order, at least one.
    pub addresses: Vec<IpAddr>,
    /// For how long it may be remembered.
    pub ttl: Duration,
}

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name is not there, or has no address.
    #[error("there is no such name")]
    NoSuchName,
    /// Nobody could say.
    #[error("no name server answered")]
    Failed,
}

/// Asks for the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Looks up a name, in lower case and without a final dot, as a full name: nothing is put behind it.
    async fn resolve(&self, name: &str) -> std::result::Result<Resolved, ResolveError>;
}

/// The resolver of the system's name servers.
///
/// # Errors
/// `Unavailable`: the system names no servers.
pub fn system_resolver() -> Result<Box<dyn Resolve>> {
    let builder = TokioResolver::builder_tokio().map_err(unusable)?;
    built(builder)
}

/// The resolver of these name servers.
///
/// # Errors
/// `Unavailable`: it could not be made.
pub fn resolver_of(servers: &[SocketAddr]) -> Result<Box<dyn Resolve>> {
    let servers = servers.iter().map(|server| {
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = server.port();
            connection
        };
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port).into();
        NameServerConfig::new(server.ip(), true, connections)
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    built(TokioResolver::builder_with_config(config, Default::default()))
}

fn built(
    mut builder: hickory_resolver::ResolverBuilder<hickory_resolver::net::runtime::TokioRuntimeProvider>,
) -> Result<Box<dyn Resolve>> {
    let options = builder.options_mut();
    // A cache that tenants share would tell each of them what the others look up: ours is by tenant.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    (options.timeout, options.attempts) = PATIENCE;
    Ok(Box::new(System(builder.build().map_err(unusable)?)))
}

fn unusable(error: NetError) -> Error {
    Error::Unavailable(
        Refusal::new(format!("the system's name servers cannot be used: {error}"))
            .hint("name one in /etc/resolv.conf"),
    )
}

struct System(TokioResolver);

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, name: &str) -> std::result::Result<Resolved, ResolveError> {
        // The final dot keeps the system's search list away.
        let found = self.0.lookup_ip(format!("{name}.")).await.map_err(|error| {
            if error.is_no_records_found() { ResolveError::NoSuchName } else { ResolveError::Failed }
        })?;
        let addresses: Vec<IpAddr> = found.iter().take(MAX_ADDRESSES).collect();
        if addresses.is_empty() {
            return Err(ResolveError::NoSuchName);
        }
        let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
        Ok(Resolved { addresses, ttl: Duration::from_secs(ttl.into()) })
    }
}
