//! Any text as `Last-Event-ID`: no panic, and what is read is written back as the very same text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smcp_mcp::EventId;

fuzz_target!(|text: &str| {
    if let Some(id) = EventId::parse(text) {
        assert_eq!(id.to_string(), text, "an id has one spelling");
        assert!(id.position.number > 0);
    }
});
