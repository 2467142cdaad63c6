//! Writing a stream: each event is stored before anybody sees it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use smcp_mcp::{EventPosition, sse};
use smcp_types::{Result, StreamId};

use super::{KEPT_FOR, Owner, Reader, Streams, live::Live};
use crate::{
    ports::{StreamEvent, StreamRecord},
    timeout::within,
};

/// Larger events are sent and not kept.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// A reader that takes nothing for so long is taken to be gone: the call goes on without it.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Writes one stream; when it is dropped, whoever reads is let go.
pub(crate) struct Writer {
    streams: Arc<Streams>,
    owner: Owner,
    live: Arc<Live>,
    record: StreamRecord,
}

impl Writer {
    pub(super) fn new(streams: Arc<Streams>, owner: Owner, live: Arc<Live>, record: StreamRecord) -> Self {
        Self { streams, owner, live, record }
    }

    /// Writes events: stores them, then shows them to the reader. What cannot be stored is shown without an id, so that a
    /// client does not come back for what is not there.
    pub(crate) async fn write(&mut self, events: Vec<sse::Event>) {
        let (mut rows, mut wire) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            self.record.last += 1;
            if let Err(error) = self.prepare(event, &mut rows, &mut wire).await {
                tracing::error!(%error, "an event cannot be kept for a client that comes back");
            }
        }
        self.record.expires_at = self.streams.clock.now().after(KEPT_FOR);
        let bytes = rows.iter().map(|row: &StreamEvent| row.sealed.len()).sum();
        let mut out = Vec::new();
        match self.streams.log.append(&self.record, &rows).await {
            Ok(()) => self.streams.weigh(&self.record, bytes).await,
            Err(error) => {
                tracing::error!(%error, "events cannot be kept for clients that come back");
                wire.iter_mut().for_each(|event: &mut sse::Event| event.id = None);
            }
        }
        wire.iter().for_each(|event| sse::encode(event, &mut out));
        self.live.push(self.record.last, Bytes::from(out));
    }

    async fn prepare(
        &self,
        event: sse::Event,
        rows: &mut Vec<StreamEvent>,
        wire: &mut Vec<sse::Event>,
    ) -> Result<()> {
        let number = self.record.last;
        let mut plain = Vec::new();
        sse::encode(&sse::Event { id: None, ..event.clone() }, &mut plain);
        wire.push(sse::Event { id: None, ..event });
        if plain.len() > MAX_EVENT_BYTES {
            return Ok(());
        }
        let sealed = self.streams.seal(&self.record, number, &plain).await?;
        let position = EventPosition { stream: *self.record.id.as_bytes(), number };
        let id = self.streams.event_id(&self.owner, position)?;
        if let Some(last) = wire.last_mut() {
            last.id = Some(id);
        }
        rows.push(StreamEvent { number, sealed });
        Ok(())
    }

    /// Its id.
    pub(crate) fn id(&self) -> StreamId {
        self.record.id
    }

    /// The last event that it has had.
    pub(crate) fn last(&self) -> i64 {
        self.record.last
    }

    /// Whether somebody reads it.
    pub(crate) fn is_read(&self) -> bool {
        self.live.is_read()
    }

    /// Waits for a slow reader, and sends one away that is stuck.
    pub(crate) fn room(&self) -> impl Future<Output = ()> + Send + 'static {
        let (clock, live) = (Arc::clone(&self.streams.clock), Arc::clone(&self.live));
        async move {
            if within(&*clock, STUCK_AFTER, live.room()).await.is_none() {
                live.drop_reader();
            }
        }
    }

    /// A reader of what is written from now on, in the place of the one there was.
    pub(crate) fn reader(&self) -> Reader {
        Reader::of(&self.streams, &self.owner, self.record.clone(), self.live.attach())
    }

    /// Lets the reader go once it has everything: its client comes back.
    pub(crate) fn close_reader(&self) {
        self.live.close_reader();
    }

    /// Notes that nothing more will come.
    pub(crate) async fn end(mut self) {
        self.record.ended = true;
        self.record.expires_at = self.streams.clock.now().after(KEPT_FOR);
        if let Err(error) = self.streams.log.append(&self.record, &[]).await {
            tracing::error!(%error, "the end of a stream cannot be kept");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.streams.gone(&self.record);
        self.live.end();
    }
}
