//! The supervisor against the real workerd.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod calls;
mod jail;
mod life;
mod limits;
mod parent;
mod sql;
mod state;
mod support;
mod trials;
mod wrapper;
