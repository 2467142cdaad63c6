//! The sandbox: every hosted process is started in it, by a stub that is the same binary once more.

mod cells;
mod image;
mod jail;
mod job;
mod layer;
mod stub;
mod survey;
mod uids;

pub(crate) use cells::Cell;
pub use image::Image;
pub use jail::{Sandbox, SandboxOptions, Start, Visible};
pub use job::STUB_WORD;
pub use layer::{Layer, Layers};
pub use stub::stub_main;
pub use survey::{Mode, State, Survey, survey};
pub(crate) use uids::Lease;
