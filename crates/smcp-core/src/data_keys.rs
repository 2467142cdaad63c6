//! The keys of tenants' data and the master key: look at them, rotate them, destroy them.

use smcp_types::{Error, Refusal, Result};

use crate::{
    Platform,
    authority::{DestroyData, On, RotateDataKeys, RotateMasterKey, ViewKeys},
    context::Ctx,
    master::Rewrapped,
    ports::{DataKey, DataKeyState, TenantRecord},
    vault::rotation::Progress,
};

/// Most keys of a tenant that are not destroyed. Each is gone an hour after nothing is sealed under it any more.
const MAX_KEYS: usize = 16;

/// The keys of a tenant's data, and how far their rotation is.
#[derive(Clone, Debug)]
pub struct DataKeys {
    /// Oldest first. The wrapped bytes are left out.
    pub keys: Vec<DataKey>,
    /// What has been resealed since the platform started; `None` when nothing is to be.
    pub progress: Option<Progress>,
}

impl Platform {
    /// The keys of a tenant's data.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn data_keys(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<DataKeys> {
        self.authority.authorize::<ViewKeys>(&ctx.caller, On::Tenant(tenant))?;
        self.data_keys_of(tenant).await
    }

    /// Gives a tenant's data a new key; what was sealed under the old one is moved to it in the background.
    ///
    /// # Errors
    /// `Conflict` when too many keys are on their way out already; as `authorize`; store errors.
    pub async fn rotate_data_keys(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<DataKeys> {
        self.authority.authorize::<RotateDataKeys>(&ctx.caller, On::Tenant(tenant))?;
        let keys = self.vault.store().list(tenant.id).await?;
        if keys.iter().filter(|key| key.state != DataKeyState::Destroyed).count() >= MAX_KEYS {
            return Err(Error::Conflict(
                Refusal::new(format!(
                    "this tenant has {MAX_KEYS} data keys, and the old ones are still needed"
                ))
                .hint("wait until they are gone: smcp keys status"),
            ));
        }
        self.vault.rotate(tenant.id).await?;
        self.rotation.wake(tenant.id);
        self.data_keys_of(tenant).await
    }

    /// Destroys the keys of a tenant's data: what it has stored cannot be read again by anybody. What is still in the clear
    /// from before there was encryption is sealed first, so that it goes too.
    ///
    /// # Errors
    /// As `authorize`; store errors, after some of which the keys may be there still.
    pub async fn destroy_data(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<DataKeys> {
        self.authority.authorize::<DestroyData>(&ctx.caller, On::Tenant(tenant))?;
        self.bundles.seal_what_is_in_the_clear(tenant.id).await?;
        let destroyed = self.vault.destroy(tenant.id).await?;
        self.secrets.forget_all();
        self.rotation.wake(tenant.id);
        tracing::warn!(tenant.id = %tenant.id, keys = destroyed, "a tenant's data has been destroyed");
        self.data_keys_of(tenant).await
    }

    /// Replaces the master key; see `Master::rotate`.
    ///
    /// # Errors
    /// `Forbidden` for every tenant's own people; as `Master::rotate`.
    pub async fn rotate_master_key(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<Rewrapped> {
        if tenant.id != self.platform_tenant.id {
            return Err(Error::Forbidden(
                Refusal::new("the master key is the platform's, not this tenant's")
                    .hint("the platform's administrators replace it: smcp keys rotate-master"),
            ));
        }
        self.authority.authorize::<RotateMasterKey>(&ctx.caller, On::Platform(tenant))?;
        let done = self.vault.master.rotate(&*self.master_keys).await?;
        tracing::warn!(ring = done.ring, data = done.data, "the master key has been replaced");
        Ok(done)
    }

    async fn data_keys_of(&self, tenant: &TenantRecord) -> Result<DataKeys> {
        let mut keys = self.vault.store().list(tenant.id).await?;
        keys.iter_mut().for_each(|key| key.wrapped.clear());
        Ok(DataKeys { keys, progress: self.rotation.progress(tenant.id) })
    }
}
