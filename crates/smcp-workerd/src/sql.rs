//! SQL databases of hosted code: never in this process, each in a sandboxed one of its own (DESIGN 7).

mod authorizer;
mod child;
mod database;
mod dump;
mod execute;
mod frame;
mod functions;
mod names;
mod port;
mod process;
mod room;
mod service;
mod slot;
mod values;

use std::time::Duration;

pub use child::sql_main;
pub(crate) use frame::Ask;
pub use frame::SQL_WORD;
pub(crate) use service::Reply;
pub use service::SqlDatabases;

/// What databases may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlLimits {
    /// Most bytes of one database.
    pub quota: u64,
    /// Most databases of a tenant.
    pub per_tenant: usize,
    /// How long one request may take.
    pub request: Duration,
    /// When the process of a database that nobody asks ends.
    pub idle: Duration,
    /// Most processes at once; a tenant has at most a quarter of them.
    pub processes: usize,
    /// How long a request waits for a process when all are busy.
    pub wait: Duration,
    /// Memory of one process, in MiB.
    pub memory_mb: u32,
    /// Bytes of requests and answers under way; a tenant has at most a quarter of them.
    pub memory: usize,
}

impl Default for SqlLimits {
    /// D1's where it has some.
    fn default() -> Self {
        Self {
            quota: 500_000_000,
            per_tenant: 20,
            request: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            processes: 64,
            wait: Duration::from_secs(5),
            memory_mb: 160,
            memory: 512 << 20,
        }
    }
}

#[cfg(test)]
mod tests;
