//! The rules of egress sections: value by value, and what they must be together.

use super::{DEFAULT_EGRESS_PORT, EgressRule, EgressRules, Host, InjectRule, Injection, PLACEHOLDER, path};
use crate::rules::{Rule, demand};

/// Most rules in `egress.allow`, and most in `egress.inject`.
const MAX_RULES: usize = 64;
/// Most ports, and most methods, of one rule.
const MAX_LISTED: usize = 16;
/// Longest name of a method, in characters.
const MAX_METHOD: usize = 20;
/// Longest path prefix, name or format, in characters.
const MAX_TEXT: usize = 256;
/// Longest name of a secret, in characters.
const MAX_SECRET_NAME: usize = 128;

/// Methods that no rule lets out: a tunnel is past every check, and an echo gives back what was added.
pub(super) const NEVER: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// The Fetch standard's "bad ports": a request there is a message in another protocol.
pub(super) const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Headers that frame a message, route it, or that the platform sets when it adds a secret.
const NOT_FOR_SECRETS: [&str; 20] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "traceparent",
];

/// A rule that a section breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    /// The key, like `egress.allow[0].ports`.
    pub path: String,
    /// A clause that follows it.
    pub rule: String,
}

impl EgressRules {
    /// Checks everything, also that it is in its one spelling.
    ///
    /// # Errors
    /// The first value that breaks a rule.
    pub fn validate(&self) -> Result<(), BrokenRule> {
        let at = |path: &str, rule: Rule| rule.map_err(|rule| BrokenRule { path: path.to_owned(), rule });
        at("egress.allow", count(self.allow.len(), MAX_RULES, "rules"))?;
        at("egress.inject", count(self.inject.len(), MAX_RULES, "rules"))?;
        for (index, rule) in self.allow.iter().enumerate() {
            let path = |key: &str| format!("egress.allow[{index}].{key}");
            at(&path("host"), rule_host(&rule.host))?;
            at(&path("ports"), ports(&rule.ports))?;
            at(&path("methods"), methods(&rule.methods))?;
        }
        for (index, rule) in self.inject.iter().enumerate() {
            let path = |key: &str| format!("egress.inject[{index}].{key}");
            at(&path("host"), inject_host(&rule.host))?;
            at(&path("host"), self.covers(rule))?;
            at(&path("port"), port(rule.port))?;
            at(&path("methods"), methods(&rule.methods))?;
            at(&path("path_prefix"), path_prefix(&rule.path_prefix))?;
            at(&path("secret"), secret_name(&rule.secret))?;
            at(&path("into"), rule.into.check())?;
        }
        Ok(())
    }

    /// A secret for a host that no request may go to is a mistake of the author.
    pub(crate) fn covers(&self, inject: &InjectRule) -> Rule {
        let InjectRule { host, port, .. } = inject;
        let covers = |rule: &EgressRule| {
            rule.has_port(*port) && Host::parse(host).is_ok_and(|host| rule.is_about(&host))
        };
        let line = if *port == DEFAULT_EGRESS_PORT {
            format!("\"{host}\"")
        } else {
            format!("{{ host = \"{host}\", ports = [{port}] }}")
        };
        demand(
            self.allow.iter().any(covers),
            format!("is not where requests may go: add {line} to egress.allow"),
        )
    }
}

impl Injection {
    fn check(&self) -> Rule {
        match self {
            Self::Basic { user } => basic_user(user),
            Self::Header { format, name } => header_name(name).and_then(|()| header_format(format)),
            Self::Query { name } => query_name(name),
        }
    }
}

fn count(count: usize, most: usize, what: &str) -> Rule {
    demand(count <= most, format!("must have at most {most} {what}"))
}

fn ascending<T: Ord>(items: &[T]) -> Rule {
    demand(items.is_sorted_by(|before, after| before < after), "must be sorted, each entry once")
}

/// The host of an `allow` rule.
pub(crate) fn rule_host(text: &str) -> Rule {
    demand(text != "*", "must name hosts: `*` alone would be every host")?;
    let Some(below) = text.strip_prefix("*.") else {
        return plain_host(text);
    };
    plain_host(below)?;
    let name = Host::parse(below).is_ok_and(|host| host.address().is_none());
    demand(name && below.contains('.'), "must have at least two labels after `*.`, like \"*.example.com\"")
}

/// The host of an `inject` rule.
pub(crate) fn inject_host(text: &str) -> Rule {
    demand(!text.contains('*'), "must be one host: a secret goes to no host that is not named in full")?;
    plain_host(text)?;
    let name = Host::parse(text).is_ok_and(|host| host.address().is_none());
    demand(name, "must be a name: the certificate of the other side is checked against it")
}

fn plain_host(text: &str) -> Rule {
    demand(!text.contains("://"), "must be a host alone, without `https://`")?;
    let host = Host::parse(text).map_err(|why| why.to_string())?;
    demand(host.as_str() == text, format!("must be written \"{host}\""))
}

/// One port.
pub(crate) fn port(port: u16) -> Rule {
    demand(!BAD_PORTS.contains(&port), format!("must not have port {port}: it belongs to another protocol"))
}

fn ports(ports: &[u16]) -> Rule {
    count(ports.len(), MAX_LISTED, "ports")?;
    ports.iter().try_for_each(|number| port(*number))?;
    ascending(ports)
}

/// One method, upper case.
pub(crate) fn method(method: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    let fine = (1..=MAX_METHOD).contains(&method.len()) && method.bytes().all(plain);
    demand(fine, "must have methods in upper case, like \"GET\"")?;
    demand(!NEVER.contains(&method), format!("must not have {method}: it is never let out"))
}

fn methods(methods: &[String]) -> Rule {
    count(methods.len(), MAX_LISTED, "methods")?;
    methods.iter().try_for_each(|name| method(name))?;
    ascending(methods)
}

/// What a path must start with for the secret to be added.
pub(crate) fn path_prefix(text: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte);
    demand(
        text.len() <= MAX_TEXT && text.starts_with('/') && text.bytes().all(plain) && path::is_plain(text),
        "must be a path like \"/v1/\", without escapes and without empty, `.` or `..` segments",
    )
}

/// The name of a secret: one that a plain binding could have as well.
pub(crate) fn secret_name(name: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fine = (1..=MAX_SECRET_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(|char: char| char.is_ascii_digit());
    demand(fine, "must be the name of a secret, made of a-z, A-Z, 0-9 and `_`, like \"API_TOKEN\"")
}

/// The name of the header a secret goes into, lower case.
pub(crate) fn header_name(name: &str) -> Rule {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$&'*+-.^_`|~".contains(&byte);
    let fine = (1..=MAX_TEXT).contains(&name.len()) && name.bytes().all(plain);
    demand(fine, "must be the name of a header in lower case, like \"authorization\"")?;
    let own = ["x-smcp-", "cf-", "proxy-", "sec-"].iter().any(|prefix| name.starts_with(prefix));
    demand(
        !own && !NOT_FOR_SECRETS.contains(&name),
        format!("must not be `{name}`: it frames or routes the request, or is the platform's"),
    )
}

/// The value of that header, with a place for the secret.
pub(crate) fn header_format(format: &str) -> Rule {
    let plain =
        format.len() <= MAX_TEXT && format.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let trimmed = format.trim() == format;
    demand(
        plain && trimmed && format.matches(PLACEHOLDER).count() == 1,
        format!(
            "must be a header's value with `{PLACEHOLDER}` once, where the secret goes, like \"Bearer {PLACEHOLDER}\""
        ),
    )
}

/// The name of a query parameter.
pub(crate) fn query_name(name: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    demand(
        (1..=MAX_TEXT).contains(&name.len()) && name.bytes().all(plain),
        "must be the name of a query parameter, made of a-z, A-Z, 0-9 and -._~",
    )
}

/// The user of basic authentication.
pub(crate) fn basic_user(user: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    demand(
        user.len() <= MAX_TEXT && user.bytes().all(plain),
        "must be a user's name of visible ASCII characters without `:`",
    )
}
