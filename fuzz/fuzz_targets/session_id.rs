//! Any text as `Mcp-Session-Id` and any bytes as what is sealed in one: no panic, and one spelling for each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smcp_mcp::{SessionClaims, decode_session_id, encode_session_id, hosted_id_is_sound};

fuzz_target!(|input: &[u8]| {
    if let Some(claims) = SessionClaims::from_bytes(input) {
        assert_eq!(claims.to_bytes(), input);
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(sealed) = decode_session_id(text) {
        assert_eq!(encode_session_id(&sealed), text, "an id has one spelling");
        assert!(text.len() <= 256);
        if let Some(claims) = SessionClaims::from_bytes(&sealed) {
            assert_eq!(claims.to_bytes(), sealed);
        }
    }
    if hosted_id_is_sound(text) {
        assert!(text.len() <= 512 && text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
});
