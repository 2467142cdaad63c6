//! Runs hosted code: workerd processes, their sockets and logs.

mod account;
mod cache;
pub mod capability;
mod child;
mod config;
mod drain;
mod exit;
mod feed;
mod launcher;
mod link;
mod locate;
mod log_budget;
mod logline;
mod memory_file;
mod outlet;
mod process;
mod run_folder;
pub mod sandbox;
pub mod sql;
pub mod state;
mod supervisor;
mod trash;
mod trial;
mod turns;
mod watchdog;

pub use cache::Bundles;
pub use child::{Child, Ended, Meter};
pub use launcher::{LaunchSpec, Launcher};
pub use locate::{Workerd, in_runtime, locate};
pub use supervisor::{Options, Parts, Supervisor};
pub use trash::Trash;
