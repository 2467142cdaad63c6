//! Objects move to a newer key of their tenant: what is known of them in their rows, and their content among the blobs.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smcp_types::{DataKeyId, Result, TenantId};

use super::{
    Column,
    content::{Content, chunks},
    place,
};
use crate::{
    ports::{
        Kind, ObjectRow, ObjectSeal, PartRow, PartSeal, Place, Resealable, Resealed, SealedRows, Sealer,
        SegmentRow, StoredId, UploadRow,
    },
    storage::{
        Store,
        position::{self, AT_ONCE},
    },
    vault::{count, has_to_move},
};

/// Rows of objects, of uploads and of their parts, as a rotation moves them.
pub(crate) struct ObjectHeads {
    pub(crate) sealed: Arc<dyn SealedRows>,
    pub(crate) sealer: Arc<dyn Sealer>,
}

/// What of a tenant's rows comes next.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Position {
    Objects(Option<(String, String)>),
    Uploads(Option<StoredId>),
    Parts(Option<(StoredId, u32)>),
}

impl Position {
    /// After a page of rows: on in the same table if there may be more, else in the next one, or nowhere.
    fn after(&self, rows: &[ObjectSeal], more: bool) -> Option<Self> {
        match (rows.last().filter(|_| more), self) {
            (Some(ObjectSeal::Object(bucket, row)), _) => {
                Some(Self::Objects(Some((bucket.clone(), row.key.clone()))))
            }
            (Some(ObjectSeal::Upload(row)), _) => Some(Self::Uploads(Some(row.id))),
            (Some(ObjectSeal::Part(seal)), _) => Some(Self::Parts(Some((seal.upload, seal.part.number)))),
            (None, Self::Objects(_)) => Some(Self::Uploads(None)),
            (None, Self::Uploads(_)) => Some(Self::Parts(None)),
            (None, Self::Parts(_)) => None,
        }
    }
}

#[async_trait]
impl Resealable for ObjectHeads {
    fn name(&self) -> &'static str {
        "objects"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::ObjectMetadata]
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed> {
        let limit = limit.min(AT_ONCE);
        let position = after.map_or(Ok(Position::Objects(None)), position::read)?;
        let rows = self.page(tenant, &position, limit).await?;
        let mut step = Resealed::default();
        for row in &rows {
            let columns: &[&[u8]] = match row {
                ObjectSeal::Object(_, row) => &[&row.head, &row.layout],
                ObjectSeal::Upload(row) => &[&row.head],
                ObjectSeal::Part(seal) => &[&seal.part.head],
            };
            if columns.iter().any(|column| has_to_move(column, retiring)) {
                count(&mut step, tenant, self.move_one(tenant, row).await)?;
            }
        }
        let next = position.after(&rows, rows.len() >= limit as usize);
        step.next = next.as_ref().map(position::write).transpose()?;
        Ok(step)
    }
}

impl ObjectHeads {
    async fn page(&self, tenant: TenantId, position: &Position, limit: u32) -> Result<Vec<ObjectSeal>> {
        Ok(match position {
            Position::Objects(after) => {
                let after = after.as_ref().map(|(bucket, key)| (bucket.as_str(), key.as_str()));
                let rows = self.sealed.objects(tenant, after, limit).await?;
                rows.into_iter().map(|(bucket, row)| ObjectSeal::Object(bucket, row)).collect()
            }
            Position::Uploads(after) => {
                let rows = self.sealed.uploads(tenant, *after, limit).await?;
                rows.into_iter().map(ObjectSeal::Upload).collect()
            }
            Position::Parts(after) => {
                let rows = self.sealed.parts(tenant, *after, limit).await?;
                rows.into_iter().map(ObjectSeal::Part).collect()
            }
        })
    }

    async fn move_one(&self, tenant: TenantId, before: &ObjectSeal) -> Result<bool> {
        let (kind, store) = (Kind::ObjectMetadata, |bucket| Store { tenant, name: bucket });
        let after = match before {
            ObjectSeal::Object(bucket, row) => {
                let at = |column| place(store(bucket), kind, column, &row.key, &row.id);
                let head = self.anew(&at(Column::Head).of(), &row.head).await?;
                let layout = self.anew(&at(Column::Layout).of(), &row.layout).await?;
                ObjectSeal::Object(bucket.clone(), ObjectRow { head, layout, ..row.clone() })
            }
            ObjectSeal::Upload(row) => {
                let at = place(store(&row.bucket), kind, Column::Upload, &row.key, &row.id);
                let head = self.anew(&at.of(), &row.head).await?;
                ObjectSeal::Upload(UploadRow { head, ..row.clone() })
            }
            ObjectSeal::Part(seal) => {
                let segment = &seal.part.segment;
                let at = place(store(&seal.bucket), kind, Column::Segment, &seal.key, segment);
                let head = self.anew(&at.of(), &seal.part.head).await?;
                let part = PartRow { head, ..seal.part.clone() };
                ObjectSeal::Part(PartSeal { part, ..seal.clone() })
            }
        };
        Ok(self.sealed.replace(tenant, before, &after).await?)
    }

    async fn anew(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let plain = self.sealer.open(place, sealed).await?;
        self.sealer.seal(place, &plain).await
    }
}

/// Content of objects, as a rotation moves it.
pub(crate) struct ObjectContent {
    pub(crate) sealed: Arc<dyn SealedRows>,
    pub(crate) content: Content,
}

#[async_trait]
impl Resealable for ObjectContent {
    fn name(&self) -> &'static str {
        "content of objects"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::ObjectChunk]
    }

    async fn reseal(
        &self,
        tenant: TenantId,
        retiring: &[DataKeyId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Resealed> {
        let limit = limit.min(AT_ONCE);
        // The segment and the first of its chunks that has not been looked at.
        let (from, mut number): (StoredId, u64) = after.map_or(Ok(([0; 16], 0)), position::read)?;
        let segments = self.sealed.segments(tenant, from, limit).await?;
        let (mut step, mut left) = (Resealed::default(), u64::from(limit));
        for (segment, owned) in &segments {
            if segment.id != from {
                number = 0;
            }
            let end = chunks(segment.bytes).min(number.saturating_add(left));
            for number in number..end {
                self.look_at(&mut step, tenant, (segment, number, *owned), retiring).await?;
            }
            left -= end.saturating_sub(number);
            if left == 0 {
                step.next = Some(position::write(&(segment.id, end))?);
                return Ok(step);
            }
        }
        let last = segments.last().filter(|_| segments.len() >= limit as usize);
        let next = last.and_then(|(segment, _)| u128::from_be_bytes(segment.id).checked_add(1));
        step.next = next.map(|next| position::write(&(next.to_be_bytes(), 0_u64))).transpose()?;
        Ok(step)
    }
}

impl ObjectContent {
    /// Moves one chunk, if it has to be and is there. What is being written is left to whoever writes it.
    async fn look_at(
        &self,
        step: &mut Resealed,
        tenant: TenantId,
        (segment, number, owned): (&SegmentRow, u64, bool),
        retiring: &[DataKeyId],
    ) -> Result<()> {
        let store = Store { tenant, name: &segment.bucket };
        let Some(seal) = self.content.seal_of(store, segment.id, number).await? else { return Ok(()) };
        if !has_to_move(&seal, retiring) {
            return Ok(());
        }
        if !owned {
            step.waiting += 1;
            return Ok(());
        }
        let moved = self.content.reseal(store, segment.id, number).await;
        let moved = match moved {
            // Given up meanwhile, and perhaps removed before this put it back. Whoever gives it up later removes it himself.
            Ok(true) if !self.sealed.has_owner(tenant, segment.id).await? => {
                self.content.remove_chunk(store, segment.id, number).await.map(|()| false)
            }
            Ok(_) | Err(_) => moved,
        };
        count(step, tenant, moved)
    }
}
