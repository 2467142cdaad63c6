//! Who calls, told to hosted code: a token for one caller and one server, signed with keys of its own.

mod own_keys;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signer as _, SigningKey};
use http::HeaderName;
use serde_json::json;
use smcp_types::{Result, RingKeyId, Secret, ServerId, Slug, UnixMillis};

use crate::{
    identity::VerifiedCaller,
    keyring::Keyring,
    memory::Memory,
    ports::{Clock, Entropy, RingPurpose, ServerRecord},
    settings::Settings,
};

pub use own_keys::OwnKeys;

/// The header that carries the token. Clients cannot send it: none of their headers passes but those of an allowlist.
pub const CALLER_HEADER: HeaderName = HeaderName::from_static("smcp-caller");
/// The header that carries the id of the request.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("smcp-request-id");
/// The path of the key set, below our origin.
pub const JWKS_PATH: &str = "/identity/jwks.json";
/// The content type of the key set (RFC 7517, section 8.5).
pub const JWKS_TYPE: &str = "application/jwk-set+json";
/// The path of the issuer. Not our origin itself, which will issue tokens that the platform does accept.
const ISSUER_PATH: &str = "/identity";
/// The type of the token: no verifier of another kind of token takes it for its own (RFC 8725, section 3.11).
const TYPE: &str = "smcp-caller+jwt";
/// How long a token is valid.
const LIFE: Duration = Duration::from_secs(60);
/// How long one is given out: what hosted code gets is good for half a minute more.
const REUSE: Duration = Duration::from_secs(30);
/// Tokens kept in memory.
const MEMORY: usize = 20_000;

/// Signs what hosted code is told about its callers.
pub struct CallerTokens {
    ring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    origin: String,
    jwks: Bytes,
    signed: Memory<([u8; 16], ServerId), Signed>,
}

#[derive(Clone)]
struct Signed {
    caller: Arc<VerifiedCaller>,
    at: UnixMillis,
    token: Arc<str>,
}

impl CallerTokens {
    /// Over the keys of the ring.
    pub fn new(
        ring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: &Settings,
    ) -> Self {
        let origin = settings.external_url.origin();
        let jwks = jwks(&ring).into();
        Self { ring, clock, entropy, origin, jwks, signed: Memory::new(MEMORY) }
    }

    /// A token that tells this server who calls; the same one for half a minute.
    pub(crate) fn token(
        &self,
        caller: &Arc<VerifiedCaller>,
        tenant: &Slug,
        server: &ServerRecord,
    ) -> Result<Arc<str>> {
        let (now, place) = (self.clock.now(), (caller.fingerprint(), server.id));
        if let Some(known) = self.signed.get(&place)
            && known.caller == *caller
            && known.at <= now
            && now.since(known.at) < REUSE
        {
            return Ok(known.token);
        }
        let audience = format!("{}/t/{tenant}/{}", self.origin, server.slug);
        let token: Arc<str> = self.sign(caller, &audience, now)?.into();
        let signed = Signed { caller: Arc::clone(caller), at: now, token: Arc::clone(&token) };
        self.signed.fill(self.signed.epoch(), place, signed);
        Ok(token)
    }

    /// JWS in its compact form (RFC 7515), EdDSA (RFC 8037).
    fn sign(&self, caller: &VerifiedCaller, audience: &str, now: UnixMillis) -> Result<String> {
        let (id, key) = self.ring.current(RingPurpose::CallerSigning)?;
        let mut jti = [0; 16];
        self.entropy.fill(&mut jti);
        let seconds = now.0.div_euclid(1000);
        let header = json!({ "alg": "EdDSA", "typ": TYPE, "kid": id.to_string() });
        let roles: Vec<&str> = caller.roles().iter().map(|role| role.as_str()).collect();
        let claims = json!({
            "iss": format!("{}{ISSUER_PATH}", self.origin),
            "aud": audience,
            "sub": caller.principal(),
            "tenant": caller.tenant(),
            "roles": roles,
            // Of credentials that have any: an API key has roles alone.
            "scopes": [],
            // An API key is its own client; its id is the lineage, which rotation does not change.
            "client_id": caller.principal(),
            "iat": seconds,
            "exp": seconds.saturating_add(i64::try_from(LIFE.as_secs()).unwrap_or(0)),
            "jti": HEXLOWER.encode(&jti),
        });
        let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = SigningKey::from_bytes(key.expose()).sign(signed.as_bytes());
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes())))
    }

    /// The public keys that verify the tokens: a JWK Set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.jwks.clone()
    }
}

/// The public halves of all signing keys, the active one first.
fn jwks(ring: &Keyring) -> String {
    let public = |(id, key): (RingKeyId, &Secret<[u8; 32]>)| {
        let public = SigningKey::from_bytes(key.expose()).verifying_key();
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": BASE64URL_NOPAD.encode(public.as_bytes()),
            "kid": id.to_string(),
            "alg": "EdDSA",
            "use": "sig",
        })
    };
    let keys: Vec<_> = ring.all_of(RingPurpose::CallerSigning).into_iter().map(public).collect();
    json!({ "keys": keys }).to_string()
}
