//! Looking into the SQL databases of a tenant's servers, and moving them in and out.

use bytes::Bytes;
use smcp_types::Result;

use crate::{
    Platform,
    authority::{ManageData, On, Permit, ViewData},
    context::Ctx,
    ports::{DatabaseRecord, HostedBody, Imported, TenantRecord},
};

impl Platform {
    /// The databases of a tenant.
    ///
    /// # Errors
    /// As `authorize`; when they cannot be listed.
    pub async fn list_databases(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<Vec<DatabaseRecord>> {
        let permit = self.authority.authorize::<ViewData>(&ctx.caller, On::Tenant(tenant))?;
        self.databases.list(permit.tenant()).await
    }

    /// The right to change what a tenant's servers have stored: asked before a body is read.
    ///
    /// # Errors
    /// As `authorize`.
    pub fn manage_data(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<Permit<ManageData>> {
        self.authority.authorize(&ctx.caller, On::Tenant(tenant))
    }

    /// Runs statements in a database, in the form of D1's binding. Any statement may change it, so to look takes the right
    /// to change.
    ///
    /// # Errors
    /// As the port.
    pub async fn query_database(
        &self,
        permit: &Permit<ManageData>,
        database: &str,
        request: Bytes,
    ) -> Result<Bytes> {
        self.databases.query(permit.tenant(), database, request).await
    }

    /// A database as a script.
    ///
    /// # Errors
    /// As `authorize` and the port.
    pub async fn export_database(
        &self,
        ctx: &Ctx,
        tenant: &TenantRecord,
        database: &str,
    ) -> Result<HostedBody> {
        let permit = self.authority.authorize::<ViewData>(&ctx.caller, On::Tenant(tenant))?;
        self.databases.export(permit.tenant(), database).await
    }

    /// Runs a script in a database, which it makes if it is not there.
    ///
    /// # Errors
    /// As the port.
    pub async fn import_database(
        &self,
        permit: &Permit<ManageData>,
        database: &str,
        script: Bytes,
    ) -> Result<Imported> {
        self.databases.import(permit.tenant(), database, script).await
    }

    /// Removes a database with all that is in it.
    ///
    /// # Errors
    /// As `authorize` and the port.
    pub async fn delete_database(&self, ctx: &Ctx, tenant: &TenantRecord, database: &str) -> Result<()> {
        let permit = self.manage_data(ctx, tenant)?;
        self.databases.delete(permit.tenant(), database).await
    }
}
