//! In-memory adapters, fake clock and simulated isolates, for tests.

mod clock;
mod contract;
mod databases;
mod keys;
mod memory;
mod scripted;
mod secrets;
mod sim_fleet;
mod storage;
mod world;

pub use clock::FakeClock;
pub use contract::{check_stores, kv_rows::check_kv_rows, sealed_rows::check_sealed_rows};
pub use databases::MemoryDatabases;
pub use keys::{MemoryMasterKeys, master_key, open_keys, vault};
pub use memory::MemoryStores;
pub use scripted::{Scripted, ScriptedIsolates};
pub use sim_fleet::{Behaviour, CallFate, SimFleet};
pub use storage::memory_storage;
pub use world::{CountingEntropy, NoIsolates, NoTasks};
