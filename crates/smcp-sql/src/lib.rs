//! Queries and migrations in the SQLite dialect over a two-call port.
