//! Ids of events that we give out: which stream, which event of it, and a tag that nobody else can make.

use data_encoding::BASE64URL_NOPAD;

/// The first byte: this layout.
const FORMAT: u8 = 1;
/// Format, stream, number, tag.
const BYTES: usize = 1 + 16 + 8 + 16;

/// Where in which stream an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPosition {
    /// The stream, by a random id.
    pub stream: [u8; 16],
    /// Counts from 1; never more than 2^53 - 1.
    pub number: i64,
}

/// An event id as it is written and read. The tag says nothing until whoever has the key has compared it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// What it names.
    pub position: EventPosition,
    /// A MAC over the position and over whose it is.
    pub tag: [u8; 16],
}

impl EventId {
    /// Reads an id from a `Last-Event-ID` header; `None` for everything that we have not written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Not one byte is decoded of what cannot be ours.
        if text.len() != BASE64URL_NOPAD.encode_len(BYTES) {
            return None;
        }
        let bytes: [u8; BYTES] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
        let (format, rest) = bytes.split_first()?;
        let (stream, rest) = rest.split_first_chunk::<16>()?;
        let (number, tag) = rest.split_first_chunk::<8>()?;
        let number = i64::from_be_bytes(*number);
        let known = *format == FORMAT && (1..=smcp_types::limits::MAX_INTEGER).contains(&number);
        let position = EventPosition { stream: *stream, number };
        known.then_some(Self { position, tag: tag.try_into().ok()? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.position.stream);
        bytes.extend_from_slice(&self.position.number.to_be_bytes());
        bytes.extend_from_slice(&self.tag);
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_were_written_and_nothing_else_is() {
        for number in [1, 7, smcp_types::limits::MAX_INTEGER] {
            let id = EventId { position: EventPosition { stream: [7; 16], number }, tag: [9; 16] };
            let text = id.to_string();
            assert_eq!(EventId::parse(&text), Some(id));
            for wrong in [&text[1..], &format!("{text}A"), &text.replace('A', "="), &text.to_lowercase()] {
                assert_ne!(EventId::parse(wrong), Some(id), "{wrong}");
            }
        }
        let beyond = EventId { position: EventPosition { stream: [7; 16], number: 0 }, tag: [9; 16] };
        for text in [beyond.to_string(), String::new(), "7".to_owned(), "é".repeat(55), "A".repeat(9_000)] {
            assert_eq!(EventId::parse(&text), None, "{text:.60}");
        }
    }
}
