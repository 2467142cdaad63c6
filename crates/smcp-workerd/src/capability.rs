//! What hosted code may use beside its processor and memory: each process finds it behind sockets of its own.

mod counter;
mod data;

use std::sync::Arc;

use smcp_core::ports::{BindingService, Outbound};

pub(crate) use counter::Counter;

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
