//! The log of event streams in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use smcp_core::ports::{Scope, StoreError, StoreResult, StreamEvent, StreamLog, StreamRecord};
use smcp_types::{StreamId, TenantId, UnixMillis};

use super::MemoryStores;

/// Streams, and their events in the order in which they came.
#[derive(Default)]
pub(crate) struct Streams {
    streams: BTreeMap<(TenantId, StreamId), StreamRecord>,
    events: Vec<(TenantId, StreamId, Scope, StreamEvent)>,
}

#[async_trait]
impl StreamLog for MemoryStores {
    async fn append(&self, stream: &StreamRecord, events: &[StreamEvent]) -> StoreResult<()> {
        let (tenant, id) = (stream.tenant, stream.id);
        let mut tables = self.lock();
        let Streams { streams, events: all } = &mut tables.streams;
        let taken = |event: &StreamEvent| {
            all.iter().any(|(t, s, _, known)| (*t, *s, known.number) == (tenant, id, event.number))
        };
        if events.iter().any(taken) {
            return Err(StoreError::Taken);
        }
        all.extend(events.iter().map(|event| (tenant, id, stream.scope, event.clone())));
        let kept = streams.entry((tenant, id)).or_insert_with(|| stream.clone());
        let last = kept.last.max(stream.last);
        (kept.last, kept.ended, kept.expires_at) = (last, stream.ended, stream.expires_at);
        Ok(())
    }

    async fn stream(&self, tenant: TenantId, id: StreamId) -> StoreResult<Option<StreamRecord>> {
        Ok(self.lock().streams.streams.get(&(tenant, id)).cloned())
    }

    async fn after(
        &self,
        tenant: TenantId,
        id: StreamId,
        number: i64,
        limit: u32,
    ) -> StoreResult<Vec<StreamEvent>> {
        let tables = self.lock();
        let own = tables.streams.events.iter().filter(|(t, s, ..)| (*t, *s) == (tenant, id));
        let mut events: Vec<StreamEvent> =
            own.filter(|(.., event)| event.number > number).map(|(.., event)| event.clone()).collect();
        events.sort_by_key(|event| event.number);
        events.truncate(limit as usize);
        Ok(events)
    }

    async fn trim(&self, tenant: TenantId, scope: Scope, bytes: u64, streams: u32) -> StoreResult<()> {
        let mut tables = self.lock();
        let own = |t: TenantId, s: Scope| (t, s) == (tenant, scope);
        let mut size = 0;
        tables.streams.events.reverse();
        tables.streams.events.retain(|(t, _, s, event)| {
            size += if own(*t, *s) { event.sealed.len() as u64 } else { 0 };
            !own(*t, *s) || size <= bytes
        });
        tables.streams.events.reverse();
        let mut all: Vec<_> =
            tables.streams.streams.values().filter(|s| own(s.tenant, s.scope)).cloned().collect();
        all.sort_by_key(|stream| std::cmp::Reverse((stream.expires_at, stream.id)));
        for stream in all.into_iter().skip(streams as usize) {
            tables.streams.streams.remove(&(stream.tenant, stream.id));
            tables.streams.events.retain(|(t, s, ..)| (*t, *s) != (stream.tenant, stream.id));
        }
        Ok(())
    }

    async fn forget(&self, tenant: TenantId, scope: Scope) -> StoreResult<()> {
        let mut tables = self.lock();
        tables.streams.events.retain(|(t, _, s, _)| (*t, *s) != (tenant, scope));
        tables.streams.streams.retain(|_, stream| (stream.tenant, stream.scope) != (tenant, scope));
        Ok(())
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> StoreResult<u64> {
        let mut tables = self.lock();
        let expired = tables.streams.streams.values().filter(|stream| stream.expires_at <= now);
        let mut expired: Vec<StreamRecord> = expired.cloned().collect();
        expired.sort_by_key(|stream| (stream.expires_at, stream.id));
        expired.truncate(limit as usize);
        for stream in &expired {
            tables.streams.streams.remove(&(stream.tenant, stream.id));
            tables.streams.events.retain(|(t, s, ..)| (*t, *s) != (stream.tenant, stream.id));
        }
        Ok(expired.len() as u64)
    }
}
