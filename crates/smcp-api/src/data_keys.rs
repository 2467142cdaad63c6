//! Wire types of encryption at rest: the keys of tenants' data, their rotation, the change of the master key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key of a tenant's data. Never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataKey {
    /// Opaque id; stands in everything sealed with it.
    pub id: String,
    /// `active`: seals what is written; `retiring`: what it sealed is being moved to the active key; `retired`: nothing is
    /// sealed under it any more, and it is deleted soon; `destroyed`: gone, with what it sealed.
    pub state: String,
    /// When it was made.
    pub created_at: i64,
    /// Since when it is in this state.
    pub since: i64,
}

/// How far one kind of stored things has been moved to the active key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResealedStore {
    /// What is stored there, for people.
    pub store: String,
    /// Things that this pass has sealed under the active key.
    pub resealed: u64,
    /// Things that do not open. They stay as they are, and so does the key they name.
    pub damaged: u64,
    /// Things that somebody is writing. They keep their key until they are there or given up.
    #[serde(default)]
    pub waiting: u64,
    /// Whether this pass has looked at everything there.
    pub done: bool,
}

/// The pass over a tenant's data that runs, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resealing {
    /// Each kind of stored things.
    pub stores: Vec<ResealedStore>,
    /// When it is tried again, because something is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_at: Option<i64>,
}

/// The keys of a tenant's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataKeyList {
    /// Oldest first.
    pub items: Vec<DataKey>,
    /// How far a rotation is; absent when none has run since the platform started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resealing: Option<Resealing>,
}

/// What a change of the master key has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotatedMasterKey {
    /// Keys of the platform that the new master key wraps.
    pub ring_keys: u64,
    /// Keys of tenants' data that it wraps.
    pub data_keys: u64,
    /// What the platform's operator has to do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
