//! A bundle as one sealed blob: how versions lie in the object store.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use async_trait::async_trait;
use smcp_manifest::{Bundle, LockedManifest, Module, ModuleKind};
use smcp_types::{DataKeyId, Digest, Error, Result, ServerId, TenantId};
use zeroize::Zeroizing;

use crate::{
    Stores,
    ports::{Blobs, Kind, Place, Resealable, Resealed, Sealer, ServerStore, VersionRef, VersionStore},
    vault::{count, has_to_move},
};

/// The first bytes of every bundle, below its seal; the digit is the format's version.
const MAGIC: &[u8] = b"smcp-bundle-1\n";

/// The name of a version's blob within its tenant.
fn blob_name(version: &VersionRef) -> String {
    format!("bundles/{}/{}", version.server, version.digest)
}

/// Magic, then length-prefixed parts: the manifest, and for each module its name, kind and bytes.
fn encode(bundle: &Bundle) -> Result<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    let mut part = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    part(&serde_json::to_vec(bundle.manifest()).map_err(Error::internal)?);
    for module in bundle.modules() {
        part(module.name.as_bytes());
        part(&serde_json::to_vec(&module.kind).map_err(Error::internal)?);
        part(&module.bytes);
    }
    Ok(out)
}

/// The bundles of all versions, each sealed in a blob of its own.
pub struct BundleStore {
    blobs: Arc<dyn Blobs>,
    servers: Arc<dyn ServerStore>,
    versions: Arc<dyn VersionStore>,
    sealer: Arc<dyn Sealer>,
}

impl BundleStore {
    /// Bundles in these stores.
    #[must_use]
    pub fn new(stores: &Stores, sealer: Arc<dyn Sealer>) -> Self {
        let Stores { blobs, servers, versions, .. } = stores;
        Self {
            blobs: Arc::clone(blobs),
            servers: Arc::clone(servers),
            versions: Arc::clone(versions),
            sealer,
        }
    }

    /// Stores a version's bundle.
    ///
    /// # Errors
    /// When it cannot be sealed; store errors.
    pub(crate) async fn put(&self, version: &VersionRef, bundle: &Bundle) -> Result<()> {
        self.put_plain(version, &encode(bundle)?).await
    }

    /// Reads a version's bundle back and checks it against its digest: a damaged or swapped file is never run.
    ///
    /// # Errors
    /// `Damaged` when it does not open; `Internal`, naming the blob, when it is missing or not what it should be.
    pub async fn load(&self, version: &VersionRef) -> Result<Bundle> {
        let name = blob_name(version);
        let bytes = self.blobs.get(version.tenant, &name).await?;
        let bytes = bytes.ok_or_else(|| Error::internal(format!("the blob {name} is missing")))?;
        let bundle = if is_in_the_clear(&bytes) {
            decode(&bytes)
        } else {
            let id = Names::of(version);
            decode(&self.sealer.open(&id.place(version.tenant), &bytes).await?)
        };
        let bundle = bundle.map_err(|why| Error::internal(format!("the blob {name}: {why}")))?;
        if bundle.digest() != version.digest {
            return Err(Error::internal(format!("the blob {name} is not what its name says")));
        }
        Ok(bundle)
    }

    /// Removes a version's bundle, if it is there.
    pub(crate) async fn delete(&self, version: &VersionRef) -> Result<()> {
        Ok(self.blobs.delete(version.tenant, &blob_name(version)).await?)
    }

    /// Seals a tenant's bundles from before there was encryption at rest.
    pub(crate) async fn seal_what_is_in_the_clear(&self, tenant: TenantId) -> Result<()> {
        self.reseal(tenant, &[], None, u32::MAX).await.map(drop)
    }

    async fn put_plain(&self, version: &VersionRef, plain: &[u8]) -> Result<()> {
        let names = Names::of(version);
        let sealed = self.sealer.seal(&names.place(version.tenant), plain).await?;
        Ok(self.blobs.put(version.tenant, &blob_name(version), sealed.into()).await?)
    }

    /// Moves one bundle to the active key, if it has to be; says whether it had to.
    async fn reseal_one(&self, version: &VersionRef, retiring: &[DataKeyId]) -> Result<bool> {
        let Some(bytes) = self.blobs.get(version.tenant, &blob_name(version)).await? else {
            return Ok(false);
        };
        let plain = if is_in_the_clear(&bytes) {
            Zeroizing::new(bytes.to_vec())
        } else if has_to_move(&bytes, retiring) {
            self.sealer.open(&Names::of(version).place(version.tenant), &bytes).await?
        } else {
            return Ok(false);
        };
        self.put_plain(version, &plain).await?;
        if self.versions.get(version).await?.is_none() {
            // Its server was deleted meanwhile, and its blob before this put it back.
            self.delete(version).await?;
        }
        Ok(true)
    }

    /// Every version of the tenant, in the order of their ids.
    async fn all(&self, tenant: TenantId) -> Result<BTreeSet<(ServerId, Digest)>> {
        let mut all = BTreeSet::new();
        for server in self.servers.list(tenant, None, u32::MAX).await? {
            let versions = self.versions.list(tenant, server.id, u32::MAX).await?;
            all.extend(versions.into_iter().map(|version| (server.id, version.digest)));
        }
        Ok(all)
    }
}

#[async_trait]
impl Resealable for BundleStore {
    fn name(&self) -> &'static str {
        "bundles"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Bundle]
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed> {
        let begin =
            after.map_or(Bound::Unbounded, |text| cursor(text).map_or(Bound::Unbounded, Bound::Excluded));
        let all = self.all(tenant).await?;
        let mut coming = all.range((begin, Bound::Unbounded));
        let mut step = Resealed::default();
        for (server, digest) in coming.by_ref().take(limit as usize) {
            let version = VersionRef { tenant, server: *server, digest: *digest };
            count(&mut step, tenant, self.reseal_one(&version, retiring).await)?;
            step.next = Some(format!("{server}/{digest}"));
        }
        if coming.next().is_none() {
            step.next = None;
        }
        Ok(step)
    }
}

fn cursor(text: &str) -> Option<(ServerId, Digest)> {
    let (server, digest) = text.split_once('/')?;
    Some((server.parse().ok()?, digest.parse().ok()?))
}

/// The names of a version, as its place takes them.
struct Names {
    server: String,
    digest: String,
}

impl Names {
    fn of(version: &VersionRef) -> Self {
        Self { server: version.server.to_string(), digest: version.digest.to_string() }
    }

    fn place(&self, tenant: TenantId) -> Place<'_> {
        Place { tenant, kind: Kind::Bundle, namespace: &self.server, key: &self.digest, version: 0 }
    }
}

/// From before bundles were sealed: what is sealed begins with another byte.
fn is_in_the_clear(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

fn decode(bytes: &[u8]) -> std::result::Result<Bundle, String> {
    let mut rest = bytes.strip_prefix(MAGIC).ok_or("not a bundle, or of another format")?;
    let mut part = || -> std::result::Result<Option<&[u8]>, String> {
        if rest.is_empty() {
            return Ok(None);
        }
        let (length, tail) = rest.split_first_chunk::<8>().ok_or("cut off")?;
        let length = usize::try_from(u64::from_be_bytes(*length)).map_err(|_| "cut off")?;
        let (part, tail) = tail.split_at_checked(length).ok_or("cut off")?;
        rest = tail;
        Ok(Some(part))
    };
    let manifest = part()?.ok_or("cut off")?;
    let manifest = LockedManifest::from_json(manifest).map_err(|e| e.to_string())?;
    let mut modules = Vec::new();
    while let Some(name) = part()? {
        let name = String::from_utf8(name.to_vec()).map_err(|e| e.to_string())?;
        let kind: ModuleKind =
            serde_json::from_slice(part()?.ok_or("cut off")?).map_err(|e| e.to_string())?;
        let bytes = part()?.ok_or("cut off")?.to_vec();
        modules.push(Module { name, kind, bytes });
    }
    Bundle::new(manifest, modules).map_err(|e| e.to_string())
}
