//! The port to a server's secrets, for the moment in which one is added to a request.

use async_trait::async_trait;
use smcp_types::{Result, Secret, ServerId, TenantId};

/// Knows the secrets of servers.
#[async_trait]
pub trait SecretSource: Send + Sync + 'static {
    /// The value as it is now; `None` when nobody has set it.
    ///
    /// # Errors
    /// It cannot be read, or does not open.
    async fn reveal(&self, tenant: TenantId, server: ServerId, name: &str) -> Result<Option<Secret<String>>>;
}
