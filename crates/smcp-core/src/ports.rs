//! What the use cases need from the world: small traits, one real and one in-memory adapter each.

mod isolates;
mod outbound;
mod records;
mod secrets;
mod stores;
mod workload;
mod world;

pub use isolates::{
    HostedBody, HostedRequest, HostedResponse, HostedState, Isolates, Target, Trial, TrialRefused, Usage,
    UsageMeter, VersionRef,
};
pub use outbound::Outbound;
pub use records::{
    KeyRecord, KeyStatus, LogLevel, LogLine, NewServer, RingKey, RingPurpose, RingState, ServerRecord,
    SessionRecord, TenantRecord, VersionRecord, VersionSummary,
};
pub use secrets::SecretSource;
pub use stores::{
    Blobs, KeyStore, LogStore, RingStore, ServerStore, SessionStore, StoreError, StoreResult, TenantStore,
    VersionStore,
};
pub use workload::{Budgets, Purpose, Tokens, Workload};
pub use world::{Clock, Entropy, LogSink, Tasks};
