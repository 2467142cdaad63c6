//! What hosted code is given: each capability is one module that serves a binding's wire protocol.

mod body;
pub mod kv;
mod refusal;
mod stores;
mod uri;

pub use stores::Stores;
