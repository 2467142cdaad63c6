//! The text of an API key: `smcp_<tenantId>_<random><checksum>`, recognisable to leak scanners without a look-up.

use smcp_types::{Secret, TenantId, base32};

use crate::ports::Entropy;

const PREFIX: &str = "smcp_";
/// 160 random bits: 32 characters of base32.
const RANDOM_BYTES: usize = 20;
const RANDOM_CHARS: usize = 32;
/// CRC-32 of all before it, in base32: a typing mistake is found without a look-up.
const CHECKSUM_CHARS: usize = 7;

/// A key that has a key's form: the tenant it names and a checksum that fits. Nothing is verified yet.
#[derive(Clone, Copy)]
pub(crate) struct PresentedKey<'a> {
    /// The tenant it names.
    pub(crate) tenant: TenantId,
    /// The whole text, which is what gets hashed.
    pub(crate) text: &'a str,
}

/// Makes a key. It is shown once; only its MAC is stored.
pub(crate) fn generate(tenant: TenantId, entropy: &dyn Entropy) -> Secret<String> {
    let mut random = [0; RANDOM_BYTES];
    entropy.fill(&mut random);
    let mut text = format!("{PREFIX}{tenant}_{}", base32::encode(&random));
    text.push_str(&checksum(&text));
    Secret::new(text)
}

/// Reads a key's form.
pub(crate) fn parse(text: &str) -> Option<PresentedKey<'_>> {
    let (tenant, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    if secret.len() != RANDOM_CHARS + CHECKSUM_CHARS || !secret.is_ascii() {
        return None;
    }
    let (body, sum) = text.split_at(text.len() - CHECKSUM_CHARS);
    (checksum(body) == sum).then_some(())?;
    Some(PresentedKey { tenant: tenant.parse().ok()?, text })
}

fn checksum(text: &str) -> String {
    base32::encode(&crc32fast::hash(text.as_bytes()).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0xa5);
        }
    }

    #[test]
    fn a_key_reads_back_and_every_changed_character_is_found() {
        let tenant = TenantId::from_bytes([3; 16]);
        let key = generate(tenant, &Fixed);
        let text = key.expose();
        assert_eq!(text.len(), 5 + 26 + 1 + 32 + 7);
        assert_eq!(parse(text).unwrap().tenant, tenant);
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'a' { b'b' } else { b'a' };
            assert!(parse(std::str::from_utf8(&bent).unwrap()).is_none(), "character {at}");
        }
        for bad in ["", "smcp_", "smcp__", "smcp_a_b", "Bearer x", &text[1..], &format!("{text}a")] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
