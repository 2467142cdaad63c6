//! Wire types of KV namespaces and buckets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A KV namespace or a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreSummary {
    /// Its name, unique in the tenant.
    pub name: String,
    /// How many keys or objects it has.
    pub entries: u64,
}

/// The KV namespaces, or the buckets, of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreList {
    /// By name; those that hold nothing are not there.
    pub items: Vec<StoreSummary>,
    /// Bytes that KV values and objects of the tenant take together.
    pub used_bytes: u64,
    /// Most bytes that they may take.
    pub quota_bytes: u64,
}

/// A key of a KV namespace.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KvKey {
    /// The key.
    pub name: String,
    /// What was stored beside the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub metadata: Option<Box<RawValue>>,
    /// When it stops being there, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// A page of the keys of a KV namespace, in the order of their bytes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KvKeyPage {
    /// The keys.
    pub items: Vec<KvKey>,
    /// What to ask for the next page with, as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A value of a KV namespace.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KvEntry {
    /// The bytes, in base64.
    pub value: String,
    /// What is stored beside it: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub metadata: Option<Box<RawValue>>,
    /// When it stops being there, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// An object, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredObject {
    /// Its key, unique in the bucket.
    pub key: String,
    /// Bytes of content.
    pub size: u64,
    /// Its etag, without quotes.
    pub etag: String,
    /// When it was stored, in Unix milliseconds.
    pub uploaded_at: i64,
    /// What its writer says the content is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Custom metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// A page of the objects of a bucket, in the order of their keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ObjectPage {
    /// The objects.
    pub items: Vec<StoredObject>,
    /// The keys of objects that cannot be read: damaged, or sealed under a key that has been destroyed. They can be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// What to ask for the next page with, as `after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
