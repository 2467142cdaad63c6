//! The axum router: MCP endpoint and management API; no sockets.
