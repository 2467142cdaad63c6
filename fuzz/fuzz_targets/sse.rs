//! Any bytes as an event stream: the cutting does not matter, the bound holds, and events survive being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smcp_mcp::sse::{Decoder, Event, EventTooLarge, encode};

/// The first byte decides how the rest is cut, the second how small the bound is.
const HEADER: usize = 2;

fuzz_target!(|input: &[u8]| {
    let Some((header, stream)) = input.split_at_checked(HEADER) else {
        return;
    };
    let limit = if header[1] < 128 { usize::MAX } else { usize::from(header[1]) };
    let whole = decode([stream].into_iter(), limit);
    let step = usize::from(header[0]).max(1);
    assert_eq!(decode(stream.chunks(step), limit), whole);
    assert_eq!(decode(stream.chunks(1), limit), whole);

    let (events, _) = whole;
    let mut written = Vec::new();
    for event in &events {
        if limit != usize::MAX {
            assert!(event.data.as_ref().is_none_or(|data| data.len() <= limit));
        }
        encode(event, &mut written);
    }
    assert_eq!(decode([written.as_slice()].into_iter(), usize::MAX), (events, Ok(())));
});

fn decode<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<Event>, Result<(), EventTooLarge>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let mut result = Ok(());
    for chunk in chunks {
        result = decoder.push(chunk, &mut events);
        if result.is_err() {
            break;
        }
    }
    (events, result)
}
