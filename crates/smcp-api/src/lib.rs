//! Wire types and operations of the management API, and its OpenAPI document.
