//! Tenants: create, find, list.

use smcp_types::{Error, Limit, LimitSet, Result, Slug, TenantId};

use crate::{
    Platform,
    authority::{ManageTenants, On, Permit, ViewTenant},
    context::Ctx,
    ports::TenantRecord,
};

impl Platform {
    /// Creates a tenant under a slug that was never used.
    ///
    /// # Errors
    /// `Conflict` when the slug is or was taken; as `authorize`; store errors.
    pub async fn create_tenant(&self, ctx: &Ctx, slug: Slug) -> Result<TenantRecord> {
        let now = self.clock.now();
        let id = TenantId::new(now, self.random());
        let tenant = TenantRecord { id, slug, created_at: now, ceilings: LimitSet::default() };
        self.authority.authorize::<ManageTenants>(&ctx.caller, On::Tenant(&tenant)).map_err(|error| {
            match error {
                // There is nothing to hide yet, and "no such tenant" would be a strange answer to "make one".
                Error::NotFound(_) => {
                    Error::Forbidden(smcp_types::Refusal::new("only the platform's admins make tenants"))
                }
                other => other,
            }
        })?;
        self.stores.tenants.create(&tenant).await?;
        Ok(tenant)
    }

    /// The tenant with this slug, if the caller may see it.
    ///
    /// # Errors
    /// `NotFound`, whether it is missing or hidden; store errors.
    pub async fn tenant(&self, ctx: &Ctx, slug: &str) -> Result<TenantRecord> {
        let tenant = self.tenant_by_slug(slug).await?.ok_or(Error::NotFound("tenant"))?;
        self.authority.authorize::<ViewTenant>(&ctx.caller, On::Tenant(&tenant))?;
        Ok(tenant)
    }

    /// The right to set a tenant's ceilings: asked before a body is read.
    ///
    /// # Errors
    /// `NotFound`; as `authorize`; store errors.
    pub async fn ceilings_permit(&self, ctx: &Ctx, slug: &str) -> Result<Permit<ManageTenants>> {
        let tenant = self.tenant(ctx, slug).await?;
        self.authority.authorize::<ManageTenants>(&ctx.caller, On::Tenant(&tenant))
    }

    /// Changes what the manifests of a tenant may ask for at most; without a value a limit gets the platform's ceiling
    /// again. Versions that ask for more run under the new ceiling from their next start on.
    ///
    /// # Errors
    /// `NotFound`; store errors.
    pub async fn set_ceilings(
        &self,
        permit: &Permit<ManageTenants>,
        changes: Vec<(Limit, Option<u32>)>,
    ) -> Result<TenantRecord> {
        let missing = || Error::NotFound("tenant");
        let mut tenant = self.stores.tenants.by_id(permit.tenant()).await?.ok_or_else(missing)?;
        for (limit, value) in changes {
            match value {
                Some(value) => tenant.ceilings.set(limit, value),
                None => tenant.ceilings.unset(limit),
            }
        }
        self.stores.tenants.set_ceilings(tenant.id, &tenant.ceilings).await?;
        self.known_tenants.forget(&tenant.slug.to_string());
        self.active.forget_all();
        Ok(tenant)
    }

    /// The tenants the caller may see, oldest first, after the given one.
    ///
    /// # Errors
    /// Store errors.
    pub async fn list_tenants(
        &self,
        ctx: &Ctx,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>> {
        // A tenant's own people see one tenant; reading pages of others to hide them all would be slow and telling.
        if ctx.caller.tenant() != self.platform_tenant.id {
            let own = self.stores.tenants.by_id(ctx.caller.tenant()).await?;
            return Ok(own
                .into_iter()
                .filter(|t| self.may_see(ctx, t) && after.is_none_or(|a| t.id > a))
                .collect());
        }
        let page = self.stores.tenants.list(after, limit).await?;
        Ok(page.into_iter().filter(|tenant| self.may_see(ctx, tenant)).collect())
    }

    /// The caller's own tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn own_tenant(&self, ctx: &Ctx) -> Result<TenantRecord> {
        let own = self.stores.tenants.by_id(ctx.caller.tenant()).await?;
        own.ok_or_else(|| Error::internal("a verified caller's tenant is missing"))
    }

    fn may_see(&self, ctx: &Ctx, tenant: &TenantRecord) -> bool {
        self.authority.authorize::<ViewTenant>(&ctx.caller, On::Tenant(tenant)).is_ok()
    }

    /// The tenant with this slug, from memory when it was read before. What changes in it is forgotten then.
    pub(crate) async fn tenant_by_slug(&self, slug: &str) -> Result<Option<TenantRecord>> {
        if Slug::check_form(slug).is_err() {
            return Ok(None);
        }
        if let Some(known) = self.known_tenants.get(&slug.to_owned()) {
            return Ok(Some(known));
        }
        if slug == self.platform_tenant.slug.as_str() {
            return Ok(Some(self.platform_tenant.clone()));
        }
        let Ok(parsed) = slug.parse() else { return Ok(None) };
        let epoch = self.known_tenants.epoch();
        let found = self.stores.tenants.by_slug(&parsed).await?;
        if let Some(tenant) = &found {
            self.known_tenants.fill(epoch, slug.to_owned(), tenant.clone());
        }
        Ok(found)
    }
}
