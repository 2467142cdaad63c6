//! Use cases, planner and all port traits of SMCP: what the platform does, free of sockets, files and clocks.

pub mod authority;
pub mod fleet;
pub mod ports;
pub mod wrapper;
