//! `subscriptions/listen`: a stream of news that is open until either side ends it, and then says so.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, future::Either, future::select, stream};
use serde_json::{Value, json};
use smcp_mcp::{Batches, MessageKind, sse};
use smcp_types::Result;

use super::{
    exchange::Most,
    modern_answer::{failure, garbage},
    state::Asked,
};
use crate::{Platform, ports::HostedBody};

/// Names the request that opened the stream (Subscriptions, "Receiving Notifications").
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

struct Listening {
    platform: Arc<Platform>,
    asked: Asked,
    upstream: HostedBody,
    decoder: sse::Decoder,
    most: Most,
    over: bool,
}

/// Passes on notifications that belong to the subscription. It has no time limit; when the platform stops or the hosted
/// process does, the client is told that it has ended well, and may ask again (Subscriptions, "Graceful Closure").
pub(super) fn relay(platform: &Arc<Platform>, asked: Asked, upstream: HostedBody, most: Most) -> HostedBody {
    let decoder = sse::Decoder::new(most.bytes);
    let listening = Listening { platform: Arc::clone(platform), asked, upstream, decoder, most, over: false };
    Box::pin(stream::unfold(listening, |mut listening| async move {
        let chunk = listening.next().await?;
        Some((Ok(chunk), listening))
    }))
}

impl Listening {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let stopping = self.platform.stopping.begun();
            let chunk = match select(self.upstream.next(), stopping).await {
                Either::Left((Some(Ok(chunk)), _)) => chunk,
                Either::Left((Some(Err(_)) | None, _)) | Either::Right(_) => {
                    self.over = true;
                    return Some(self.closing());
                }
            };
            match self.take(&chunk) {
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Some(out.into()),
                Err(error) => {
                    self.over = true;
                    return Some(failure(&self.asked, &error));
                }
            }
        }
        None
    }

    fn take(&mut self, chunk: &[u8]) -> Result<Vec<u8>> {
        let (mut events, mut out) = (Vec::new(), Vec::new());
        self.decoder.push(chunk, &mut events).map_err(garbage)?;
        self.most.hold(self.decoder.held())?;
        if events.is_empty() && self.decoder.is_between_events() {
            out.extend_from_slice(b":\n\n");
        }
        for data in events.into_iter().filter_map(|event| event.data) {
            if self.belongs(&data)? {
                sse::encode(&sse::Event::message(data), &mut out);
            }
            if self.over {
                break;
            }
        }
        Ok(out)
    }

    /// Whether a message is news of this subscription, or its end.
    fn belongs(&mut self, data: &str) -> Result<bool> {
        let parsed = smcp_mcp::parse(data.as_bytes(), Batches::Refused).map_err(garbage)?;
        let [message] = parsed.messages() else { return Err(garbage("it is no message")) };
        match &message.kind {
            MessageKind::Notification { params, .. } => {
                let params = params.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
                let named = params.as_ref().and_then(|params| params.get("_meta")?.get(SUBSCRIPTION));
                Ok(named.is_some_and(|named| *named == json!(self.asked.id)))
            }
            MessageKind::Request { .. } => Err(garbage("it sends a request of its own on a stream")),
            MessageKind::Response { id, .. } if id.as_ref().is_none_or(|id| *id == self.asked.id) => {
                self.over = true;
                Ok(true)
            }
            MessageKind::Response { .. } => Err(garbage("it answers another request")),
        }
    }

    fn closing(&self) -> Bytes {
        let id = &self.asked.id;
        let body = json!({ "jsonrpc": "2.0", "id": id, "result": { "resultType": "complete", "_meta": { SUBSCRIPTION: id } } });
        let mut out = Vec::new();
        sse::encode(&sse::Event::message(body.to_string()), &mut out);
        out.into()
    }
}
