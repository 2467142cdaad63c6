//! The rows of KV namespaces.

use async_trait::async_trait;
use smcp_core::ports::{KvRow, KvRows, KvSummary, Span, StoreResult, Wrote};
use smcp_types::{TenantId, UnixMillis};

use crate::{
    data::{DataStore, Databases, after_all, key, number, quota_row, text},
    port::{Row, SqlError, Statement},
    row::{Columns, all, one},
};

/// Most bytes of a sealed value that lie in its row, and of each piece beyond.
pub(crate) const PIECE: usize = 1 << 20;

fn read(columns: &mut Columns) -> StoreResult<KvRow> {
    Ok(KvRow {
        key: text(columns.take()?)?,
        version: columns.take::<i64>()?.cast_unsigned(),
        metadata: columns.take()?,
        expires_at: columns.take()?,
        value: columns.take()?,
    })
}

fn summary(columns: &mut Columns) -> StoreResult<KvSummary> {
    Ok(KvSummary {
        key: text(columns.take()?)?,
        version: columns.take::<i64>()?.cast_unsigned(),
        metadata: columns.take()?,
        expires_at: columns.take()?,
    })
}

#[async_trait]
impl<D: Databases> KvRows for DataStore<D> {
    async fn get(
        &self,
        tenant: TenantId,
        namespace: &str,
        name: &str,
        now: UnixMillis,
    ) -> StoreResult<Option<KvRow>> {
        let row = "SELECT key, version, metadata, expires_at, value FROM kv
                   WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3 AND (expires_at IS NULL OR expires_at > ?4)";
        let pieces = "SELECT piece FROM kv_pieces
                      WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3 ORDER BY number";
        let place = || [tenant.into(), namespace.into(), key(name)];
        let [a, b, c] = place();
        // One transaction: the pieces are of the row that was read.
        let statements = vec![Statement::new(row, [a, b, c, now.into()]), Statement::new(pieces, place())];
        let mut found = self.sql(tenant).await?.batch(statements).await?.into_iter();
        let Some(mut row) = one(found.next().unwrap_or_default(), read)? else { return Ok(None) };
        for piece in found.next().unwrap_or_default() {
            row.value.extend(Columns::of(piece).take::<Vec<u8>>()?);
        }
        Ok(Some(row))
    }

    async fn put(&self, tenant: TenantId, namespace: &str, row: &KvRow, quota: u64) -> StoreResult<Wrote> {
        let clear = "DELETE FROM kv_pieces WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3";
        let upsert = "INSERT INTO kv (tenant_id, namespace, key, version, metadata, expires_at, bytes, value)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                      ON CONFLICT (tenant_id, namespace, key) DO UPDATE SET version = excluded.version,
                        metadata = excluded.metadata, expires_at = excluded.expires_at, bytes = excluded.bytes,
                        value = excluded.value";
        let add =
            "INSERT INTO kv_pieces (tenant_id, namespace, key, number, piece) VALUES (?1, ?2, ?3, ?4, ?5)";
        let place = || [tenant.into(), namespace.into(), key(&row.key)];
        let [a, b, c] = place();
        let bytes = row.key.len() + row.value.len() + row.metadata.as_ref().map_or(0, Vec::len);
        let (head, rest) = row.value.split_at(row.value.len().min(PIECE));
        let whole = [
            a,
            b,
            c,
            number(row.version),
            row.metadata.as_deref().into(),
            row.expires_at.into(),
            number(bytes as u64),
            head.into(),
        ];
        let mut statements =
            vec![quota_row(tenant, quota), Statement::new(clear, place()), Statement::new(upsert, whole)];
        for (index, piece) in rest.chunks(PIECE).enumerate() {
            let [a, b, c] = place();
            statements.push(Statement::new(add, [a, b, c, number(index as u64), piece.into()]));
        }
        match self.sql(tenant).await?.batch(statements).await {
            Ok(_) => Ok(Wrote::Done),
            Err(SqlError::Raised(_)) => Ok(Wrote::OverQuota),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, tenant: TenantId, namespace: &str, name: &str) -> StoreResult<()> {
        let delete = "DELETE FROM kv WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3";
        let place = [tenant.into(), namespace.into(), key(name)];
        self.sql(tenant).await?.run(Statement::new(delete, place)).await?;
        Ok(())
    }

    async fn list(
        &self,
        tenant: TenantId,
        namespace: &str,
        span: &Span,
        now: UnixMillis,
    ) -> StoreResult<Vec<KvSummary>> {
        let query = "SELECT key, version, metadata, expires_at FROM kv
                     WHERE tenant_id = ?1 AND namespace = ?2 AND key >= ?3 AND key > ?4 AND (?5 IS NULL OR key < ?5)
                       AND (expires_at IS NULL OR expires_at > ?6)
                     ORDER BY key LIMIT ?7";
        let parameters = [
            tenant.into(),
            namespace.into(),
            key(&span.prefix),
            // Before the first key: no key is empty.
            key(span.after.as_deref().unwrap_or_default()),
            after_all(&span.prefix),
            now.into(),
            span.limit.into(),
        ];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, summary)
    }

    async fn namespaces(&self, tenant: TenantId, limit: u32) -> StoreResult<Vec<(String, u64)>> {
        let query = "SELECT namespace, count(*) FROM kv WHERE tenant_id = ?1
                     GROUP BY namespace ORDER BY namespace LIMIT ?2";
        let rows = self.sql(tenant).await?.run(Statement::new(query, [tenant.into(), limit.into()])).await?;
        all(rows, |columns| Ok((columns.take()?, columns.take::<i64>()?.cast_unsigned())))
    }

    async fn sweep(&self, tenant: TenantId, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let delete = "DELETE FROM kv WHERE (tenant_id, namespace, key) IN
                        (SELECT tenant_id, namespace, key FROM kv
                         WHERE tenant_id = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2 LIMIT ?3)
                      RETURNING version";
        let parameters = [tenant.into(), now.into(), limit.into()];
        Ok(self.sql(tenant).await?.run(Statement::new(delete, parameters)).await?.len() as u64)
    }

    async fn used(&self, tenant: TenantId) -> StoreResult<u64> {
        let query = "SELECT bytes FROM usage WHERE tenant_id = ?1";
        let rows: Vec<Row> = self.sql(tenant).await?.run(Statement::new(query, [tenant.into()])).await?;
        Ok(one(rows, |columns| columns.take::<i64>())?.unwrap_or_default().cast_unsigned())
    }
}
