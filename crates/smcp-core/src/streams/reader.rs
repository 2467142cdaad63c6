//! Reading a stream: first what is stored, then what comes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use smcp_mcp::{EventPosition, MessageId, sse};
use smcp_types::Result;

use super::{Owner, Streams, interrupted, live::Attached, unanswered};
use crate::{
    call::answered_ids,
    ports::{HostedBody, StreamEvent, StreamRecord},
};

/// Events read from the log at once: each may be large, and whoever reads may take none of them.
const PAGE: u32 = 1;

/// A reader of one stream.
pub(crate) struct Reader {
    streams: Arc<Streams>,
    owner: Owner,
    record: StreamRecord,
    /// The last event that was read.
    read: i64,
    /// The last one to be read from the log.
    stored: i64,
    page: VecDeque<StreamEvent>,
    /// Requests that no event so far has answered.
    open: Vec<MessageId>,
    /// Whether events are missing that should be there.
    gap: bool,
    live: Option<Attached>,
    over: bool,
}

impl Reader {
    pub(super) fn of(streams: &Arc<Streams>, owner: &Owner, record: StreamRecord, live: Attached) -> Self {
        let last = live.last;
        Self { live: Some(live), stored: last, read: last, ..Self::stored(streams, owner, record, 0) }
    }

    /// A reader of a stream that nobody writes any more, after this event.
    pub(super) fn stored(streams: &Arc<Streams>, owner: &Owner, record: StreamRecord, after: i64) -> Self {
        let open = serde_json::from_str(&record.requests).unwrap_or_default();
        Self {
            streams: Arc::clone(streams),
            owner: *owner,
            read: after,
            stored: record.last,
            record,
            page: VecDeque::new(),
            open,
            gap: false,
            live: None,
            over: false,
        }
    }

    /// From this event on.
    pub(crate) fn from(mut self, after: i64) -> Self {
        self.read = after;
        self
    }

    /// As the body of an answer.
    pub(crate) fn body(self) -> HostedBody {
        Box::pin(stream::unfold(self, |mut reader| async move {
            let next = reader.next().await?;
            Some((next, reader))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes>> {
        while !self.over {
            match self.next_stored().await {
                Ok(Some(bytes)) => return Some(Ok(bytes)),
                Ok(None) => {}
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
            if let Some(live) = &self.live
                && let Some(bytes) = live.next().await
            {
                return Some(Ok(bytes));
            }
            self.over = true;
            // A live one ends because its client has everything, or comes back for more.
            if self.live.is_none() && self.gap {
                return self.lost().map(Ok);
            }
        }
        None
    }

    async fn next_stored(&mut self) -> Result<Option<Bytes>> {
        if self.page.is_empty() && self.read < self.stored {
            let log = &self.streams.log;
            self.page = log.after(self.record.tenant, self.record.id, self.read, PAGE).await?.into();
        }
        let Some(event) = self.page.pop_front().filter(|event| event.number <= self.stored) else {
            self.gap |= self.read < self.stored;
            self.read = self.stored;
            return Ok(None);
        };
        self.gap |= event.number != self.read + 1;
        self.read = event.number;
        let Ok(plain) = self.streams.open(&self.record, &event).await else {
            // Its key has been destroyed, or the row is damaged: it is as good as not there.
            self.gap = true;
            return Ok(Some(Bytes::new()));
        };
        let position = EventPosition { stream: *self.record.id.as_bytes(), number: event.number };
        let id = self.streams.event_id(&self.owner, position)?;
        let mut out = format!("id: {id}\n").into_bytes();
        out.extend_from_slice(&plain);
        self.note(&plain);
        Ok(Some(out.into()))
    }

    fn note(&mut self, plain: &[u8]) {
        let (mut decoder, mut events) = (sse::Decoder::new(usize::MAX), Vec::new());
        if decoder.push(plain, &mut events).is_ok() {
            let answered =
                events.into_iter().filter_map(|event| event.data).flat_map(|d| answered_ids(d.as_bytes()));
            let answered: Vec<MessageId> = answered.collect();
            self.open.retain(|id| !answered.contains(id));
        }
    }

    /// What a client is told when an answer may have been among the events that are no longer kept.
    fn lost(&mut self) -> Option<Bytes> {
        let open = std::mem::take(&mut self.open);
        let events = unanswered(&open, "the answer is no longer kept: the call may have been carried out");
        let mut out = Vec::new();
        events.iter().for_each(|event| sse::encode(event, &mut out));
        (!out.is_empty()).then(|| out.into())
    }
}

impl Streams {
    /// Answers the requests of a stream that was being written when the platform stopped.
    pub(super) async fn settle(&self, record: &StreamRecord) -> Result<StreamRecord> {
        let mut open: Vec<MessageId> = serde_json::from_str(&record.requests).unwrap_or_default();
        let mut read = 0;
        loop {
            let page = self.log.after(record.tenant, record.id, read, PAGE).await?;
            let Some(last) = page.last() else { break };
            read = last.number;
            for event in &page {
                let Ok(plain) = self.open(record, event).await else { continue };
                let (mut decoder, mut events) = (sse::Decoder::new(usize::MAX), Vec::new());
                // Ours, and whole.
                let _ = decoder.push(&plain, &mut events);
                for data in events.into_iter().filter_map(|event| event.data) {
                    let answered = answered_ids(data.as_bytes());
                    open.retain(|id| !answered.contains(id));
                }
            }
        }
        let mut ended = StreamRecord { ended: true, ..record.clone() };
        let mut rows = Vec::new();
        for event in interrupted(&open) {
            ended.last += 1;
            let mut plain = Vec::new();
            sse::encode(&event, &mut plain);
            rows.push(StreamEvent {
                number: ended.last,
                sealed: self.seal(record, ended.last, &plain).await?,
            });
        }
        match self.log.append(&ended, &rows).await {
            Ok(()) => Ok(ended),
            // Another request of the same client was faster; what it has stored says the same.
            Err(crate::ports::StoreError::Taken) => Ok(ended),
            Err(error) => Err(error.into()),
        }
    }
}
