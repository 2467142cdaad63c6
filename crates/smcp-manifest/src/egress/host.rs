//! A host in its one spelling: everything that two readers could take for different hosts is refused.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Longest name in the DNS, in characters.
const MAX_NAME: usize = 253;
/// Longest label of one.
const MAX_LABEL: usize = 63;

/// A host as rules and requests name it: a DNS name in lower case without a final dot, or an address in the form that
/// RFC 5952 and dotted decimal give it, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    text: String,
    address: Option<IpAddr>,
}

/// Why a text is no host. A clause that follows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Empty, or longer than a name can be.
    #[error("is no host: a name has 1 to {MAX_NAME} characters")]
    Length,
    /// Outside ASCII.
    #[error("is no host: write an international name in its ASCII form, which starts with xn--")]
    International,
    /// A label that is empty, too long or has characters that no host name has.
    #[error(
        "is no host: a name is made of a-z, 0-9, `-` and `_`, in labels of 1 to {MAX_LABEL} between dots"
    )]
    Label,
    /// A number, but not the address in its usual form.
    #[error("is no host: an address is written like 192.0.2.7 or [2001:db8::7], in no other way")]
    Address,
}

impl Host {
    /// Reads a host. One final dot is taken off a name, and letters become lower case; nothing else is mended.
    ///
    /// # Errors
    /// The text is neither a name nor an address in its canonical form.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if !text.is_ascii() {
            return Err(HostError::International);
        }
        if text.contains(['[', ']', ':']) {
            return six(text);
        }
        if text.is_empty() || text.len() > MAX_NAME + 1 {
            return Err(HostError::Length);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if ends_in_a_number(&name) {
            return four(text);
        }
        if name.len() > MAX_NAME {
            return Err(HostError::Length);
        }
        if !name.split('.').all(label) {
            return Err(HostError::Label);
        }
        Ok(Self { text: name, address: None })
    }

    /// The canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, if the host is one and no name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The canonical form of what a rule says, as far as it has one.
pub(super) fn canonical_pattern(text: &str) -> String {
    let (star, rest) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    Host::parse(rest).map_or_else(|_| text.to_owned(), |host| format!("{star}{host}"))
}

fn label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inner = |byte: u8| plain(byte) || byte == b'-';
    let bytes = label.as_bytes();
    (1..=MAX_LABEL).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && bytes.first().is_some_and(|byte| plain(*byte))
        && bytes.last().is_some_and(|byte| plain(*byte))
}

/// The URL standard's test for what its parsers take as an IPv4 address, in octal, hexadecimal or with parts left out.
/// No name of the public DNS ends so.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    decimal || hexadecimal
}

/// `Ipv4Addr` reads four decimal numbers without leading zeros and nothing else.
fn four(text: &str) -> Result<Host, HostError> {
    let address: Ipv4Addr = text.parse().map_err(|_| HostError::Address)?;
    Ok(Host { text: text.to_owned(), address: Some(address.into()) })
}

fn six(text: &str) -> Result<Host, HostError> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or(HostError::Address)?;
    let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Address)?;
    // One spelling of sixteen bytes: also no zone, no upper case, no zeros that could be left out.
    if address.to_string() != inner {
        return Err(HostError::Address);
    }
    Ok(Host { text: text.to_owned(), address: Some(address.into()) })
}
