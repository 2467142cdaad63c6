//! Whether the rules let a request out, and which secrets it gets.

use std::fmt;

use super::{
    DEFAULT_EGRESS_PORT, EgressRule, EgressRules, Host, InjectRule, Injection, check::BAD_PORTS, path,
};

/// How a request travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The port of a URL that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// As sent: methods have one case.
    pub method: &'a str,
    /// How it travels.
    pub scheme: Scheme,
    /// Where to.
    pub host: &'a Host,
    /// To which port, whether the URL names it or not.
    pub port: u16,
    /// The path of the URL as sent, without its query.
    pub path: &'a str,
}

/// What the rules say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may go.
    Allowed,
    /// No rule is about the host.
    Host,
    /// The host has rules, none with the port.
    Port,
    /// Plain http to 443, where nothing reads it.
    Plain,
    /// Host and port have rules, none with the method.
    Method,
}

/// A path that servers read differently, where its prefix decides on a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path could be read in more than one way, and decides on a secret: send it without `.`, `..` and empty segments and without backslashes, encoded or not"
)]
pub struct PathError;

impl EgressRules {
    /// Whether a request may go out, as far as its name says: addresses are looked at where they are known.
    #[must_use]
    pub fn allows(&self, request: &Outgoing<'_>) -> Decision {
        let host: Vec<&EgressRule> = self.allow.iter().filter(|rule| rule.is_about(request.host)).collect();
        if host.is_empty() {
            return Decision::Host;
        }
        if request.scheme == Scheme::Http && request.port == DEFAULT_EGRESS_PORT {
            return Decision::Plain;
        }
        let mut port = host.into_iter().filter(|rule| rule.has_port(request.port)).peekable();
        if port.peek().is_none() {
            return Decision::Port;
        }
        if port.any(|rule| has_method(&rule.methods, request.method)) {
            return Decision::Allowed;
        }
        Decision::Method
    }

    /// The secrets a request gets: over https only, and for each place the first rule that fits.
    ///
    /// # Errors
    /// A rule fits the path as written, but some servers would read another path there.
    pub fn injections(&self, request: &Outgoing<'_>) -> Result<Vec<&InjectRule>, PathError> {
        let mut found: Vec<&InjectRule> = Vec::new();
        for rule in self.inject.iter().filter(|rule| rule.fits(request)) {
            if rule.path_prefix != "/" && !path::is_plain(request.path) {
                return Err(PathError);
            }
            if !found.iter().any(|before| before.into.place() == rule.into.place()) {
                found.push(rule);
            }
        }
        Ok(found)
    }
}

impl Decision {
    /// What the author of the manifest does so that the request may go; `None` when it may.
    #[must_use]
    pub fn advice(self, request: &Outgoing<'_>) -> Option<String> {
        let Outgoing { method, host, port, .. } = request;
        match self {
            Self::Allowed => None,
            Self::Host if *port == DEFAULT_EGRESS_PORT && request.scheme == Scheme::Https => {
                Some(format!("add \"{host}\" to egress.allow in smcp.toml"))
            }
            Self::Host | Self::Port if BAD_PORTS.contains(port) => Some(format!(
                "no rule of egress.allow lets requests out to port {port}, where another protocol is spoken"
            )),
            Self::Plain => Some(format!("use https for {host}: nothing reads plain http at port {port}")),
            Self::Host | Self::Port => {
                Some(format!("add {{ host = \"{host}\", ports = [{port}] }} to egress.allow in smcp.toml"))
            }
            Self::Method => {
                Some(format!("add {method:?} to the methods of \"{host}\" in egress.allow in smcp.toml"))
            }
        }
    }
}

impl EgressRule {
    /// Whether it is about the host, itself or as one below `*.`. An address is below nothing.
    pub(super) fn is_about(&self, host: &Host) -> bool {
        let text = host.as_str();
        match self.host.strip_prefix('*') {
            Some(suffix) => {
                host.address().is_none()
                    && text.len() > suffix.len()
                    && suffix.len() > 1
                    && text.ends_with(suffix)
            }
            None => text == self.host,
        }
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        if self.ports.is_empty() { port == DEFAULT_EGRESS_PORT } else { self.ports.contains(&port) }
    }
}

impl InjectRule {
    fn fits(&self, request: &Outgoing<'_>) -> bool {
        request.scheme == Scheme::Https
            && request.host.address().is_none()
            && request.host.as_str() == self.host
            && request.port == self.port
            && has_method(&self.methods, request.method)
            && path::within(&self.path_prefix, request.path)
    }
}

/// A place in a request that one secret takes.
#[derive(PartialEq, Eq)]
enum Place<'a> {
    Header(&'a str),
    Query(&'a str),
}

impl Injection {
    fn place(&self) -> Place<'_> {
        match self {
            Self::Basic { .. } => Place::Header("authorization"),
            Self::Header { name, .. } => Place::Header(name),
            Self::Query { name } => Place::Query(name),
        }
    }
}

/// None listed is all, but for those that no request gets through with.
fn has_method(methods: &[String], method: &str) -> bool {
    if methods.is_empty() {
        return !super::check::NEVER.contains(&method.to_ascii_uppercase().as_str());
    }
    methods.iter().any(|listed| listed == method)
}
