//! Getting many values at once.

use serde::Deserialize;
use serde_json::{Map, Value};
use smcp_core::storage::{
    Store,
    kv::{Entry, Kv, MAX_BULK, MAX_VALUE_BYTES},
};
use smcp_types::{Error, Refusal, Result};

/// Longest request: a hundred keys of 512 bytes, every byte escaped.
pub(super) const MAX_REQUEST: usize = 512 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    keys: Vec<String>,
    #[serde(default, rename = "type")]
    kind: Kind,
    #[serde(default)]
    with_metadata: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Text,
    Json,
}

/// Answers with an object of keys and values; together they are bounded like one value.
pub(super) async fn get(kv: &Kv, store: Store<'_>, request: &[u8]) -> Result<Map<String, Value>> {
    let wanted: Wanted = serde_json::from_slice(request)
        .map_err(|error| Error::invalid(format!("the bulk request does not parse: {error}")))?;
    if wanted.keys.is_empty() || wanted.keys.len() > MAX_BULK {
        return Err(Error::invalid(format!("a bulk get has 1 to {MAX_BULK} keys")));
    }
    let mut found = Map::new();
    let mut total = 0;
    for key in wanted.keys {
        if found.contains_key(&key) {
            continue;
        }
        let value = match kv.get(store, &key).await? {
            None => Value::Null,
            Some(entry) => {
                total += entry.value.len();
                if total > MAX_VALUE_BYTES {
                    let most =
                        format!("the values of a bulk get have at most {MAX_VALUE_BYTES} bytes together");
                    return Err(Error::TooLarge(Refusal::new(most)));
                }
                shown(&key, entry, wanted.kind, wanted.with_metadata)?
            }
        };
        found.insert(key, value);
    }
    Ok(found)
}

fn shown(key: &str, entry: Entry, kind: Kind, with_metadata: bool) -> Result<Value> {
    let value = match kind {
        Kind::Text => Value::String(String::from_utf8_lossy(&entry.value).into_owned()),
        Kind::Json => serde_json::from_slice(&entry.value)
            .map_err(|_| Error::invalid(format!("the value of {key} is not JSON")))?,
    };
    if !with_metadata {
        return Ok(value);
    }
    let metadata = entry.metadata.as_deref().map(serde_json::from_str);
    let metadata: Value = metadata.transpose().map_err(Error::internal)?.unwrap_or_default();
    Ok(serde_json::json!({ "value": value, "metadata": metadata }))
}
