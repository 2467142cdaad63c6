//! Getting many values at once.

use serde::Deserialize;
use serde_json::{Map, Value};
use smcp_core::storage::{
    Store,
    kv::{Entry, Kv, MAX_BULK, MAX_VALUE_BYTES},
};
use smcp_types::{Error, Refusal, Result};

use super::refused::{Refused, check_cache_ttl, short};

/// Longest request: a hundred keys of 512 bytes, every byte escaped.
pub(super) const MAX_REQUEST: usize = 512 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// A number, or one inside a string.
    cache_ttl: Option<Value>,
    #[serde(default)]
    with_metadata: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Json,
}

/// Answers with an object of keys and values; together they are bounded like one value.
pub(super) async fn get(kv: &Kv, store: Store<'_>, request: &[u8]) -> Result<Map<String, Value>, Refused> {
    let wanted: Wanted = serde_json::from_slice(request)
        .map_err(|error| Error::invalid(format!("the bulk request does not parse: {error}")))?;
    let kind = kind(wanted.kind.as_deref())?;
    if wanted.keys.len() > MAX_BULK {
        return Err(Error::invalid(format!("You can request a maximum of {MAX_BULK} keys")).into());
    }
    if wanted.keys.is_empty() {
        return Err(Error::invalid("You must request a minimum of 1 key").into());
    }
    match &wanted.cache_ttl {
        Some(Value::String(text)) => check_cache_ttl(text)?,
        Some(other) => check_cache_ttl(&other.to_string())?,
        None => {}
    }
    let mut found = Map::new();
    let mut total = 0;
    for key in wanted.keys {
        if found.contains_key(&key) {
            continue;
        }
        short(&key)?;
        let value = match kv.get(store, &key).await? {
            None => Value::Null,
            Some(entry) => {
                total += entry.value.len();
                if total > MAX_VALUE_BYTES {
                    let most =
                        format!("Total size of request exceeds the limit of {}MB", MAX_VALUE_BYTES >> 20);
                    return Err(Error::TooLarge(Refusal::new(most)).into());
                }
                shown(entry, kind, wanted.with_metadata)?
            }
        };
        found.insert(key, value);
    }
    Ok(found)
}

fn kind(text: Option<&str>) -> Result<Kind> {
    match text {
        None | Some("text") => Ok(Kind::Text),
        Some("json") => Ok(Kind::Json),
        Some(other) => {
            let other = Value::from(other);
            Err(Error::invalid(format!("{other} is not a valid type. Use \"json\" or \"text\"")))
        }
    }
}

fn shown(entry: Entry, kind: Kind, with_metadata: bool) -> Result<Value> {
    let value = match kind {
        Kind::Text => Value::String(String::from_utf8_lossy(&entry.value).into_owned()),
        Kind::Json => serde_json::from_slice(&entry.value).map_err(|_| {
            Error::invalid("At least one of the requested keys corresponds to a non-json value")
        })?,
    };
    if !with_metadata {
        return Ok(value);
    }
    let metadata = entry.metadata.as_deref().map(serde_json::from_str);
    let metadata: Value = metadata.transpose().map_err(Error::internal)?.unwrap_or_default();
    Ok(serde_json::json!({ "value": value, "metadata": metadata }))
}
