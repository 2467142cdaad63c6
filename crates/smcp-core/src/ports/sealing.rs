//! Ports of encryption at rest: what is sealed, who seals it, and how what is sealed moves to a newer key.

use async_trait::async_trait;
use smcp_types::{DataKeyId, MasterKeyId, Result, TenantId};
use zeroize::Zeroizing;

use crate::master::MasterKey;

/// What kind of thing is sealed. Its name is bound into the ciphertext: it never changes once something is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A secret of the tenant.
    Secret,
    /// A value in a KV namespace.
    KvValue,
    /// The metadata of a value in a KV namespace.
    KvMetadata,
    /// A piece of an object's content.
    ObjectChunk,
    /// What is stored about an object: its headers, its custom metadata.
    ObjectMetadata,
    /// The bundle of a version: the hosted code.
    Bundle,
    /// A compiled workerd configuration: the hosted code again.
    CompiledConfig,
    /// An event of a stream that a client may come back to.
    StreamEvent,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Secret,
        Self::KvValue,
        Self::KvMetadata,
        Self::ObjectChunk,
        Self::ObjectMetadata,
        Self::Bundle,
        Self::CompiledConfig,
        Self::StreamEvent,
    ];

    /// Whether nobody has to move it to a newer key: it is made again when it does not open, or is gone long before the key
    /// that it was sealed under is.
    #[must_use]
    pub const fn stays_behind(self) -> bool {
        match self {
            Self::CompiledConfig | Self::StreamEvent => true,
            Self::Secret
            | Self::KvValue
            | Self::KvMetadata
            | Self::ObjectChunk
            | Self::ObjectMetadata
            | Self::Bundle => false,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::KvValue => "kv value",
            Self::KvMetadata => "kv metadata",
            Self::ObjectChunk => "object chunk",
            Self::ObjectMetadata => "object metadata",
            Self::Bundle => "bundle",
            Self::CompiledConfig => "compiled configuration",
            Self::StreamEvent => "stream event",
        }
    }
}

/// Where something sealed lies. All of it is bound into the ciphertext: moved anywhere else, it no longer opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The owner.
    pub tenant: TenantId,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Where in the tenant: a KV namespace, a bucket, a server.
    pub namespace: &'a str,
    /// Which one.
    pub key: &'a str,
    /// Which version of it, or which piece; 0 where there is one alone.
    pub version: u64,
}

/// Seals and opens, for parts that have no other business with keys. `Vault` is the real one.
#[async_trait]
pub trait Sealer: Send + Sync + 'static {
    /// Seals bytes for their place.
    ///
    /// # Errors
    /// When the tenant's key cannot be had.
    async fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>>;

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// `Damaged` when it does not open; what the store of keys says.
    async fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// A step of resealing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Things that are now sealed under the active key.
    pub changed: u64,
    /// Things that did not open and stay as they are; each is in the log.
    pub damaged: u64,
    /// Things under a retiring key that stay for now: somebody is writing what they are part of.
    pub waiting: u64,
    /// Where the next step goes on; `None` when everything has been looked at.
    pub next: Option<String>,
}

/// A store of sealed things that can move to a newer key. One per kind of store; the platform is given all of them.
///
/// A step opens what is sealed under one of the `retiring` keys (and what is still in the clear, where a store has such
/// things), seals it under the active key and puts it back only if it is unchanged: a writer who was faster has used the
/// active key already. It may stop anywhere, killed or not, and is run again from the start.
#[async_trait]
pub trait Resealable: Send + Sync + 'static {
    /// What is in it, for people: "KV values".
    fn name(&self) -> &'static str;

    /// The kinds of things in it. As long as a kind is in no store that the platform was given, no key is deleted: something
    /// that nobody moves may still be sealed under it.
    fn kinds(&self) -> &'static [Kind];

    /// Looks at no more than `limit` things of the tenant, beginning after `after`, and moves those that have to be.
    ///
    /// # Errors
    /// Store errors. A thing that does not open is none: it is logged, counted and passed over.
    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed>;
}

/// Where this node's master key comes from and is kept.
#[async_trait]
pub trait MasterKeys: Send + Sync + 'static {
    /// The key that is to be in force next. It is kept for good before this returns: a node that is killed at any moment
    /// from now on finds it at its next start.
    ///
    /// # Errors
    /// `Conflict` naming the setting that supplies it, when nobody has; when it cannot be kept.
    async fn next(&self, in_force: MasterKeyId) -> Result<MasterKey>;

    /// The key that `next` returned is in force. Puts it in the place of the one before, or says what its operator has to
    /// do.
    ///
    /// # Errors
    /// When it stays where it is; the next start finds it there.
    async fn settle(&self, in_force: MasterKeyId) -> Result<Option<String>>;
}
