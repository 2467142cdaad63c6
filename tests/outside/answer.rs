//! What the outside answers: redirects, and whatever it was sent, in every spelling that it knows.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// The bytes of the answer to a request.
pub(crate) fn to(request: &str) -> Vec<u8> {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if let Some(code) = path.split("/redirect/").nth(1) {
        let location = unescaped(query.strip_prefix("to=").unwrap_or_default());
        return format!("HTTP/1.1 {code} Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
            .into_bytes();
    }
    if let Some(way) = path.split("/echo/").nth(1) {
        return echo(way, &sent(request, query));
    }
    if path.ends_with("/hold") {
        return held();
    }
    whole("text/plain", "", b"outside-heard")
}

/// How many may wait together before one knows that they may.
const TOGETHER: usize = 33;

/// When enough wait together, or after a while: with the number of those that did.
fn held() -> Vec<u8> {
    static WAITING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());
    let mut waiting = WAITING.0.lock().unwrap_or_else(PoisonError::into_inner);
    *waiting += 1;
    let together = *waiting;
    WAITING.1.notify_all();
    let most = Duration::from_millis(400);
    let waited = WAITING.1.wait_timeout_while(waiting, most, |waiting| *waiting < TOGETHER);
    *waited.unwrap_or_else(PoisonError::into_inner).0 -= 1;
    whole("text/plain", "", format!("together {together}").as_bytes())
}

/// What was sent to be echoed: the value of the header `x-key`, or of the query.
fn sent(request: &str, query: &str) -> String {
    let header = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("x-key").then(|| value.trim_start_matches("Key ").to_owned())
    });
    header.or_else(|| query.strip_prefix("key=").map(unescaped)).unwrap_or_else(|| "nothing".to_owned())
}

fn echo(way: &str, sent: &str) -> Vec<u8> {
    let bytes = sent.as_bytes();
    let shifted = |by: usize| [&b"ab"[..by], bytes, b"xyz"].concat();
    let escaped = |each: fn(u8) -> String| bytes.iter().map(|byte| each(*byte)).collect::<String>();
    let text = match way {
        "raw" => sent.to_owned(),
        "base64-0" => BASE64.encode(&shifted(0)),
        "base64-1" => BASE64.encode(&shifted(1)),
        "base64-2" => BASE64.encode(&shifted(2)),
        "base64url" => BASE64URL_NOPAD.encode(bytes),
        "hex" => HEXLOWER.encode(bytes),
        "hex-upper" => HEXUPPER.encode(bytes),
        "url" => escaped(|byte| format!("%{byte:02X}")),
        "url-lower" => escaped(|byte| format!("%{byte:02x}")),
        "json" => serde_json::Value::from(sent).to_string(),
        "json-go" => serde_json::Value::from(sent)
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        "header" => {
            return whole("text/plain", &format!("x-echo: {sent}\r\n"), b"see the header");
        }
        "reason" => {
            return format!("HTTP/1.1 200 {sent}\r\ncontent-length: 2\r\n\r\nok").into_bytes();
        }
        "location" => {
            return format!(
                "HTTP/1.1 302 Found\r\nlocation: http://api.example.com:8080/take?it={sent}\r\ncontent-length: 0\r\n\r\n"
            )
            .into_bytes();
        }
        "trailer" => {
            return format!(
                "HTTP/1.1 200 OK\r\ntrailer: x-echo\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-echo: {sent}\r\n\r\n"
            )
            .into_bytes();
        }
        "gzip" => return whole("text/plain", "content-encoding: gzip\r\n", &gzip(bytes)),
        "split" => return split(bytes),
        _ => "nothing".to_owned(),
    };
    whole("text/plain", "", format!("<{text}>").as_bytes())
}

fn whole(kind: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A chunk for every byte.
fn split(bytes: &[u8]) -> Vec<u8> {
    let mut out =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for byte in bytes {
        out.extend([b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
    }
    out.extend(b"0\r\n\r\n");
    out
}

/// gzip without compression: one stored block.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(bytes);
    out.extend(crc(bytes).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    };
    !bytes.iter().fold(u32::MAX, step)
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or(("", part));
        out.extend(u8::from_str_radix(code, 16).ok());
        out.extend(rest.as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}
