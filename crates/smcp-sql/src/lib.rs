//! Queries and migrations in the dialect that SQLite and D1 share, over a port with two calls.

mod data;
mod data_keys;
mod keys;
mod kv;
mod logs;
mod migrate;
mod objects;
mod port;
mod ring;
mod row;
mod sealed;
mod secrets;
mod servers;
mod sessions;
mod streams;
mod tenants;
mod uploads;
mod versions;

use std::sync::Arc;

pub use data::{DataStore, Databases};
pub use migrate::{MigrateError, Migration, MigrationSet, migrate};
pub use port::{Row, Sql, SqlError, Statement, Value};
pub use streams::StreamStore;

/// The control database: tenants, servers, versions, keys, sessions, secrets, the key ring.
pub const CONTROL: MigrationSet = MigrationSet {
    name: "control",
    migrations: &[
        Migration { number: 1, name: "first light", sql: include_str!("migrations/control-0001.sql") },
        Migration {
            number: 2,
            name: "ceilings of tenants",
            sql: include_str!("migrations/control-0002.sql"),
        },
        Migration { number: 3, name: "data keys", sql: include_str!("migrations/control-0003.sql") },
        Migration { number: 4, name: "secrets of servers", sql: include_str!("migrations/control-0004.sql") },
        Migration { number: 5, name: "wishes of sessions", sql: include_str!("migrations/control-0005.sql") },
    ],
};

/// The events database: what hosted code printed. Apart from control, so that a flood of lines never delays a deploy.
pub const EVENTS: MigrationSet = MigrationSet {
    name: "events",
    migrations: &[
        Migration { number: 1, name: "log lines", sql: include_str!("migrations/events-0001.sql") },
        Migration { number: 2, name: "whose line it is", sql: include_str!("migrations/events-0002.sql") },
        Migration { number: 3, name: "traces", sql: include_str!("migrations/events-0003.sql") },
    ],
};

/// The streams database: events that clients may come back for. Apart from the others, because a call waits for it.
pub const STREAMS: MigrationSet = MigrationSet {
    name: "streams",
    migrations: &[Migration {
        number: 1,
        name: "event streams",
        sql: include_str!("migrations/streams-0001.sql"),
    }],
};

/// A data database: what hosted code of one tenant stores.
pub const DATA: MigrationSet = MigrationSet {
    name: "data",
    migrations: &[Migration {
        number: 1,
        name: "kv and objects",
        sql: include_str!("migrations/data-0001.sql"),
    }],
};

/// Every store of the control database, over one `Sql`.
#[derive(Clone)]
pub struct ControlStore<S> {
    sql: Arc<S>,
}

impl<S: Sql> ControlStore<S> {
    /// Stores over a migrated control database.
    pub fn new(sql: Arc<S>) -> Self {
        Self { sql }
    }
}

/// The store of the events database.
#[derive(Clone)]
pub struct EventStore<S> {
    sql: Arc<S>,
}

impl<S: Sql> EventStore<S> {
    /// A store over a migrated events database.
    pub fn new(sql: Arc<S>) -> Self {
        Self { sql }
    }
}
