//! How far resealing is among rows: written down as text from one step to the next, never stored.

use serde::{Serialize, de::DeserializeOwned};
use smcp_types::{Error, Result};

/// Rows and chunks of one step: a tenant's database is held for one page of them at a time.
pub(super) const AT_ONCE: u32 = 16;

pub(super) fn write(position: &impl Serialize) -> Result<String> {
    serde_json::to_string(position).map_err(Error::internal)
}

pub(super) fn read<P: DeserializeOwned>(text: &str) -> Result<P> {
    serde_json::from_str(text).map_err(Error::internal)
}
