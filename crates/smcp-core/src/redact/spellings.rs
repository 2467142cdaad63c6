//! Every way in which a secret is looked for.

use std::fmt::Write as _;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use super::SHORTEST_REDACTED;

/// How a line begins that says what is between it and the next one: the same in everybody's.
const BOUNDARY: &str = "-----";

type Spelling = Zeroizing<Vec<u8>>;

/// What encoders of JSON escape by number beside what they must: nothing, what HTML needs, as Go, as PHP and as .NET do.
const ALSO_ESCAPED: [&str; 4] = ["", "<>&", "<>&'", "\"<>&'+`"];

/// The spellings of a secret, letters in any case, some of them more than once.
pub(super) fn of(secret: &str) -> Vec<Spelling> {
    let bytes = secret.as_bytes();
    let mut all = vec![Zeroizing::new(bytes.to_vec()), spelling(HEXLOWER.encode(bytes))];
    for before in 0..3 {
        for alphabet in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            all.push(base64(alphabet, bytes, before));
        }
    }
    let url: [fn(u8) -> bool; 5] = [
        |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte),
        |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,#".contains(&byte),
        |byte| byte.is_ascii_alphanumeric() || b"-_.* ".contains(&byte),
        |_| false,
    ];
    all.extend(url.map(|stays| spelling(percent(bytes, stays))));
    for also in ALSO_ESCAPED {
        let stays = |char: char| !also.contains(char) && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{7f}');
        all.push(spelling(escaped(secret, |char| stays(char) && char.is_ascii())));
        all.push(spelling(escaped(secret, stays)));
    }
    all.push(spelling(escaped(secret, |_| true)));
    all.push(spelling(escaped(secret, |_| true).replace('/', "\\/")));
    all.push(spelling(escaped(secret, |char| char.is_ascii()).replace('/', "\\/")));
    all.push(spelling(escaped(secret, |char| char.is_ascii_alphanumeric())));
    all.push(spelling(escaped(secret, |_| false)));
    for quote in [None, Some('\''), Some('"'), Some('`')] {
        all.push(spelling(inspected(secret, quote)));
    }
    // Printers break a text of several lines where its lines end, each with what they put around it.
    for line in
        secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_REDACTED && *line != secret)
    {
        if !line.starts_with(BOUNDARY) {
            all.push(Zeroizing::new(line.as_bytes().to_vec()));
            all.push(spelling(inspected(line, Some('\''))));
        }
    }
    for (quote, apostrophe) in
        [("&quot;", "&#39;"), ("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&apos;"), ("\"", "'")]
    {
        all.push(spelling(entities(secret, quote, apostrophe)));
    }
    all
}

fn spelling(text: String) -> Spelling {
    Zeroizing::new(text.into_bytes())
}

/// The characters that depend on the secret alone when `before` bytes stand before it in the first group of three.
fn base64(alphabet: &data_encoding::Encoding, secret: &[u8], before: usize) -> Spelling {
    let mut bytes = Zeroizing::new(vec![0; before]);
    bytes.extend_from_slice(secret);
    let text = Zeroizing::new(alphabet.encode(&bytes).into_bytes());
    let first = before + usize::from(before > 0);
    Zeroizing::new(text[first..bytes.len() * 8 / 6].to_vec())
}

/// As `console.log` shows a text that stands in something else: the quote around it is escaped, others are not.
fn inspected(text: &str, quote: Option<char>) -> String {
    let mut out = String::with_capacity(text.len() * 4);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            char if Some(char) == quote => out.extend(['\\', char]),
            char if char.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\x{:02x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}

/// A space that stays is a plus sign, as forms have it.
fn percent(bytes: &[u8], stays: fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        match *byte {
            b' ' if stays(b' ') => text.push('+'),
            byte if stays(byte) => text.push(char::from(byte)),
            byte => {
                // Writing to a string does not fail.
                let _ = write!(text, "%{byte:02x}");
            }
        }
    }
    text
}

/// As in a JSON string; what does not stay is escaped by its number.
fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() * 6);
    for char in text.chars() {
        match char {
            _ if !stays(char) => number(&mut out, char),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char.is_ascii_control() => number(&mut out, char),
            char => out.push(char),
        }
    }
    out
}

fn number(out: &mut String, char: char) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        // Writing to a string does not fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn entities(text: &str, quote: &str, apostrophe: &str) -> String {
    let mut out = String::with_capacity(text.len() * 6);
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str(quote),
            '\'' => out.push_str(apostrophe),
            char => out.push(char),
        }
    }
    out
}
