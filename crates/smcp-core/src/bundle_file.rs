//! A bundle as one blob: how versions lie in the object store.

use smcp_manifest::{Bundle, LockedManifest, Module, ModuleKind};
use smcp_types::{Error, Result};

use crate::{ports::Blobs, ports::VersionRef};

/// The first bytes of every bundle file; the digit is the format's version.
const MAGIC: &[u8] = b"smcp-bundle-1\n";

/// The name of a version's blob within its tenant.
pub(crate) fn blob_name(version: &VersionRef) -> String {
    format!("bundles/{}/{}", version.server, version.digest)
}

/// Magic, then length-prefixed parts: the manifest, and for each module its name, kind and bytes.
pub(crate) fn encode(bundle: &Bundle) -> Result<Vec<u8>> {
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

/// Reads a version's bundle back and checks it against its digest: a damaged or swapped file is never run.
///
/// # Errors
/// `Internal`, naming the blob, when it is missing or not what it should be.
pub async fn load(blobs: &dyn Blobs, version: &VersionRef) -> Result<Bundle> {
    let name = blob_name(version);
    let bytes = blobs.get(version.tenant, &name).await?;
    let bytes = bytes.ok_or_else(|| Error::internal(format!("the blob {name} is missing")))?;
    let bundle = decode(&bytes).map_err(|why| Error::internal(format!("the blob {name}: {why}")))?;
    if bundle.digest() != version.digest {
        return Err(Error::internal(format!("the blob {name} is not what its name says")));
    }
    Ok(bundle)
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
