//! Where a request is to go, read from its request line alone.

use http::Uri;
use smcp_manifest::{Host, HostError, Scheme};

/// The target of a request. Its parts are in their one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How it travels.
    pub scheme: Scheme,
    /// Where to.
    pub host: Host,
    /// To which port.
    pub port: u16,
    /// As sent; begins with `/`.
    pub path: String,
    /// As sent, without its `?`.
    pub query: Option<String>,
}

/// Why a request line names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No scheme or no host.
    #[error("the URL must be absolute, with a host")]
    Relative,
    /// Neither http nor https.
    #[error("only http and https URLs can be requested")]
    Scheme,
    /// A user or password before the host.
    #[error("the URL must not name a user: send credentials in a header")]
    User,
    /// No port number as everybody writes it.
    #[error("the URL's port must be a number from 1 to 65535")]
    Port,
    /// The host has no one meaning.
    #[error("the URL's host {0}")]
    Host(HostError),
}

impl Target {
    /// Reads a target in absolute form. `http::Uri` is lenient: it takes a port that is no number for none at all.
    ///
    /// # Errors
    /// What could be read in two ways, or in none.
    pub fn parse(uri: &Uri) -> Result<Self, TargetError> {
        let authority = uri.authority().ok_or(TargetError::Relative)?.as_str();
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(TargetError::Scheme),
            None => return Err(TargetError::Relative),
        };
        if authority.contains('@') {
            return Err(TargetError::User);
        }
        let (host, port) = match authority.rfind(':') {
            // A colon inside of brackets is the address's own.
            Some(at) if !authority.ends_with(']') => (&authority[..at], number(&authority[at + 1..])?),
            Some(_) | None => (authority, scheme.default_port()),
        };
        let host = Host::parse(host).map_err(TargetError::Host)?;
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        if !path.starts_with('/') {
            return Err(TargetError::Relative);
        }
        Ok(Self { scheme, host, port, path: path.to_owned(), query: uri.query().map(str::to_owned) })
    }

    /// Host and port as a `Host` header has them.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { scheme, host, port, .. } = self;
        if *port == scheme.default_port() { host.to_string() } else { format!("{host}:{port}") }
    }
}

/// A port in its one spelling.
fn number(text: &str) -> Result<u16, TargetError> {
    let port: u16 = text.parse().map_err(|_| TargetError::Port)?;
    if port == 0 || port.to_string() != text { Err(TargetError::Port) } else { Ok(port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(&text.parse::<Uri>().unwrap())
    }

    #[test]
    fn targets() {
        let target = parse("https://API.example.com:8443/v1?q=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("api.example.com", 8443));
        assert_eq!((target.path.as_str(), target.query.as_deref()), ("/v1", Some("q=1")));
        assert_eq!(target.authority(), "api.example.com:8443");
        let target = parse("http://[2001:db8::1]").unwrap();
        assert_eq!(
            (target.authority(), target.port, target.path.as_str()),
            ("[2001:db8::1]".into(), 80, "/")
        );
        assert_eq!(parse("https://a.example:443/").unwrap().authority(), "a.example");
        assert_eq!(parse("http://[::1]:8080/").unwrap().port, 8080);
    }

    #[test]
    fn what_is_no_target() {
        for (text, why) in [
            ("/path", TargetError::Relative),
            ("*", TargetError::Relative),
            ("a.example:443", TargetError::Relative),
            ("ftp://a.example/", TargetError::Scheme),
            ("ws://a.example/", TargetError::Scheme),
            ("https://user@a.example/", TargetError::User),
            ("https://a.example:b@evil.example/", TargetError::User),
            ("https://a.example:/", TargetError::Port),
            ("https://a.example:0/", TargetError::Port),
            ("https://a.example:0443/", TargetError::Port),
            ("https://a.example:65536/", TargetError::Port),
            ("https://a.example:99999999999/", TargetError::Port),
            ("https://0x7f.1/", TargetError::Host(HostError::Address)),
            ("https://127.0.0.1./", TargetError::Host(HostError::Address)),
            ("https://a..b/", TargetError::Host(HostError::Label)),
            ("https://a%2eb/", TargetError::Host(HostError::Label)),
        ] {
            match text.parse::<Uri>() {
                Ok(uri) => assert_eq!(Target::parse(&uri), Err(why), "{text}"),
                Err(_) => assert!(["https://a%2eb/"].contains(&text), "{text} does not even parse"),
            }
        }
    }
}
