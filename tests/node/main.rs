//! The real binary with the real workerd: start, deploy, call, kill, stop.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod deploys;
mod egress;
mod identity;
mod keys;
mod life;
mod limits;
mod storage;
