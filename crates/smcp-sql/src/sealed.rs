//! The sealed columns of KV values, objects, uploads and parts, as resealing sees them.

use async_trait::async_trait;
use smcp_core::{
    ports::{
        KvRow, KvSeal, ObjectRow, ObjectSeal, PartRow, PartSeal, SealedRows, SegmentRow, StoreResult,
        StoredId, UploadRow,
    },
    vault::SEAL_BYTES,
};
use smcp_types::TenantId;

use crate::{
    data::{DataStore, Databases, key, number, text},
    kv::PIECE,
    objects::{self, id, segment},
    port::{Statement, Value},
    row::{Columns, all},
    uploads,
};

/// Where a page goes on: before everything, when it goes on after nothing. No name is empty, and numbers begin with 1.
fn begin(tenant: TenantId, after: Option<(&str, &str)>, limit: u32) -> [Value; 4] {
    let (name, last) = after.unwrap_or_default();
    [tenant.into(), name.into(), key(last), limit.into()]
}

/// The beginning of a sealed column, as a parameter.
fn beginning(sealed: &[u8]) -> Value {
    sealed[..sealed.len().min(SEAL_BYTES)].into()
}

/// A value that is what it was gets other sealed bytes; then its pieces do, if it has got them.
fn replace_kv(tenant: TenantId, namespace: &str, before: &KvRow, after: &KvRow) -> Vec<Statement> {
    let update = "UPDATE kv SET value = ?4, metadata = ?5
                  WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3 AND version = ?6
                    AND substr(value, 1, ?7) = ?8 AND metadata IS ?9
                  RETURNING version";
    let piece = "UPDATE kv_pieces SET piece = ?5
                 WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3 AND number = ?4
                   AND EXISTS (SELECT 1 FROM kv WHERE tenant_id = ?1 AND namespace = ?2 AND key = ?3
                                 AND version = ?6 AND substr(value, 1, ?7) = ?8)";
    let place = || [tenant.into(), namespace.into(), key(&before.key)];
    let seal = |row: &KvRow| [number(row.version), number(SEAL_BYTES as u64), beginning(&row.value)];
    let (head, rest) = after.value.split_at(after.value.len().min(PIECE));
    let ([a, b, c], [f, g, h]) = (place(), seal(before));
    let (new, old) = (after.metadata.as_deref().into(), before.metadata.as_deref().into());
    let mut statements = vec![Statement::new(update, [a, b, c, head.into(), new, f, g, h, old])];
    for (index, bytes) in rest.chunks(PIECE).enumerate() {
        let ([a, b, c], [f, g, h]) = (place(), seal(after));
        statements.push(Statement::new(piece, [a, b, c, number(index as u64), bytes.into(), f, g, h]));
    }
    statements
}

/// A row of a bucket that is what it was gets other sealed bytes.
fn replace(tenant: TenantId, before: &ObjectSeal, after: &ObjectSeal) -> Option<Statement> {
    let object = "UPDATE objects SET head = ?5, layout = ?6
                  WHERE tenant_id = ?1 AND bucket = ?2 AND key = ?3 AND id = ?4 AND head = ?7 AND layout = ?8
                  RETURNING id";
    let upload = "UPDATE uploads SET head = ?3 WHERE tenant_id = ?1 AND id = ?2 AND head = ?4 RETURNING id";
    let part = "UPDATE parts SET head = ?5
                WHERE tenant_id = ?1 AND upload = ?2 AND number = ?3 AND segment = ?4 AND head = ?6
                RETURNING number";
    let bytes = |sealed: &Vec<u8>| Value::from(sealed.as_slice());
    Some(match (before, after) {
        (ObjectSeal::Object(bucket, before), ObjectSeal::Object(_, after)) => {
            let [e, f, g, h] = [&after.head, &after.layout, &before.head, &before.layout].map(bytes);
            let [a, b, c, d] = [tenant.into(), bucket.as_str().into(), key(&before.key), id(before.id)];
            Statement::new(object, [a, b, c, d, e, f, g, h])
        }
        (ObjectSeal::Upload(before), ObjectSeal::Upload(after)) => {
            let [new, old] = [&after.head, &before.head].map(bytes);
            Statement::new(upload, [tenant.into(), id(before.id), new, old])
        }
        (ObjectSeal::Part(before), ObjectSeal::Part(after)) => {
            let (number, segment) = (before.part.number, before.part.segment);
            let [new, old] = [&after.part.head, &before.part.head].map(bytes);
            Statement::new(part, [tenant.into(), id(before.upload), number.into(), id(segment), new, old])
        }
        (ObjectSeal::Object(..) | ObjectSeal::Upload(_) | ObjectSeal::Part(_), _) => return None,
    })
}

fn part(columns: &mut Columns) -> StoreResult<PartSeal> {
    Ok(PartSeal {
        upload: columns.take()?,
        bucket: columns.take()?,
        key: text(columns.take()?)?,
        part: PartRow {
            number: uploads::part_number(columns)?,
            segment: columns.take()?,
            head: columns.take()?,
        },
    })
}

#[async_trait]
impl<D: Databases> SealedRows for DataStore<D> {
    async fn kv(
        &self,
        tenant: TenantId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<KvSeal>> {
        let query = "SELECT namespace, key, substr(value, 1, ?5), substr(metadata, 1, ?5) FROM kv
                     WHERE tenant_id = ?1 AND (namespace, key) > (?2, ?3)
                     ORDER BY namespace, key LIMIT ?4";
        let [a, b, c, d] = begin(tenant, after, limit);
        let parameters = [a, b, c, d, number(SEAL_BYTES as u64)];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, |columns| {
            Ok(KvSeal {
                namespace: columns.take()?,
                key: text(columns.take()?)?,
                value: columns.take()?,
                metadata: columns.take()?,
            })
        })
    }

    async fn objects(
        &self,
        tenant: TenantId,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> StoreResult<Vec<(String, ObjectRow)>> {
        let query = "SELECT bucket, key, id, head, layout FROM objects
                     WHERE tenant_id = ?1 AND (bucket, key) > (?2, ?3)
                     ORDER BY bucket, key LIMIT ?4";
        let rows = self.sql(tenant).await?.run(Statement::new(query, begin(tenant, after, limit))).await?;
        all(rows, |columns| Ok((columns.take()?, objects::read(columns)?)))
    }

    async fn uploads(
        &self,
        tenant: TenantId,
        after: Option<StoredId>,
        limit: u32,
    ) -> StoreResult<Vec<UploadRow>> {
        let query = "SELECT id, bucket, key, head, created_at FROM uploads
                     WHERE tenant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        // Before all ids: nothing is before an empty one.
        let parameters = [tenant.into(), after.map_or(Value::Blob(Vec::new()), id), limit.into()];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, uploads::read)
    }

    async fn parts(
        &self,
        tenant: TenantId,
        after: Option<(StoredId, u32)>,
        limit: u32,
    ) -> StoreResult<Vec<PartSeal>> {
        let query = "SELECT parts.upload, uploads.bucket, uploads.key, parts.number, parts.segment, parts.head
                     FROM parts JOIN uploads ON uploads.tenant_id = parts.tenant_id AND uploads.id = parts.upload
                     WHERE parts.tenant_id = ?1 AND (parts.upload, parts.number) > (?2, ?3)
                     ORDER BY parts.upload, parts.number LIMIT ?4";
        let (upload, last) = after.unwrap_or_default();
        let parameters = [tenant.into(), id(upload), last.into(), limit.into()];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, part)
    }

    async fn segments(
        &self,
        tenant: TenantId,
        from: StoredId,
        limit: u32,
    ) -> StoreResult<Vec<(SegmentRow, bool)>> {
        let query = "SELECT id, bucket, bytes, owner IS NOT NULL OR upload IS NOT NULL FROM segments
                     WHERE tenant_id = ?1 AND id >= ?2 ORDER BY id LIMIT ?3";
        let parameters = [tenant.into(), id(from), limit.into()];
        all(self.sql(tenant).await?.run(Statement::new(query, parameters)).await?, |columns| {
            Ok((segment(columns)?, columns.take::<i64>()? != 0))
        })
    }

    async fn has_owner(&self, tenant: TenantId, segment: StoredId) -> StoreResult<bool> {
        let query = "SELECT 1 FROM segments
                     WHERE tenant_id = ?1 AND id = ?2 AND (owner IS NOT NULL OR upload IS NOT NULL)";
        let rows = self.sql(tenant).await?.run(Statement::new(query, [tenant.into(), id(segment)])).await?;
        Ok(!rows.is_empty())
    }

    async fn replace_kv(
        &self,
        tenant: TenantId,
        namespace: &str,
        before: &KvRow,
        after: &KvRow,
    ) -> StoreResult<bool> {
        let done = self.sql(tenant).await?.batch(replace_kv(tenant, namespace, before, after)).await?;
        Ok(done.first().is_some_and(|rows| !rows.is_empty()))
    }

    async fn replace(&self, tenant: TenantId, before: &ObjectSeal, after: &ObjectSeal) -> StoreResult<bool> {
        let Some(statement) = replace(tenant, before, after) else { return Ok(false) };
        Ok(!self.sql(tenant).await?.run(statement).await?.is_empty())
    }
}
