//! The way out, from a request of hosted code to the bytes that leave and come back. Nothing here leaves loopback: what
//! must not be reached is asserted at a dialer that records.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod bounds;
mod dns;
mod echoes;
mod exchange;
mod refusals;
mod roots;
mod secrets;
mod stage;
mod upstream;
