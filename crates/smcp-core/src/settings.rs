//! What an operator decides, checked: the one external origin and the origins browsers may call from.

use std::{str::FromStr, sync::Arc};

use ipnet::IpNet;
use smcp_types::{Error, Refusal, Result, Slug};

/// The origin the world reaches the platform under: scheme, host, port, no path. The only source of links, of our own
/// `Origin` and of the `Host` we answer to; never a request's own headers (DESIGN 17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    scheme: &'static str,
    authority: String,
}

impl ExternalUrl {
    /// Reads an origin: `https://mcp.example.com`, or `http` for a loopback host.
    ///
    /// # Errors
    /// `Invalid`: not an origin, or plain http for a host that is not loopback.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::Invalid(
                Refusal::new(format!("external_url `{text}`: {why}"))
                    .hint("give an origin such as https://mcp.example.com"),
            )
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let authority = authority.strip_suffix('/').unwrap_or(authority).to_ascii_lowercase();
        let parsed: http::uri::Authority =
            authority.parse().map_err(|_| wrong("not a host with an optional port"))?;
        if authority.contains('@') || parsed.host().is_empty() {
            return Err(wrong("not a host with an optional port"));
        }
        match scheme {
            "https" => Ok(Self { scheme: "https", authority: without_port(authority, ":443") }),
            "http" if is_loopback(parsed.host()) => {
                Ok(Self { scheme: "http", authority: without_port(authority, ":80") })
            }
            "http" => Err(wrong("plain http is for loopback hosts alone")),
            _ => Err(wrong("the scheme is https")),
        }
    }

    /// The origin as text, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Host and port as they stand in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether a `Host` header names us. On loopback, 127.0.0.1, [::1] and localhost with our port are the same place.
    #[must_use]
    pub fn answers_to(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if host == self.authority {
            return true;
        }
        let ((ours, our_port), (theirs, their_port)) = (split_port(&self.authority), split_port(&host));
        is_loopback(ours) && is_loopback(theirs) && our_port == their_port
    }

    /// Whether an `Origin` header is our own, by the same rule.
    #[must_use]
    pub fn is_own_origin(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, host)| scheme == self.scheme && self.answers_to(host))
    }
}

fn without_port(authority: String, default: &str) -> String {
    authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority)
}

fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// The settings the use cases need.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our origin.
    pub external_url: ExternalUrl,
    /// Other origins whose pages may call us.
    pub allowed_origins: Vec<String>,
    /// Networks that are not public and that single servers may reach all the same.
    pub networks: Vec<OpenedNetwork>,
}

/// A network that is opened to one server. The server still has to name, in its manifest, the hosts it calls there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedNetwork {
    /// The server's tenant.
    pub tenant: Slug,
    /// The server.
    pub server: Slug,
    /// The addresses.
    pub network: IpNet,
}

impl FromStr for OpenedNetwork {
    type Err = String;

    /// Reads `tenant/server=10.1.0.0/16`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("must be written tenant/server=10.1.0.0/16: {text:?}");
        let (name, network) = text.split_once('=').ok_or_else(wrong)?;
        let (tenant, server) = name.split_once('/').ok_or_else(wrong)?;
        Ok(Self {
            tenant: tenant.parse().map_err(|_| wrong())?,
            server: server.parse().map_err(|_| wrong())?,
            network: network.parse().map_err(|_| wrong())?,
        })
    }
}

impl Settings {
    /// The networks that are opened to a server.
    pub(crate) fn networks_of(&self, tenant: &Slug, server: &Slug) -> Arc<[IpNet]> {
        let opened =
            self.networks.iter().filter(|opened| opened.tenant == *tenant && opened.server == *server);
        opened.map(|opened| opened.network).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_urls() {
        for (text, origin) in [
            ("https://mcp.example.com", "https://mcp.example.com"),
            ("https://MCP.example.com:443/", "https://mcp.example.com"),
            ("https://mcp.example.com:8443", "https://mcp.example.com:8443"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(ExternalUrl::parse(text).unwrap().origin(), origin);
        }
        for bad in [
            "",
            "localhost",
            "http://example.com",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://a b",
        ] {
            assert!(ExternalUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_opened_to_one_server_of_one_tenant() {
        let opened: OpenedNetwork = "acme/notes=10.1.0.0/16".parse().unwrap();
        let settings = Settings {
            external_url: ExternalUrl::parse("http://localhost:8787").unwrap(),
            allowed_origins: Vec::new(),
            networks: vec![opened],
        };
        let count = |tenant: &str, server: &str| {
            settings.networks_of(&tenant.parse().unwrap(), &server.parse().unwrap()).len()
        };
        assert_eq!((count("acme", "notes"), count("acme", "other"), count("other", "notes")), (1, 0, 0));
        for bad in [
            "",
            "10.0.0.0/8",
            "acme=10.0.0.0/8",
            "acme/notes",
            "acme/notes=10.0.0.1",
            "a/b=10.0.0.0/33",
            "a/b/c=::/0",
        ] {
            assert!(bad.parse::<OpenedNetwork>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_and_origins() {
        let local = ExternalUrl::parse("http://localhost:8787").unwrap();
        for host in ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST:8787"] {
            assert!(local.answers_to(host), "{host}");
            assert!(local.is_own_origin(&format!("http://{host}")), "{host}");
        }
        for host in
            ["localhost", "localhost:80", "evil.example.com:8787", "localhost.evil.example:8787", "", ":8787"]
        {
            assert!(!local.answers_to(host), "{host}");
        }
        assert!(!local.is_own_origin("https://localhost:8787") && !local.is_own_origin("null"));
        let public = ExternalUrl::parse("https://mcp.example.com").unwrap();
        assert!(public.answers_to("mcp.example.com") && !public.answers_to("127.0.0.1"));
    }
}
