//! Roles and Cedar policies: may this caller do this to that? A pure decision; the core turns it into a permit.

mod action;
mod engine;
mod role;

pub use action::{Action, Target};
pub use engine::{Decision, Policy, PolicyError, Subject};
pub use role::{ParseRoleError, Role};
