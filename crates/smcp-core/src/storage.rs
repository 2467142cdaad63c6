//! Storage that hosted code is given: KV namespaces and buckets of objects, per tenant, sealed at rest.

mod cursor;
pub mod kv;
pub mod objects;
mod position;
pub mod scratch;

use std::sync::Arc;

use smcp_types::{Error, Refusal, Result, TenantId};

use crate::ports::{
    Blobs, Clock, Entropy, KvRows, ObjectRows, Resealable, SealedRows, Sealer, UploadRows, Wrote,
};

/// Most bytes of KV values and objects of a tenant together, unless its quota says otherwise.
pub const DEFAULT_QUOTA: u64 = 1 << 30;
/// Most bytes that a trial may store; all of it is in memory and thrown away.
pub const TRIAL_QUOTA: u64 = 8 << 20;
/// Most characters of a namespace's or bucket's name.
const MAX_STORE_NAME: usize = 63;

/// A namespace or a bucket of a tenant: what a binding of hosted code, or a permit, stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The owner.
    pub tenant: TenantId,
    /// Its name, unique in the tenant.
    pub name: &'a str,
}

/// What storage stands on.
#[derive(Clone)]
pub struct StorageParts {
    /// Rows of KV namespaces.
    pub kv: Arc<dyn KvRows>,
    /// Rows of objects.
    pub objects: Arc<dyn ObjectRows>,
    /// Rows of multipart uploads.
    pub uploads: Arc<dyn UploadRows>,
    /// The sealed columns of all these rows.
    pub sealed: Arc<dyn SealedRows>,
    /// Content of objects.
    pub blobs: Arc<dyn Blobs>,
    /// Seals everything.
    pub sealer: Arc<dyn Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Most bytes of a tenant.
    pub quota: u64,
}

/// The storage services.
pub struct Storage {
    /// KV namespaces.
    pub kv: kv::Kv,
    /// Buckets of objects.
    pub objects: objects::Objects,
    resealable: [Arc<dyn Resealable>; 3],
    common: Common,
}

impl Storage {
    /// Storage on its parts.
    #[must_use]
    pub fn new(parts: StorageParts) -> Self {
        let StorageParts { kv, objects, uploads, sealed, blobs, sealer, clock, entropy, quota } = parts;
        let common = Common { sealer: Arc::clone(&sealer), clock, entropy, quota };
        let content = objects::Content { blobs: Arc::clone(&blobs), sealer: Arc::clone(&sealer) };
        let resealable: [Arc<dyn Resealable>; 3] = [
            Arc::new(kv::KvValues {
                rows: Arc::clone(&kv),
                sealed: Arc::clone(&sealed),
                sealer: Arc::clone(&sealer),
            }),
            Arc::new(objects::ObjectHeads { sealed: Arc::clone(&sealed), sealer }),
            Arc::new(objects::ObjectContent { sealed, content }),
        ];
        Self {
            kv: kv::Kv::new(kv, common.clone()),
            objects: objects::Objects::new((objects, uploads, blobs), common.clone()),
            resealable,
            common,
        }
    }

    /// Everything sealed in it, for a rotation to move.
    #[must_use]
    pub fn resealable(&self) -> Vec<Arc<dyn Resealable>> {
        self.resealable.to_vec()
    }

    /// Empty storage in memory for one trial: nothing of the tenant's is in it, and nothing of it stays.
    #[must_use]
    pub fn for_trial(&self) -> Self {
        let rows = Arc::new(scratch::Scratch::default());
        let Common { sealer, clock, entropy, .. } = self.common.clone();
        Self::new(StorageParts {
            kv: rows.clone(),
            objects: rows.clone(),
            uploads: rows.clone(),
            sealed: rows.clone(),
            blobs: rows,
            sealer,
            clock,
            entropy,
            quota: TRIAL_QUOTA,
        })
    }

    /// Removes what has expired of a tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn sweep(&self, tenant: TenantId) -> Result<()> {
        self.kv.sweep(tenant).await?;
        self.objects.sweep(tenant).await
    }
}

/// What the storage services share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Most bytes of a tenant.
    pub(crate) quota: u64,
}

impl Common {
    /// A version for a record: never the same twice, below 2^53 (DESIGN 18).
    fn version(&self) -> u64 {
        let mut random = [0; 8];
        self.entropy.fill(&mut random);
        u64::from_be_bytes(random) >> 11
    }

    /// What the caller learns of a write that did not happen.
    fn written(&self, wrote: Wrote) -> Result<()> {
        match wrote {
            Wrote::Done => Ok(()),
            Wrote::OverQuota => Err(over_quota(self.quota)),
            Wrote::Changed => Err(Error::Conflict(Refusal::new("it is being changed by others"))),
        }
    }
}

fn over_quota(quota: u64) -> Error {
    Error::TooLarge(
        // Hosted code reads the message alone.
        Refusal::new(format!(
            "storage quota of {quota} bytes for the tenant's KV and objects (storage.tenant_mb) is used up"
        ))
        .hint("delete what is not needed: smcp kv list, smcp objects list; or have the platform's operator raise storage.tenant_mb"),
    )
}

/// Whether a text is the name of a namespace or bucket: what the manifest accepts, checked again for names that come
/// from elsewhere.
///
/// # Errors
/// `Invalid`.
pub fn check_store_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fine = !name.is_empty() && name.len() <= MAX_STORE_NAME && name.bytes().all(plain);
    if fine && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(Error::invalid("a namespace or bucket has 1 to 63 characters of a-z, 0-9 and inner hyphens"))
}
