//! The rows of objects and of the segments that their content lies in.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use smcp_core::ports::{
    Expected, ObjectRow, ObjectRows, SegmentRow, Source, Span, StoreResult, StoredId, Wrote,
};
use smcp_types::{TenantId, UnixMillis};

use crate::{
    data::{DataStore, Databases, after_all, key, number, quota_row, text},
    port::{Sql, SqlError, Statement, Value},
    row::{Columns, all, one},
};

pub(crate) fn read(columns: &mut Columns) -> StoreResult<ObjectRow> {
    Ok(ObjectRow {
        key: text(columns.take()?)?,
        id: columns.take()?,
        head: columns.take()?,
        layout: columns.take()?,
    })
}

pub(crate) fn segment(columns: &mut Columns) -> StoreResult<SegmentRow> {
    Ok(SegmentRow {
        id: columns.take()?,
        bucket: columns.take()?,
        bytes: columns.take::<i64>()?.cast_unsigned(),
    })
}

/// The row of an object, if what is there is as expected and what it is made of is still nobody's.
const UPSERT: &str = "INSERT INTO objects (tenant_id, bucket, key, id, bytes, head, layout)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
  WHERE (?8 = 0 OR (SELECT id FROM objects WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3) IS ?9)
    AND (?10 IS NULL OR EXISTS (SELECT 1 FROM segments WHERE tenant_id = ?1 AND id = ?10 AND owner IS NULL
                                  AND upload IS NULL))
    AND (?11 IS NULL OR (SELECT count(*) FROM parts WHERE tenant_id = ?1 AND upload = ?11
                           AND lower(hex(segment)) IN (SELECT value FROM json_each(?12))) = json_array_length(?12))
  ON CONFLICT (tenant_id, bucket, key) DO UPDATE SET id = excluded.id, bytes = excluded.bytes,
    head = excluded.head, layout = excluded.layout
  RETURNING id";
const CLAIM: &str = "UPDATE segments SET owner = ?3 WHERE tenant_id = ?1 AND id = ?2
  AND EXISTS (SELECT 1 FROM objects WHERE tenant_id = ?1 AND bucket = ?4 AND key = ?5 AND id = ?3)";
const CLAIM_PARTS: &str = "UPDATE segments SET owner = ?3, upload = NULL WHERE tenant_id = ?1 AND upload = ?2
  AND lower(hex(id)) IN (SELECT value FROM json_each(?4))
  AND EXISTS (SELECT 1 FROM objects WHERE tenant_id = ?1 AND bucket = ?5 AND key = ?6 AND id = ?3)";
const COMPLETE: &str = "DELETE FROM uploads WHERE tenant_id = ?1 AND id = ?2
  AND EXISTS (SELECT 1 FROM objects WHERE tenant_id = ?1 AND bucket = ?4 AND key = ?5 AND id = ?3)";

/// All statements of a put; the second one's rows tell whether it was done.
fn put(
    tenant: TenantId,
    bucket: &str,
    row: &ObjectRow,
    how: (Expected, &Source),
    quota: u64,
) -> Vec<Statement> {
    let (compared, same) = match how.0 {
        Expected::Any => (0, None),
        Expected::Same(id) => (1, id),
    };
    let (segment, upload, parts) = match how.1 {
        Source::Segment(segment) => (*segment, None, "[]".to_owned()),
        Source::Upload(upload, segments) => {
            let names: Vec<_> = segments.iter().map(|id| format!("\"{}\"", HEXLOWER.encode(id))).collect();
            (None, Some(*upload), format!("[{}]", names.join(",")))
        }
    };
    let bytes = row.key.len() + row.head.len() + row.layout.len();
    let upsert = [
        tenant.into(),
        bucket.into(),
        key(&row.key),
        id(row.id),
        number(bytes as u64),
        row.head.as_slice().into(),
        row.layout.as_slice().into(),
        Value::Integer(compared),
        same.map_or(Value::Null, id),
        segment.map_or(Value::Null, id),
        upload.map_or(Value::Null, id),
        parts.as_str().into(),
    ];
    let mut statements = vec![quota_row(tenant, quota), Statement::new(UPSERT, upsert)];
    if let Some(segment) = segment {
        let claim = [tenant.into(), id(segment), id(row.id), bucket.into(), key(&row.key)];
        statements.push(Statement::new(CLAIM, claim));
    }
    if let Some(upload) = upload {
        let of = || [tenant.into(), id(upload), id(row.id)];
        let ([a, b, c], [d, e, f]) = (of(), of());
        let claim = [a, b, c, parts.as_str().into(), bucket.into(), key(&row.key)];
        statements.push(Statement::new(CLAIM_PARTS, claim));
        statements.push(Statement::new(COMPLETE, [d, e, f, bucket.into(), key(&row.key)]));
    }
    statements
}

pub(crate) fn id(id: StoredId) -> Value {
    Value::Blob(id.to_vec())
}

/// Runs a write whose first statement is the quota's; `answer` is the number of the one that returns a row when done.
pub(crate) async fn write(
    sql: &dyn Sql,
    statements: Vec<Statement>,
    answer: Option<usize>,
) -> StoreResult<Wrote> {
    match sql.batch(statements).await {
        Ok(rows) => {
            let done = answer.is_none_or(|at| rows.get(at).is_some_and(|rows| !rows.is_empty()));
            Ok(if done { Wrote::Done } else { Wrote::Changed })
        }
        Err(SqlError::Raised(_)) => Ok(Wrote::OverQuota),
        Err(error) => Err(error.into()),
    }
}

#[async_trait]
impl<D: Databases> ObjectRows for DataStore<D> {
    async fn get(&self, tenant: TenantId, bucket: &str, name: &str) -> StoreResult<Option<ObjectRow>> {
        let query =
            "SELECT key, id, head, layout FROM objects WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3";
        let place = [tenant.into(), bucket.into(), key(name)];
        one(self.sql(tenant).await?.run(Statement::new(query, place)).await?, read)
    }

    async fn put(
        &self,
        tenant: TenantId,
        bucket: &str,
        row: &ObjectRow,
        how: (Expected, &Source),
        quota: u64,
    ) -> StoreResult<Wrote> {
        write(&*self.sql(tenant).await?, put(tenant, bucket, row, how, quota), Some(1)).await
    }

    async fn delete(&self, tenant: TenantId, bucket: &str, keys: &[String]) -> StoreResult<()> {
        let delete = "DELETE FROM objects WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3";
        let each = keys.iter().map(|name| Statement::new(delete, [tenant.into(), bucket.into(), key(name)]));
        self.sql(tenant).await?.batch(each.collect()).await?;
        Ok(())
    }

    async fn list(&self, tenant: TenantId, bucket: &str, span: &Span) -> StoreResult<Vec<ObjectRow>> {
        let query = "SELECT key, id, head, x'' FROM objects
                     WHERE tenant_id = ?1 AND bucket = ?2 AND key >= ?3 AND key > ?4 AND (?5 IS NULL OR key < ?5)
                     ORDER BY key LIMIT ?6";
        let parameters = [
            tenant.into(),
            bucket.into(),
            key(&span.prefix),
            key(span.after.as_deref().unwrap_or_default()),
            after_all(&span.prefix),
            span.limit.into(),
        ];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, read)
    }

    async fn buckets(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>> {
        let query = "SELECT bucket, count(*) FROM objects WHERE tenant_id = ?1
                     GROUP BY bucket ORDER BY bucket LIMIT ?2";
        let rows = self.sql(tenant).await?.run(Statement::new(query, [tenant.into(), limit.into()])).await?;
        all(rows, |columns| Ok((columns.take()?, columns.take::<i64>()?.cast_unsigned())))
    }

    async fn reserve(
        &self,
        tenant: TenantId,
        segment: &SegmentRow,
        now: UnixMillis,
        quota: u64,
    ) -> StoreResult<Wrote> {
        let insert = "INSERT INTO segments (tenant_id, id, bucket, bytes, since) VALUES (?1, ?2, ?3, ?4, ?5)";
        let SegmentRow { id: name, bucket, bytes } = segment;
        let row = [tenant.into(), id(*name), bucket.as_str().into(), number(*bytes), now.into()];
        let statements = vec![quota_row(tenant, quota), Statement::new(insert, row)];
        write(&*self.sql(tenant).await?, statements, None).await
    }

    async fn orphans(&self, tenant: TenantId, noted: UnixMillis, limit: u32) -> StoreResult<Vec<SegmentRow>> {
        let query = "SELECT id, bucket, bytes FROM segments
                     WHERE tenant_id = ?1 AND owner IS NULL AND upload IS NULL AND since <= ?2
                     ORDER BY since LIMIT ?3";
        let parameters = [tenant.into(), noted.into(), limit.into()];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, segment)
    }

    async fn forget(&self, tenant: TenantId, segment: StoredId) -> StoreResult<()> {
        let delete = "DELETE FROM segments
                      WHERE tenant_id = ?1 AND id = ?2 AND owner IS NULL AND upload IS NULL";
        self.sql(tenant).await?.run(Statement::new(delete, [tenant.into(), id(segment)])).await?;
        Ok(())
    }
}
