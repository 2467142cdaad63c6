//! Typed, blocking client of the management API, and of the MCP endpoints beside it.

mod client;
mod endpoint;
mod error;
mod follow;
mod mcp;
mod path;
mod transport;

pub use client::{Client, NewObject, PAGE_LIMIT, StorePart};
pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use follow::{LogFilter, LogStream};
pub use mcp::McpSession;
