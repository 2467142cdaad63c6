//! Cursors of lists: the last key, sealed for its namespace, so that one of elsewhere is worth nothing.

use data_encoding::BASE64URL_NOPAD;
use smcp_types::{Error, Result};

use super::Store;
use crate::ports::{Kind, Place, Sealer};

/// No record has this version: theirs stay below 2^53.
const VERSION: u64 = u64::MAX;
/// Longest cursor that is looked at: the longest key, sealed, in base64, is shorter.
const MAX_CHARS: usize = 2_048;

fn place<'a>(store: Store<'a>, kind: Kind) -> Place<'a> {
    Place { tenant: store.tenant, kind, namespace: store.name, key: "cursor", version: VERSION }
}

/// The cursor after a key.
pub(super) async fn after(sealer: &dyn Sealer, store: Store<'_>, kind: Kind, key: &str) -> Result<String> {
    let sealed = sealer.seal(&place(store, kind), key.as_bytes()).await?;
    Ok(BASE64URL_NOPAD.encode(&sealed))
}

/// The key that a cursor stands after.
///
/// # Errors
/// `Invalid` when it is none of this store's: forged, cut, another namespace's, another tenant's.
pub(super) async fn read(sealer: &dyn Sealer, store: Store<'_>, kind: Kind, text: &str) -> Result<String> {
    let refused = || Error::invalid("the cursor is none that this list gave");
    if text.len() > MAX_CHARS {
        return Err(refused());
    }
    let sealed = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| refused())?;
    match sealer.open(&place(store, kind), &sealed).await {
        Ok(key) => String::from_utf8(key.to_vec()).map_err(|_| refused()),
        Err(Error::Damaged(_)) => Err(refused()),
        Err(error) => Err(error),
    }
}
