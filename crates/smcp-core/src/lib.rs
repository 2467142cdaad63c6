//! Use cases, planner and all port traits of SMCP: what the platform does, free of sockets, files and clocks.

mod api_key;
pub mod authority;
pub mod bundle_file;
pub mod call;
pub mod caller;
pub mod context;
mod crypto;
pub mod data;
pub mod data_keys;
mod databases;
pub mod deploy;
pub mod fleet;
pub mod identity;
mod inspect;
pub mod keyring;
pub mod keys;
pub mod logbook;
pub mod master;
mod memory;
pub mod platform;
pub mod ports;
pub mod redact;
pub mod room;
pub mod secrets;
pub mod servers;
mod session;
pub mod settings;
mod stopping;
pub mod storage;
mod tenants;
mod timeout;
mod timers;
pub mod vault;
pub mod wrapper;

pub use context::Ctx;
pub use platform::{Opened, Platform, Ports, Stores};
