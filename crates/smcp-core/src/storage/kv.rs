//! KV: values under keys, with metadata and expiry, within Cloudflare's limits and refused in its words.

mod resealing;

use std::sync::Arc;

use smcp_types::{Error, Refusal, Result, TenantId, UnixMillis};
use zeroize::Zeroizing;

use super::{Common, Store, cursor};
use crate::ports::{Kind, KvRow, KvRows, Place, Span, Wrote};

pub(super) use resealing::KvValues;

/// Most bytes of a key.
pub const MAX_KEY_BYTES: usize = 512;
/// Most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 25 << 20;
/// Most bytes of metadata, as JSON.
pub const MAX_METADATA_BYTES: usize = 1024;
/// Most keys of a page of a list.
pub const MAX_LIST: u32 = 1000;
/// Most keys that are got at once.
pub const MAX_BULK: usize = 100;
/// Shortest life of a value that expires, in seconds.
pub const MIN_TTL_SECONDS: i64 = 60;
/// Latest expiration, in seconds: milliseconds stay below 2^53.
const MAX_EXPIRATION: i64 = 9_000_000_000_000;
/// Rows that one transaction of a sweep removes.
const SWEEP_AT_ONCE: u32 = 500;

/// A value as it is read.
pub struct Entry {
    /// The bytes.
    pub value: Zeroizing<Vec<u8>>,
    /// JSON.
    pub metadata: Option<String>,
    /// When it stops being there.
    pub expires_at: Option<UnixMillis>,
}

/// When a value shall stop being there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// Seconds since 1970.
    pub at: Option<i64>,
    /// Seconds from now. Goes before `at`, as at Cloudflare.
    pub ttl: Option<i64>,
}

/// A value to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// The bytes.
    pub value: &'a [u8],
    /// JSON.
    pub metadata: Option<&'a str>,
    /// When it shall stop being there.
    pub expiry: Expiry,
}

/// Which keys to list.
#[derive(Clone, Debug, Default)]
pub struct ListKeys<'a> {
    /// Keys that begin with this.
    pub prefix: &'a str,
    /// Most keys; `None` for as many as there may be.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub cursor: Option<&'a str>,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub name: String,
    /// When it stops being there.
    pub expires_at: Option<UnixMillis>,
    /// JSON.
    pub metadata: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, in the order of their bytes.
    pub keys: Vec<ListedKey>,
    /// For the next page; `None` on the last.
    pub cursor: Option<String>,
}

/// The KV service.
pub struct Kv {
    rows: Arc<dyn KvRows>,
    common: Common,
}

impl Kv {
    pub(crate) fn new(rows: Arc<dyn KvRows>, common: Common) -> Self {
        Self { rows, common }
    }

    /// The value under a key.
    ///
    /// # Errors
    /// `Invalid` for a key that cannot be one; `Damaged` for a value that does not open; store errors.
    pub async fn get(&self, store: Store<'_>, key: &str) -> Result<Option<Entry>> {
        check_key(key)?;
        let row = self.rows.get(store.tenant, store.name, key, self.common.clock.now()).await?;
        let Some(row) = row else { return Ok(None) };
        let sealer = &self.common.sealer;
        let value = sealer.open(&place(store, Kind::KvValue, key, row.version), &row.value).await?;
        let metadata = self.open_metadata(store, key, row.version, row.metadata.as_deref()).await?;
        Ok(Some(Entry { value, metadata, expires_at: row.expires_at }))
    }

    /// Stores a value in the place of the one before.
    ///
    /// # Errors
    /// `Invalid`, `TooLarge` by a limit or the tenant's quota, which it names; store errors.
    pub async fn put(&self, store: Store<'_>, key: &str, new: NewEntry<'_>) -> Result<()> {
        check_key(key)?;
        if new.value.len() > MAX_VALUE_BYTES {
            let length = new.value.len();
            let told = format!("Value length of {length} exceeds limit of {MAX_VALUE_BYTES}.");
            return Err(Error::TooLarge(Refusal::new(told)));
        }
        new.metadata.map_or(Ok(()), check_metadata)?;
        let expires_at = expires_at(new.expiry, self.common.clock.now())?;
        let version = self.common.version();
        let sealer = &self.common.sealer;
        let value = sealer.seal(&place(store, Kind::KvValue, key, version), new.value).await?;
        let metadata = match new.metadata {
            Some(json) => {
                let place = place(store, Kind::KvMetadata, key, version);
                Some(sealer.seal(&place, json.as_bytes()).await?)
            }
            None => None,
        };
        let row = KvRow { key: key.to_owned(), version, value, metadata, expires_at };
        let quota = self.common.quota;
        let mut wrote = self.rows.put(store.tenant, store.name, &row, quota).await?;
        if wrote == Wrote::OverQuota {
            // What has expired and is not swept yet counts; it must not be in the way.
            self.sweep(store.tenant).await?;
            wrote = self.rows.put(store.tenant, store.name, &row, quota).await?;
        }
        self.common.written(wrote)
    }

    /// Removes a value, if it is there.
    ///
    /// # Errors
    /// `Invalid`; store errors.
    pub async fn delete(&self, store: Store<'_>, key: &str) -> Result<()> {
        check_key(key)?;
        Ok(self.rows.delete(store.tenant, store.name, key).await?)
    }

    /// A page of the keys.
    ///
    /// # Errors
    /// `Invalid` for a limit or a cursor that cannot be one; `Damaged`; store errors.
    pub async fn list(&self, store: Store<'_>, list: ListKeys<'_>) -> Result<KeyPage> {
        let limit = list.limit.unwrap_or(MAX_LIST);
        if limit == 0 {
            let told = "Invalid key_count_limit of 0. Please specify an integer greater than 0.";
            return Err(Error::invalid(told));
        }
        if limit > MAX_LIST {
            let told = format!(
                "Invalid key_count_limit of {limit}. Please specify an integer less than {MAX_LIST}."
            );
            return Err(Error::invalid(told));
        }
        check_length(list.prefix)?;
        let sealer = &*self.common.sealer;
        let after = match list.cursor {
            Some(text) => Some(cursor::read(sealer, store, Kind::KvMetadata, text).await?),
            None => None,
        };
        let span = Span { prefix: list.prefix.to_owned(), after, limit: limit + 1 };
        let mut rows = self.rows.list(store.tenant, store.name, &span, self.common.clock.now()).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let cursor = match rows.last() {
            Some(last) if more => Some(cursor::after(sealer, store, Kind::KvMetadata, &last.key).await?),
            Some(_) | None => None,
        };
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let metadata = self.open_metadata(store, &row.key, row.version, row.metadata.as_deref()).await?;
            keys.push(ListedKey { name: row.key, expires_at: row.expires_at, metadata });
        }
        Ok(KeyPage { keys, cursor })
    }

    /// The namespaces of a tenant that hold anything, with how many keys.
    ///
    /// # Errors
    /// Store errors.
    pub async fn namespaces(&self, tenant: TenantId) -> Result<Vec<(String, u64)>> {
        Ok(self.rows.namespaces(tenant, MAX_LIST).await?)
    }

    /// The bytes that a tenant's KV values and objects take of its quota, and the quota.
    ///
    /// # Errors
    /// Store errors.
    pub async fn used(&self, tenant: TenantId) -> Result<(u64, u64)> {
        Ok((self.rows.used(tenant).await?, self.common.quota))
    }

    /// Removes what has expired of a tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn sweep(&self, tenant: TenantId) -> Result<()> {
        let now = self.common.clock.now();
        while self.rows.sweep(tenant, now, SWEEP_AT_ONCE).await? == u64::from(SWEEP_AT_ONCE) {}
        Ok(())
    }

    async fn open_metadata(
        &self,
        store: Store<'_>,
        key: &str,
        version: u64,
        sealed: Option<&[u8]>,
    ) -> Result<Option<String>> {
        let Some(sealed) = sealed else { return Ok(None) };
        let place = place(store, Kind::KvMetadata, key, version);
        let plain = self.common.sealer.open(&place, sealed).await?;
        let text = String::from_utf8(plain.to_vec());
        text.map(Some).map_err(|_| Error::internal(format_args!("metadata of {key:?} is not UTF-8")))
    }
}

/// A list is one row's metadata after the other: each is bound to its own row.
fn place<'a>(store: Store<'a>, kind: Kind, key: &'a str, version: u64) -> Place<'a> {
    Place { tenant: store.tenant, kind, namespace: store.name, key, version }
}

/// # Errors
/// `Invalid`.
fn check_key(key: &str) -> Result<()> {
    match key {
        "" => Err(Error::invalid("Key names must not be empty")),
        "." | ".." => {
            Err(Error::invalid(format!("Illegal key name \"{key}\". Please use a different name.")))
        }
        _ => check_length(key),
    }
}

/// Whether a key or a prefix is short enough.
///
/// # Errors
/// `Invalid`, in Cloudflare's words.
pub fn check_length(key: &str) -> Result<()> {
    let length = key.len();
    if length <= MAX_KEY_BYTES {
        return Ok(());
    }
    let told = format!("UTF-8 encoded length of {length} exceeds key length limit of {MAX_KEY_BYTES}.");
    Err(Error::invalid(told))
}

fn check_metadata(json: &str) -> Result<()> {
    let length = json.len();
    if length > MAX_METADATA_BYTES {
        let told = format!("Metadata length of {length} exceeds limit of {MAX_METADATA_BYTES}.");
        return Err(Error::TooLarge(Refusal::new(told)));
    }
    let parsed: std::result::Result<&serde_json::value::RawValue, _> = serde_json::from_str(json);
    parsed.map(drop).map_err(|_| Error::invalid("KV metadata is not JSON"))
}

fn expires_at(expiry: Expiry, now: UnixMillis) -> Result<Option<UnixMillis>> {
    let now = now.0.div_euclid(1000);
    let at = match (expiry.ttl, expiry.at) {
        (Some(ttl), _) => {
            let rule = match ttl {
                ..=0 => Some("Please specify integer greater than 0.".to_owned()),
                1..MIN_TTL_SECONDS => Some(format!("Expiration TTL must be at least {MIN_TTL_SECONDS}.")),
                MIN_TTL_SECONDS.. => None,
            };
            if let Some(rule) = rule {
                return Err(Error::invalid(format!("Invalid expiration_ttl of {ttl}. {rule}")));
            }
            now.saturating_add(ttl)
        }
        (None, Some(at)) => {
            let rule = if at <= now {
                Some(
                    "Please specify integer greater than the current number of seconds since the UNIX epoch."
                        .to_owned(),
                )
            } else if at < now + MIN_TTL_SECONDS {
                Some(format!("Expiration times must be at least {MIN_TTL_SECONDS} seconds in the future."))
            } else {
                None
            };
            if let Some(rule) = rule {
                return Err(Error::invalid(format!("Invalid expiration of {at}. {rule}")));
            }
            at
        }
        (None, None) => return Ok(None),
    };
    if at > MAX_EXPIRATION {
        return Err(Error::invalid("the expiration is too far ahead"));
    }
    Ok(Some(UnixMillis(at * 1000)))
}

pub(super) fn too_large(what: &str, most: usize) -> Error {
    Error::TooLarge(Refusal::new(format!("{what} has at most {most} bytes")))
}
