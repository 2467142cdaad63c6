//! What hosted code may use beside its processor and memory: each process finds it behind sockets of its own, and each
//! capability is one module that serves a binding's wire protocol.

mod body;
mod counter;
mod data;
pub mod kv;
pub mod objects;
mod refusal;
mod stores;
mod uri;

use std::sync::Arc;

use smcp_core::ports::{BindingService, Outbound};

pub(crate) use counter::Counter;
pub use stores::Stores;

/// The services behind the sockets.
#[derive(Clone)]
pub struct Services {
    /// Requests to the outside.
    pub outbound: Arc<dyn Outbound>,
    /// KV namespaces.
    pub kv: Arc<dyn BindingService>,
    /// Buckets of objects.
    pub objects: Arc<dyn BindingService>,
    /// SQL databases.
    pub d1: Arc<dyn BindingService>,
}

#[cfg(test)]
mod tests;
