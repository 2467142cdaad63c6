//! Sealing bytes: AES-256-GCM with a key of its own for every record, derived from a ring key (DESIGN 19).

use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag, aead::AeadInPlace as _};
use hkdf::Hkdf;
use sha2::Sha256;
use smcp_types::{Secret, TenantId};
use zeroize::Zeroizing;

use crate::ports::Entropy;

/// The first byte of every ciphertext: this layout.
const FORMAT: u8 = 1;
const SALT_BYTES: usize = 16;
/// Format byte, key id and salt.
pub(crate) const HEAD_BYTES: usize = 1 + 16 + SALT_BYTES;
const TAG_BYTES: usize = 16;

/// 32 bytes of key.
pub(crate) type KeyBytes = Secret<[u8; 32]>;

/// The bytes of a key's id, whatever kind of key it is.
pub(crate) type KeyId = [u8; 16];

/// What a ciphertext belongs to. Bound into it, so that a row moved elsewhere no longer opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belongs<'a> {
    /// What kind of thing is sealed.
    pub(crate) purpose: &'a str,
    /// The tenant, if it is one's.
    pub(crate) tenant: Option<TenantId>,
    /// Where in the tenant: a server, a namespace.
    pub(crate) namespace: &'a str,
    /// Which record.
    pub(crate) key: &'a str,
    /// Which version of the record.
    pub(crate) version: u64,
}

impl Belongs<'_> {
    /// Length-prefixed, so that no two different belongings have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let tenant = self.tenant.map(|t| *t.as_bytes());
        let version = self.version.to_be_bytes();
        let parts: [&[u8]; 5] = [
            self.purpose.as_bytes(),
            tenant.as_ref().map_or(&[], |t| t.as_slice()),
            self.namespace.as_bytes(),
            self.key.as_bytes(),
            &version,
        ];
        let mut out = Vec::with_capacity(64);
        for part in parts {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

/// The bytes are not a ciphertext, or not of this key, or belong elsewhere. Never says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not open")]
pub(crate) struct DoesNotOpen;

/// Encrypts under a fresh record key. Layout: format byte, key id, 16-byte salt, ciphertext with tag.
#[must_use]
pub(crate) fn seal(
    key: &KeyBytes,
    id: KeyId,
    belongs: Belongs<'_>,
    entropy: &dyn Entropy,
    plain: &[u8],
) -> Vec<u8> {
    let mut salt = [0; SALT_BYTES];
    entropy.fill(&mut salt);
    let (cipher, nonce) = record_cipher(key, &salt);
    let mut out = Vec::with_capacity(HEAD_BYTES + plain.len() + TAG_BYTES);
    out.push(FORMAT);
    out.extend_from_slice(&id);
    out.extend_from_slice(&salt);
    out.extend_from_slice(plain);
    let body = &mut out[HEAD_BYTES..];
    match cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), &belongs.bytes(), body) {
        Ok(tag) => out.extend_from_slice(&tag),
        // AES-GCM refuses only messages over 64 GiB, which no caller can hold: a head alone opens for nobody.
        Err(_) => out.truncate(HEAD_BYTES),
    }
    out
}

/// The id of the key a ciphertext was made with.
#[must_use]
pub(crate) fn key_id(sealed: &[u8]) -> Option<KeyId> {
    if sealed.first() != Some(&FORMAT) || sealed.len() < HEAD_BYTES {
        return None;
    }
    sealed[1..17].try_into().ok()
}

/// Decrypts what `seal` made with the same key for the same belonging.
///
/// # Errors
/// `DoesNotOpen` for everything else.
pub(crate) fn open(
    key: &KeyBytes,
    belongs: Belongs<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    key_id(sealed).ok_or(DoesNotOpen)?;
    let (salt, body) = sealed[17..].split_at(SALT_BYTES);
    let (cipher, nonce) = record_cipher(key, salt);
    let (body, tag) = body.split_last_chunk::<TAG_BYTES>().ok_or(DoesNotOpen)?;
    let mut plain = Zeroizing::new(body.to_vec());
    let opened = cipher.decrypt_in_place_detached(
        Nonce::from_slice(&nonce),
        &belongs.bytes(),
        &mut plain,
        Tag::from_slice(tag),
    );
    opened.map(|()| plain).map_err(|_| DoesNotOpen)
}

/// A purpose's own key under another: HKDF-SHA-256 (RFC 5869) with the purpose as `info`.
#[must_use]
pub(crate) fn derive(key: &KeyBytes, purpose: &str) -> KeyBytes {
    let mut out = [0; 32];
    expand(key, &[], purpose.as_bytes(), &mut out);
    Secret::new(out)
}

/// The salt makes key and nonce unique together, so the nonce needs no randomness of its own.
fn record_cipher(key: &KeyBytes, salt: &[u8]) -> (Aes256Gcm, [u8; 12]) {
    let mut material = Zeroizing::new([0; 44]);
    expand(key, salt, b"smcp record v1", material.as_mut());
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&material[32..]);
    (Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&material[..32])), nonce)
}

fn expand(key: &KeyBytes, salt: &[u8], info: &[u8], out: &mut [u8]) {
    // Only lengths above 255 hashes fail; ours are 32 and 44 bytes.
    let expanded = Hkdf::<Sha256>::new(Some(salt), key.expose()).expand(info, out);
    debug_assert!(expanded.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);
    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn belongs<'a>(namespace: &'a str, key: &'a str) -> Belongs<'a> {
        Belongs { purpose: "test", tenant: Some(TenantId::from_bytes([1; 16])), namespace, key, version: 1 }
    }

    #[test]
    fn opens_only_where_it_belongs_and_only_whole() {
        let key = Secret::new([7; 32]);
        let id = [9; 16];
        let entropy = Counting(0.into());
        let sealed = seal(&key, id, belongs("a", "bc"), &entropy, b"hello");
        assert_eq!(key_id(&sealed), Some(id));
        assert_eq!(open(&key, belongs("a", "bc"), &sealed).unwrap().as_slice(), b"hello");
        assert_eq!(open(&key, belongs("ab", "c"), &sealed), Err(DoesNotOpen), "moved to another row");
        assert_eq!(open(&Secret::new([8; 32]), belongs("a", "bc"), &sealed), Err(DoesNotOpen), "another key");
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            // The key id is not under the tag: it chooses the key, and another key does not open.
            let chosen = key_id(&bent) == Some(id);
            assert!(!chosen || open(&key, belongs("a", "bc"), &bent).is_err(), "byte {at}");
            assert_eq!(open(&key, belongs("a", "bc"), &sealed[..at]), Err(DoesNotOpen));
        }
    }

    #[test]
    fn equal_plain_texts_look_different() {
        let (key, id, entropy) = (Secret::new([7; 32]), [9; 16], Counting(0.into()));
        let one = seal(&key, id, belongs("a", "b"), &entropy, b"hello");
        assert_ne!(one, seal(&key, id, belongs("a", "b"), &entropy, b"hello"));
    }
}
