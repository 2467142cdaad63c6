//! The rows of multipart uploads.

use async_trait::async_trait;
use smcp_core::ports::{PartRow, StoreError, StoreResult, StoredId, UploadRow, UploadRows, Wrote};
use smcp_types::{TenantId, UnixMillis};

use crate::{
    data::{DataStore, Databases, key, number, quota_row, text},
    objects::{id, write},
    port::Statement,
    row::{Columns, all, one},
};

/// A part's number.
pub(crate) fn part_number(columns: &mut Columns) -> StoreResult<u32> {
    let wide = |_| StoreError::Broken("a part's number is none".to_owned());
    u32::try_from(columns.take::<i64>()?).map_err(wide)
}

pub(crate) fn read(columns: &mut Columns) -> StoreResult<UploadRow> {
    Ok(UploadRow {
        id: columns.take()?,
        bucket: columns.take()?,
        key: text(columns.take()?)?,
        head: columns.take()?,
        created_at: columns.take()?,
    })
}

#[async_trait]
impl<D: Databases> UploadRows for DataStore<D> {
    async fn create(&self, tenant: TenantId, upload: &UploadRow, quota: u64) -> StoreResult<Wrote> {
        let insert = "INSERT INTO uploads (tenant_id, id, bucket, key, bytes, head, created_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let bytes = upload.key.len() + upload.head.len();
        let row = [
            tenant.into(),
            id(upload.id),
            upload.bucket.as_str().into(),
            key(&upload.key),
            number(bytes as u64),
            upload.head.as_slice().into(),
            upload.created_at.into(),
        ];
        let statements = vec![quota_row(tenant, quota), Statement::new(insert, row)];
        write(&*self.sql(tenant).await?, statements, None).await
    }

    async fn get(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Option<UploadRow>> {
        let query = "SELECT id, bucket, key, head, created_at FROM uploads WHERE tenant_id = ?1 AND id = ?2";
        one(self.sql(tenant).await?.run(Statement::new(query, [tenant.into(), id(upload)])).await?, read)
    }

    async fn put_part(&self, tenant: TenantId, upload: StoredId, part: &PartRow) -> StoreResult<Wrote> {
        let upsert = "INSERT INTO parts (tenant_id, upload, number, segment, head)
                      SELECT ?1, ?2, ?3, ?4, ?5
                      WHERE EXISTS (SELECT 1 FROM uploads WHERE tenant_id = ?1 AND id = ?2)
                        AND EXISTS (SELECT 1 FROM segments WHERE tenant_id = ?1 AND id = ?4 AND owner IS NULL
                                      AND upload IS NULL)
                      ON CONFLICT (tenant_id, upload, number) DO UPDATE
                        SET segment = excluded.segment, head = excluded.head
                      RETURNING number";
        let claim = "UPDATE segments SET upload = ?2 WHERE tenant_id = ?1 AND id = ?4
                     AND EXISTS (SELECT 1 FROM parts WHERE tenant_id = ?1 AND upload = ?2 AND number = ?3
                                   AND segment = ?4)";
        let of = || [tenant.into(), id(upload), part.number.into(), id(part.segment)];
        let [a, b, c, d] = of();
        let row = [a, b, c, d, part.head.as_slice().into()];
        let statements = vec![Statement::new(upsert, row), Statement::new(claim, of())];
        write(&*self.sql(tenant).await?, statements, Some(0)).await
    }

    async fn parts(&self, tenant: TenantId, upload: StoredId) -> StoreResult<Vec<PartRow>> {
        let query =
            "SELECT number, segment, head FROM parts WHERE tenant_id = ?1 AND upload = ?2 ORDER BY number";
        let rows = self.sql(tenant).await?.run(Statement::new(query, [tenant.into(), id(upload)])).await?;
        all(rows, |columns| {
            Ok(PartRow { number: part_number(columns)?, segment: columns.take()?, head: columns.take()? })
        })
    }

    async fn abort(&self, tenant: TenantId, upload: StoredId) -> StoreResult<bool> {
        let delete = "DELETE FROM uploads WHERE tenant_id = ?1 AND id = ?2 RETURNING id";
        let gone = self.sql(tenant).await?.run(Statement::new(delete, [tenant.into(), id(upload)])).await?;
        Ok(!gone.is_empty())
    }

    async fn stale(&self, tenant: TenantId, before: UnixMillis, limit: u32) -> StoreResult<Vec<StoredId>> {
        let query = "SELECT id FROM uploads WHERE tenant_id = ?1 AND created_at <= ?2
                     ORDER BY created_at LIMIT ?3";
        let parameters = [tenant.into(), before.into(), limit.into()];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, Columns::take)
    }
}
