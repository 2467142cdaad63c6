//! Runs hosted code: workerd processes, their sockets and logs.

mod cache;
mod child;
mod config;
mod drain;
mod egress;
mod exit;
mod launcher;
mod link;
mod locate;
mod logline;
mod process;
mod run_folder;
pub mod sandbox;
mod supervisor;
mod trial;

pub use cache::Bundles;
pub use child::{Child, Ended, Meter};
pub use launcher::{LaunchSpec, Launcher};
pub use locate::{Workerd, in_runtime, locate};
pub use supervisor::{Options, Parts, Supervisor};
