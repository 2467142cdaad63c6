//! MCP on the wire, pure: the JSON-RPC envelope, methods, revisions, SSE framing and a server's definitions.

mod definitions;
mod envelope;
pub mod errors;
mod event_id;
mod header;
mod id;
mod json_schema;
mod members;
mod method;
mod mirror;
mod modern;
mod params;
mod requests;
mod revision;
pub mod rounds;
mod session_id;
pub mod sse;
mod strict;
mod template;

pub use definitions::{
    Collector, Definitions, DefinitionsError, ListKind, MAX_DEFINITIONS_BYTES, MAX_ITEMS_PER_LIST,
};
pub use envelope::{Batches, Body, EnvelopeError, ErrorObject, Message, MessageKind, Outcome, parse};
pub use event_id::{EventId, EventPosition};
pub use header::{decode_header_value, encode_header_value};
pub use id::MessageId;
pub use json_schema::{Misfit, Schema, SchemaError, SchemaRoom};
pub use method::{InvalidParams, Method, Subject};
pub use mirror::Mirrors;
pub use modern::{ModernFault, RequestMeta, check_modern, spoken_revision};
pub use params::asks_for_task;
pub use requests::{
    ClientInfo, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, META_SERVER_INFO,
    Outgoing, call_tool, discover, initialize, initialized, list,
};
pub use revision::{Era, Revision, UnknownRevision};
pub use session_id::{SessionClaims, decode_session_id, encode_session_id, hosted_id_is_sound};
