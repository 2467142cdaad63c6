//! The platform a command talks to, with the key and tenant it acts with.

use smcp_client::Client;
use smcp_types::Slug;

use super::{Context, failure::Failure};
use crate::config::{ClientSettings, Flags};

/// Who we say we are, to the platform and to hosted servers.
pub(crate) const NAME: &str = "smcp-cli";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
const USER_AGENT: &str = concat!("smcp-cli/", env!("CARGO_PKG_VERSION"));

/// A way to a platform.
pub(crate) struct Connection {
    pub(crate) client: Client,
    tenant: Option<String>,
}

impl Connection {
    /// With the key of the settings.
    pub(crate) fn open(context: &Context) -> Result<Self, Failure> {
        let settings = ClientSettings::read(&context.layers(Flags::new())?).map_err(Failure::settings)?;
        let ClientSettings { endpoint, key, key_is_for, tenant } = settings;
        let Some(key) = key else {
            let message = match key_is_for {
                Some(theirs) => format!("the stored key is for {theirs} and is not sent to {endpoint}"),
                None => format!("there is no API key for {endpoint}"),
            };
            let hint = format!(
                "smcp login --endpoint {endpoint} stores one; the variable SMCP_KEY gives one for once"
            );
            return Err(Failure::input(message).hint(hint));
        };
        Ok(Self { client: connect(endpoint, key), tenant })
    }

    /// The tenant to act in: the one given, else the key's own.
    pub(crate) fn tenant(&self) -> Result<String, Failure> {
        if let Some(tenant) = &self.tenant {
            return Ok(tenant.clone());
        }
        let own = self.client.whoami()?.tenant;
        if own == Slug::platform().as_str() {
            let message = "which tenant? This key is the platform's own, which is none to host servers in";
            return Err(Failure::input(message).hint(
                "give --tenant SLUG; smcp tenants list shows them, smcp tenants create SLUG makes one",
            ));
        }
        Ok(own)
    }
}

/// A client that says who it is.
pub(crate) fn connect(endpoint: smcp_client::Endpoint, key: smcp_types::Secret<String>) -> Client {
    Client::new(endpoint, Some(key), USER_AGENT)
}
