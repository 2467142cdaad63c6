//! Who may do what: authorisation returns a `Permit`, and the next step demands it.

use std::marker::PhantomData;

use smcp_types::{ServerId, TenantId};

/// A kind of permission a `Permit` can be for.
pub trait Act: sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Act for $name {}
    )*};
}

acts! {
    /// Sending an MCP message to a server.
    UseServer;
    /// Deploying, activating and deleting.
    Deploy;
}

/// Proof that a caller may do `A` to a server. Only `authorize` makes one.
#[derive(Debug)]
pub struct Permit<A: Act> {
    tenant: TenantId,
    server: ServerId,
    act: PhantomData<A>,
}

impl<A: Act> Permit<A> {
    /// The tenant it is for.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The server it is for.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.server
    }
}
