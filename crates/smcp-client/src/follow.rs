//! Logs: what of one is wanted, and its lines as they come.

use std::{collections::VecDeque, io::Read};

use smcp_api::{LogLevel, LogLine};
use smcp_mcp::sse::{Decoder, Event};
use ureq::BodyReader;

use crate::ClientError;

/// Largest line of a log that is read.
const MAX_EVENT_BYTES: usize = 4 << 20;
/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Most lines; the platform's own number if not given.
    pub limit: Option<u32>,
    /// Nothing quieter.
    pub level: Option<LogLevel>,
    /// Lines of this request alone.
    pub request: Option<String>,
    /// Lines of this trace alone.
    pub trace: Option<String>,
}

impl LogFilter {
    pub(crate) fn query(self) -> Vec<(&'static str, Option<String>)> {
        let level = self.level.map(|level| match level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        });
        vec![
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("level", level.map(str::to_owned)),
            ("request", self.request),
            ("trace", self.trace),
        ]
    }
}

/// The lines of a log as they come. Ends when the platform ends it.
pub struct LogStream {
    events: EventReader,
}

impl LogStream {
    pub(crate) fn new(url: String, body: BodyReader<'static>) -> Self {
        Self { events: EventReader::new(url, body, MAX_EVENT_BYTES) }
    }
}

impl Iterator for LogStream {
    type Item = Result<LogLine, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.events.next()? {
                Ok(event) => event,
                Err(error) => return Some(Err(error)),
            };
            // An event without data keeps the connection alive.
            let Some(data) = event.data else { continue };
            let url = &self.events.url;
            let line = serde_json::from_str(&data)
                .map_err(|error| ClientError::not_ours(url, format!("an event is no log line: {error}")));
            return Some(line);
        }
    }
}

/// The events of a stream as they come.
pub(crate) struct EventReader {
    url: String,
    body: BodyReader<'static>,
    decoder: Decoder,
    ready: VecDeque<Event>,
    ended: bool,
}

impl EventReader {
    pub(crate) fn new(url: String, body: BodyReader<'static>, limit: usize) -> Self {
        Self { url, body, decoder: Decoder::new(limit), ready: VecDeque::new(), ended: false }
    }

    /// Reads once; `false` at the end.
    fn fill(&mut self) -> Result<bool, ClientError> {
        let mut chunk = [0; CHUNK];
        let read = self
            .body
            .read(&mut chunk)
            .map_err(|error| ClientError::unreachable(&self.url, error.to_string()))?;
        let mut events = Vec::new();
        let decoded = self.decoder.push(&chunk[..read], &mut events);
        self.ready.extend(events);
        decoded.map_err(|error| ClientError::not_ours(&self.url, error.to_string()))?;
        Ok(read > 0)
    }
}

impl Iterator for EventReader {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            match self.fill() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }
}
