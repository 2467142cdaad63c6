//! What hosted code is given: each capability is one module that serves a binding's wire protocol.

mod body;
pub mod kv;
pub mod objects;
mod refusal;
mod stores;
mod uri;

pub use stores::Stores;

#[cfg(test)]
mod tests;
