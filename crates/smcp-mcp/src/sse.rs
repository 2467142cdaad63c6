//! Server-sent events: a bounded, incremental decoder and the encoder that is its inverse.

use std::mem;

/// One block of an event stream (WHATWG HTML, section 9.2), with the fields it had.
///
/// A block without `data` is not delivered to a page: it only tells an id or a delay. It is an event here too, so that
/// a proxy passes it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The type; `None` is `message`.
    pub event: Option<String>,
    /// The lines of `data`, joined by `\n`. `Some("")` is an event, `None` is none.
    pub data: Option<String>,
    /// The new last event id; `Some("")` resets it. `None`: the id of the event before still stands.
    pub id: Option<String>,
    /// The new delay before reconnecting, in milliseconds.
    pub retry: Option<u64>,
}

impl Event {
    /// An event of type `message` with this data: how MCP sends a JSON-RPC message.
    pub fn message(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.event.is_none() && self.data.is_none() && self.id.is_none() && self.retry.is_none()
    }
}

/// An event, or one line of the stream, is larger than the decoder's bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// The bound that was passed, in bytes.
    pub limit: usize,
}

/// Turns the bytes of a `text/event-stream`, cut anywhere, into events.
///
/// Follows WHATWG HTML, section 9.2.6: lines end with CR LF, LF or CR; one byte order mark at the start is skipped;
/// comments and unknown fields are too; bytes that are not UTF-8 become U+FFFD. An event that the stream ends in the
/// middle of is never given out. Every byte is looked at once and copied at most twice.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    /// The block so far.
    event: Event,
    /// Bytes of text in `event`.
    held: usize,
    first_line: bool,
    after_cr: bool,
    failed: bool,
}

impl Decoder {
    /// A decoder at the start of a stream that holds at most `limit` bytes of one event.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Event::default(),
            held: 0,
            first_line: true,
            after_cr: false,
            failed: false,
        }
    }

    /// Takes the next bytes of the stream and appends the events they complete to `events`.
    ///
    /// # Errors
    /// When an event outgrows the bound. The events before it have been appended; the stream cannot be read further.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLarge> {
        let mut rest = bytes;
        if self.failed {
            return Err(EventTooLarge { limit: self.limit });
        }
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, tail) = rest.split_at(end);
            rest = match tail {
                [b'\r', b'\n', after @ ..] => after,
                // The line feed that may belong to this CR has not come yet.
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, after @ ..] => after,
                [] => &[],
            };
            self.end_line(line, events)?;
        }
        self.room_for(self.line.len() + rest.len())?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// Bytes of the event that is not complete yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held + self.line.len()
    }

    /// Whether the stream could end here without losing anything.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        self.line.is_empty() && self.event.is_empty()
    }

    /// Ends the line whose last part is `tail`.
    fn end_line(&mut self, tail: &[u8], events: &mut Vec<Event>) -> Result<(), EventTooLarge> {
        self.room_for(self.line.len() + tail.len())?;
        let start = mem::take(&mut self.line);
        if start.is_empty() {
            self.line_of_stream(tail, events);
        } else {
            let mut line = start;
            line.extend_from_slice(tail);
            self.line_of_stream(&line, events);
            // The buffer is kept for the lines to come.
            line.clear();
            self.line = line;
        }
        // Bytes that were not UTF-8 have grown to three each.
        self.room_for(0)
    }

    /// `bytes` is the size of the current line, and `held` that of the fields before it.
    fn room_for(&mut self, bytes: usize) -> Result<(), EventTooLarge> {
        if self.held.saturating_add(bytes) > self.limit {
            self.failed = true;
            return Err(EventTooLarge { limit: self.limit });
        }
        Ok(())
    }

    fn line_of_stream(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let mut line = line;
        if mem::take(&mut self.first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.held = 0;
            let event = mem::take(&mut self.event);
            if !event.is_empty() {
                events.push(event);
            }
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(0) => return,
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        self.field(name, value.strip_prefix(b" ").unwrap_or(value));
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"data" => {
                let text = String::from_utf8_lossy(value);
                self.held += text.len() + 1;
                match &mut self.event.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(&text);
                    }
                    None => self.event.data = Some(text.into_owned()),
                }
            }
            b"event" => {
                let text = String::from_utf8_lossy(value).into_owned();
                self.replaced(self.event.event.as_ref().map(String::len), text.len());
                // An empty type is the default one.
                self.event.event = (!text.is_empty()).then_some(text);
            }
            b"id" if !value.contains(&0) => {
                let text = String::from_utf8_lossy(value).into_owned();
                self.replaced(self.event.id.as_ref().map(String::len), text.len());
                self.event.id = Some(text);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // Digits only, so this fails for numbers beyond u64 alone, which nobody would wait for.
                if let Ok(delay) = String::from_utf8_lossy(value).parse() {
                    self.event.retry = Some(delay);
                }
            }
            _ => {}
        }
    }

    fn replaced(&mut self, old: Option<usize>, new: usize) {
        self.held = self.held.saturating_sub(old.unwrap_or(0)).saturating_add(new);
    }
}

/// Appends an event to `out` in the form that [`Decoder`] reads back to the same event. An event without fields
/// appends nothing.
///
/// Text from elsewhere cannot break out of its field: a line break in `data` starts another `data` line (so a CR or
/// CR LF comes back as LF), one in `event` or `id` is left out, as is a NUL in `id`.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    if event.is_empty() {
        return;
    }
    if let Some(name) = &event.event {
        one_line(b"event: ", name, out);
    }
    if let Some(id) = &event.id {
        one_line(b"id: ", &id.replace('\0', ""), out);
    }
    if let Some(retry) = event.retry {
        one_line(b"retry: ", &retry.to_string(), out);
    }
    if let Some(data) = &event.data {
        let mut rest = data.as_str();
        while let Some(end) = rest.find(['\n', '\r']) {
            one_line(b"data: ", &rest[..end], out);
            rest = &rest[end..];
            rest = rest.strip_prefix("\r\n").unwrap_or(&rest[1.min(rest.len())..]);
        }
        one_line(b"data: ", rest, out);
    }
    out.push(b'\n');
}

fn one_line(field: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field);
    out.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
