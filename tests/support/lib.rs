//! Helpers shared by the end-to-end tests: one per boundary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

pub mod cli;
pub mod memory;
pub mod node;
pub mod outside;
pub mod router;
pub mod witness;
