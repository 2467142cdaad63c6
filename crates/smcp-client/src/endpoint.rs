//! Where the platform is: an origin that a key may be sent to.

use std::{fmt, net::IpAddr, str::FromStr};

use ureq::http::Uri;

/// The origin of a platform. Always `https`, except on this machine: a key never crosses a network in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    origin: String,
    is_loopback: bool,
}

/// Why a text is no endpoint. Says what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL with a scheme and a host.
    #[error("is not a URL such as https://smcp.example.com")]
    NotUrl,
    /// More than an origin.
    #[error("has more than scheme, host and port: a path, a query or a user name")]
    NotOrigin,
    /// `http` to another machine.
    #[error(
        "would send the key over the network in the clear: use https:// (http:// is for this machine alone)"
    )]
    Clear,
}

impl Endpoint {
    /// The origin, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri: Uri = text.parse().map_err(|_| EndpointError::NotUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(EndpointError::NotUrl);
        };
        if authority.host().is_empty() || !matches!(scheme, "http" | "https") {
            return Err(EndpointError::NotUrl);
        }
        // The parser drops a fragment without a word.
        if uri.path() != "/"
            || uri.query().is_some()
            || authority.as_str().contains('@')
            || text.contains('#')
        {
            return Err(EndpointError::NotOrigin);
        }
        let is_loopback = is_loopback(authority.host());
        if scheme == "http" && !is_loopback {
            return Err(EndpointError::Clear);
        }
        let authority = authority.as_str().to_ascii_lowercase();
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        Ok(Self { origin: format!("{scheme}://{authority}"), is_loopback })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_origin_that_a_key_may_go_to() {
        for (text, origin, loopback) in [
            ("http://localhost:8787", "http://localhost:8787", true),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1", true),
            ("http://[::1]:8787", "http://[::1]:8787", true),
            ("https://SMCP.example.com:443", "https://smcp.example.com", false),
            ("https://smcp.example.com:8443", "https://smcp.example.com:8443", false),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.as_str(), endpoint.is_loopback()), (origin, loopback));
        }
        use EndpointError::{Clear, NotOrigin, NotUrl};
        for (text, why) in [
            ("", NotUrl),
            ("localhost:8787", NotUrl),
            ("/api", NotUrl),
            ("ftp://a", NotUrl),
            ("https://", NotUrl),
            ("https://a/b", NotOrigin),
            ("https://a/?q", NotOrigin),
            ("https://a/#f", NotOrigin),
            ("https://u:p@a", NotOrigin),
            ("http://example.com", Clear),
            ("http://localhost.example.com", Clear),
            ("http://10.0.0.1", Clear),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(why), "{text}");
        }
    }
}
