//! What the use cases need from the world: small traits, one real and one in-memory adapter each.

mod isolates;
mod records;
mod sealing;
mod stores;
mod world;

pub use isolates::{
    HostedBody, HostedRequest, HostedResponse, HostedState, Isolates, Target, Trial, TrialRefused, Usage,
    UsageMeter, VersionRef,
};
pub use records::{
    DataKey, DataKeyState, KeyRecord, KeyStatus, LogLevel, LogLine, NewServer, RingKey, RingPurpose,
    RingState, ServerRecord, SessionRecord, TenantRecord, VersionRecord, VersionSummary,
};
pub use sealing::{Kind, MasterKeys, Place, Resealable, Resealed, Sealer};
pub use stores::{
    Blobs, DataKeyStore, KeyStore, LogStore, Rewrap, RingStore, ServerStore, SessionStore, StoreError,
    StoreResult, TenantStore, VersionStore,
};
pub use world::{Clock, Entropy, LogSink, Tasks};
