//! The fixed limits of the platform. What a tenant or a manifest may change has its default here and its ceiling too.

/// Largest body of one MCP request, in bytes (REQUIREMENTS N1).
pub const MAX_MCP_BODY_BYTES: usize = 1 << 20;
/// Deepest nesting of arrays and objects in a JSON-RPC message; an empty array has depth 1.
pub const MAX_JSON_DEPTH: usize = 64;
/// Most messages in one JSON-RPC batch (2025-03-26 alone has batches).
pub const MAX_BATCH_MESSAGES: usize = 100;
/// Most modules in one bundle.
pub const MAX_MODULES: usize = 64;
/// Largest bundle: the sum of its modules' bytes.
pub const MAX_BUNDLE_BYTES: usize = 10 << 20;
/// Largest module name, in bytes.
pub const MAX_MODULE_NAME_BYTES: usize = 255;
/// Largest body of one management request: a bundle in base64 with its manifest.
pub const MAX_API_BODY_BYTES: usize = 16 << 20;
/// Largest integer the platform stores or sends: above it a JavaScript number is no longer exact.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;
/// Most characters in a slug: two of them and `--` still make a DNS label.
pub const MAX_SLUG_CHARS: usize = 30;
