//! The tenant store.

use async_trait::async_trait;
use smcp_core::ports::{StoreError, StoreResult, TenantRecord, TenantStore};
use smcp_types::{LimitSet, Slug, TenantId};

use crate::{
    ControlStore,
    port::{Sql, Statement, Value},
    row::{Columns, all, one},
};

fn read(columns: &mut Columns) -> Result<TenantRecord, StoreError> {
    Ok(TenantRecord {
        id: columns.take()?,
        slug: columns.parse(slug)?,
        created_at: columns.take()?,
        ceilings: columns.parse(|text| serde_json::from_str(text).ok())?,
    })
}

/// Ceilings as they lie in the store.
fn text(ceilings: &LimitSet) -> String {
    // A map of constant keys to numbers: there is nothing in it that JSON cannot say.
    serde_json::to_string(ceilings).unwrap_or_default()
}

/// A slug as it lies in the store, the platform's own included.
pub(crate) fn slug(text: &str) -> Option<Slug> {
    if text == Slug::platform().as_str() { Some(Slug::platform()) } else { text.parse().ok() }
}

#[async_trait]
impl<S: Sql> TenantStore for ControlStore<S> {
    async fn create(&self, tenant: &TenantRecord) -> StoreResult<()> {
        let slug = tenant.slug.as_str();
        let statements = vec![
            Statement::new("INSERT INTO tenant_slugs (slug) VALUES (?1)", [slug.into()]),
            Statement::new(
                "INSERT INTO tenants (id, slug, created_at, ceilings) VALUES (?1, ?2, ?3, ?4)",
                [
                    tenant.id.into(),
                    slug.into(),
                    tenant.created_at.into(),
                    text(&tenant.ceilings).as_str().into(),
                ],
            ),
        ];
        self.sql.batch(statements).await?;
        Ok(())
    }

    async fn by_slug(&self, slug: &Slug) -> StoreResult<Option<TenantRecord>> {
        let query = "SELECT id, slug, created_at, ceilings FROM tenants WHERE slug = ?1";
        one(self.sql.run(Statement::new(query, [slug.as_str().into()])).await?, read)
    }

    async fn by_id(&self, id: TenantId) -> StoreResult<Option<TenantRecord>> {
        let query = "SELECT id, slug, created_at, ceilings FROM tenants WHERE id = ?1";
        one(self.sql.run(Statement::new(query, [id.into()])).await?, read)
    }

    async fn list(&self, after: Option<TenantId>, limit: u32) -> StoreResult<Vec<TenantRecord>> {
        let query = "SELECT id, slug, created_at, ceilings FROM tenants WHERE id > ?1 ORDER BY id LIMIT ?2";
        let after = after.map_or(Value::Blob(Vec::new()), Value::from);
        all(self.sql.run(Statement::new(query, [after, limit.into()])).await?, read)
    }

    async fn set_ceilings(&self, id: TenantId, ceilings: &LimitSet) -> StoreResult<()> {
        let query = "UPDATE tenants SET ceilings = ?2 WHERE id = ?1 RETURNING id";
        let parameters = [id.into(), text(ceilings).as_str().into()];
        let changed = self.sql.run(Statement::new(query, parameters)).await?;
        if changed.is_empty() { Err(StoreError::Stale) } else { Ok(()) }
    }
}
