//! What hosted code is given: each capability is one module that serves a binding's wire protocol.

mod body;
pub mod kv;
mod refusal;
mod stores;
mod uri;

pub use stores::Stores;

/// The operations on storage of the calls so far are used up.
fn no_operations_left() -> smcp_types::Error {
    smcp_types::Error::Limited {
        message: format!(
            "over the limit of {} storage operations per call",
            smcp_core::ports::STORAGE_OPERATIONS_PER_CALL
        ),
        retry_after: std::time::Duration::from_secs(1),
    }
}

#[cfg(test)]
mod tests;
