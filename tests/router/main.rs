//! The router from outside: bad input, order of refusal, roles, sessions, what hosted code may see and answer.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod api;
mod bad_input;
mod data_keys;
mod databases;
mod hosted;
mod identity;
mod keys;
mod limits;
mod logs;
mod modern;
mod old_sse;
mod resume;
mod secrets;
mod sessions;
mod standing;
mod stores;
mod streams;
mod timers;
mod validation;
