//! The real binary with the real workerd: start, deploy, call, kill, stop.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod deletion;
mod deploys;
mod durable_objects;
mod egress;
mod identity;
mod injection;
mod keys;
mod life;
mod limits;
mod logs;
mod secrets;
mod storage;
