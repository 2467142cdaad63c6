//! What hosted code may use beside its processor and memory: each process finds it behind sockets of its own, and each
//! capability is one module that serves a binding's wire protocol.

mod body;
mod closed;
mod counter;
pub mod d1;
mod data;
pub mod kv;
pub mod objects;
mod refusal;
mod rest;
mod stores;
mod uri;

use std::sync::Arc;

use smcp_core::ports::{BindingService, Outbound};
use smcp_manifest::LockedManifest;
use smcp_types::{Error, Refusal, Result};

pub use closed::Closed;
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
    /// What a manifest may ask for here, as its lock names it; the rest is refused at the deploy, never ignored.
    pub offered: &'static [&'static str],
}

impl Services {
    /// Whether everything that a manifest asks for is offered.
    ///
    /// # Errors
    /// `Invalid`, with what is not.
    pub(crate) fn check(&self, manifest: &LockedManifest) -> Result<()> {
        let missing = manifest.requires.iter().find(|required| !self.offered.contains(&required.as_str()));
        missing.map_or(Ok(()), |missing| {
            let message = format!("the manifest's `{missing}` section is not offered by this node yet");
            Err(Error::Invalid(Refusal::new(message).hint("remove the section to deploy")))
        })
    }
}

#[cfg(test)]
mod tests;
