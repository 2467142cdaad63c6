//! Roles and Cedar policies: may this caller do this to that, and may hosted code reach this address? Pure decisions.

mod action;
mod address;
mod engine;
mod role;

pub use action::{Action, Target};
pub use address::{Forbidden, check_address, forbidden};
pub use engine::{Decision, Policy, PolicyError, Subject};
pub use role::{ParseRoleError, Role};
