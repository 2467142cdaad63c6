//! Secrets into requests, at the last moment before they leave.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use smcp_core::ports::{SecretSource, Workload};
use smcp_manifest::{InjectRule, Injection, PLACEHOLDER};
use smcp_types::Secret;
use zeroize::Zeroizing;

use crate::refused::Refused;

/// The values of the secrets that a request gets, with their rules.
pub(crate) struct Revealed<'m>(Vec<(&'m InjectRule, Secret<String>)>);

impl<'m> Revealed<'m> {
    /// Asks for the values.
    pub(crate) async fn of(
        rules: &[&'m InjectRule],
        source: &dyn SecretSource,
        from: &Workload,
    ) -> Result<Self, Refused> {
        let mut revealed = Vec::with_capacity(rules.len());
        for rule in rules.iter().copied() {
            let name = &rule.secret;
            match source.reveal(from.version.tenant, from.version.server, name).await {
                Ok(Some(secret)) => revealed.push((rule, secret)),
                Ok(None) => return Err(Refused::no_secret(name, from.manifest.name.as_str())),
                Err(error) => {
                    tracing::error!(
                        tenant.id = %from.version.tenant,
                        server.id = %from.version.server,
                        %error,
                        "a secret could not be read",
                    );
                    return Err(Refused::unreadable_secret(name));
                }
            }
        }
        Ok(Self(revealed))
    }

    /// The values alone.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret<String>> {
        self.0.iter().map(|(_, secret)| secret)
    }

    /// Puts them where their rules say; what hosted code put there goes. A part of an answer could be the half of a
    /// secret that no redaction knows, so a request with a secret asks for no parts and for no encoding.
    pub(crate) fn add_to(
        &self,
        headers: &mut HeaderMap,
        query: &mut Option<String>,
        server: &str,
    ) -> Result<(), Refused> {
        if self.0.is_empty() {
            return Ok(());
        }
        headers.remove(header::RANGE);
        headers.remove(header::IF_RANGE);
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (rule, secret) in &self.0 {
            let (name, value) = match &rule.into {
                Injection::Query { name } => {
                    *query = Some(with_parameter(query.as_deref(), name, secret.expose()));
                    continue;
                }
                Injection::Header { format, name } => {
                    (name.as_str(), Zeroizing::new(format.replace(PLACEHOLDER, secret.expose())))
                }
                Injection::Basic { user } => {
                    let pair = Zeroizing::new(format!("{user}:{}", secret.expose()));
                    let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
                    ("authorization", Zeroizing::new(format!("Basic {}", encoded.as_str())))
                }
            };
            let unfit = || Refused::unfit_secret(&rule.secret, server);
            let name = HeaderName::try_from(name).map_err(|_| unfit())?;
            let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| unfit())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(())
    }
}

/// The query with the parameter at its end, and without others of that name in any spelling.
fn with_parameter(query: Option<&str>, name: &str, value: &str) -> String {
    let others = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut parts: Vec<&str> = others.filter(|pair| !is_named(pair, name)).collect();
    let own = format!("{name}={}", escaped(value));
    parts.push(&own);
    parts.join("&")
}

fn is_named(pair: &str, name: &str) -> bool {
    let written = pair.split('=').next().unwrap_or(pair).as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut read = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, after @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            [..] => None,
        };
        if let Some((high, low)) = escape {
            read.push((high << 4) | low);
            rest = &rest[3..];
        } else {
            read.push(*first);
            rest = after;
        }
    }
    read == name.as_bytes()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_takes_the_place_of_others_of_its_name() {
        for (query, expected) in [
            (None, "key=s%20%26%C3%BC"),
            (Some(""), "key=s%20%26%C3%BC"),
            (Some("a=1&key=own&b"), "a=1&b&key=s%20%26%C3%BC"),
            (Some("k%65y=own&%6B%65%79=own&keys=1&key"), "keys=1&key=s%20%26%C3%BC"),
            (Some("q=key&Key=1&key%=1&"), "q=key&Key=1&key%=1&key=s%20%26%C3%BC"),
        ] {
            assert_eq!(with_parameter(query, "key", "s &ü"), expected, "{query:?}");
        }
    }
}
