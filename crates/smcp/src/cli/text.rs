//! Foreign text made fit for a terminal, and times for people.

use jiff::Timestamp;

/// The text in one line, every control character spelled out.
pub(crate) fn safe(text: &str) -> String {
    escaped(text, "")
}

/// The same, where line breaks and tabs may stay.
pub(crate) fn safe_lines(text: &str) -> String {
    escaped(text.trim_end_matches(['\n', '\r']), "\n\t")
}

fn escaped(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if kept.contains(char) || !(char.is_control() || is_deceptive(char)) {
            out.push(char);
        } else {
            out.extend(char.escape_unicode());
        }
    }
    out
}

/// Characters that make a text look like another one: direction and width without a glyph.
const fn is_deceptive(char: char) -> bool {
    matches!(char, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Unix milliseconds as UTC, to the second.
pub(crate) fn time(millis: i64) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => millis.to_string(),
    }
}

/// The same, or a dash.
pub(crate) fn time_or_dash(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".to_owned(), time)
}

/// The first characters of a digest.
pub(crate) fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(safe("a\u{1b}[2Jb\r\nc\u{202e}d é 日本"), "a\\u{1b}[2Jb\\u{d}\\u{a}c\\u{202e}d é 日本");
        assert_eq!(safe_lines("a\n\tb\u{7}\r\n"), "a\n\tb\\u{7}");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
        assert_eq!(time_or_dash(None), "-");
    }
}
