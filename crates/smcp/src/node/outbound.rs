//! The way out of hosted code, put together: names, connections, certificates, secrets, and what is our own.

use std::{net::SocketAddr, sync::Arc};

use smcp_core::{
    caller::{CallerTokens, OwnKeys},
    keyring::Keyring,
    ports::{Clock, Entropy, LogSink, Outbound, SecretSource},
    settings::Settings,
};
use smcp_egress::{Egress, EgressLimits, EgressParts, Own, Roots, TcpDialer, resolver_of, system_resolver};
use smcp_types::Result;

/// What it stands on.
pub(super) struct Needs<'a> {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) logs: Arc<dyn LogSink>,
    pub(super) ring: Arc<Keyring>,
    pub(super) secrets: Arc<dyn SecretSource>,
    pub(super) settings: &'a Settings,
    /// Where we listen.
    pub(super) address: SocketAddr,
}

/// The way out, with the key set of caller tokens on it.
///
/// # Errors
/// When certificates cannot be loaded.
pub(super) fn open(needs: Needs<'_>) -> Result<Arc<dyn Outbound>> {
    let Needs { clock, entropy, logs, ring, secrets, settings, address } = needs;
    let resolver = match system_resolver() {
        Ok(resolver) => resolver,
        Err(error) => {
            // Calls go on: addresses can still be reached, and a name says that nobody could resolve it.
            tracing::warn!(%error, "this system names no name servers: hosted code cannot reach hosts by name");
            resolver_of(&[])?
        }
    };
    let egress = Egress::new(EgressParts {
        clock: Arc::clone(&clock),
        logs,
        secrets,
        resolver,
        dialer: Box::new(TcpDialer),
        own: Own { listeners: vec![address], names: vec![own_host(settings.external_url.authority())] },
        roots: Roots::system(None)?,
        limits: EgressLimits::default(),
    })?;
    let callers = CallerTokens::new(ring, clock, entropy, settings);
    Ok(Arc::new(OwnKeys::new(Arc::new(callers), Arc::new(egress))))
}

/// The host of our own origin, without its port.
fn own_host(authority: &str) -> String {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host.to_owned(),
        Some(_) | None => authority.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_host() {
        for (authority, host) in [
            ("localhost:8787", "localhost"),
            ("mcp.example.com", "mcp.example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(own_host(authority), host);
        }
    }
}
