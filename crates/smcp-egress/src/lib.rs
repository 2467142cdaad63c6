//! What leaves the platform on behalf of hosted code: DNS, checked dial, TLS, secrets, limits, and a record of it all.

mod answer;
mod body;
mod cache;
mod dial;
mod egress;
mod exchange;
mod headers;
mod inject;
mod places;
mod record;
mod refused;
mod resolve;
mod route;
mod settings;
mod target;
mod tls;

pub use dial::{Dial, Stream, TcpDialer};
pub use egress::{Egress, EgressParts};
pub use places::Concurrency;
pub use resolve::{Resolve, ResolveError, Resolved, resolver_of, system_resolver};
pub use settings::{EgressLimits, Own};
pub use target::{Target, TargetError};
pub use tls::Roots;
