//! What the use cases need from the world: small traits, one real and one in-memory adapter each.

mod databases;
mod isolates;
mod kv_rows;
mod object_rows;
mod outbound;
mod records;
mod sealed_rows;
mod sealing;
mod secrets;
mod stores;
mod streams;
mod workload;
mod world;

pub use databases::{DatabaseRecord, Databases, Imported};
pub use isolates::{
    HostedBody, HostedRequest, HostedResponse, HostedState, Isolates, Scheduled, Target, Trial, TrialRefused,
    Usage, UsageMeter, VersionRef,
};
pub use kv_rows::{KvRow, KvRows, KvSummary, Span, Wrote};
pub use object_rows::{
    Expected, ObjectRow, ObjectRows, PartRow, SegmentRow, Source, StoredId, UploadRow, UploadRows,
};
pub use outbound::{Outbound, OutboundTraffic};
pub use records::{
    DataKey, DataKeyState, KeyRecord, KeyStatus, LogLevel, LogLine, LogQuery, LogSource, NewServer, RingKey,
    RingPurpose, RingState, SecretRecord, ServerRecord, SessionRecord, TenantRecord, VersionRecord,
    VersionSummary,
};
pub use sealed_rows::{KvSeal, ObjectSeal, PartSeal, SealedRows};
pub use sealing::{Kind, MasterKeys, Place, Resealable, Resealed, Sealer};
pub use secrets::SecretSource;
pub use stores::{
    Blobs, DataKeyStore, Introduction, KeyStore, LogStore, Rewrap, RingStore, SecretStore, ServerStore,
    SessionStore, StoreError, StoreResult, TenantStore, VersionStore,
};
pub use streams::{Scope, StreamEvent, StreamLog, StreamRecord};
pub use workload::{
    BindingService, Budgets, Purpose, STORAGE_OPERATIONS_PER_CALL, SUBREQUESTS_PER_CALL, Tokens, Workload,
};
pub use world::{Clock, Entropy, LogSink, Tasks};
