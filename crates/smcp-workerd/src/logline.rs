//! From a line that a process printed to a line of the server's log.

use serde::Deserialize;
use smcp_core::{
    ports::{LogLevel, LogLine, LogSource},
    wrapper::{TAG_END, TAG_END_SPACED, TAG_START, TAG_TRACE},
};
use smcp_types::{RequestId, TraceId, UnixMillis};

/// Longest message that is kept, in bytes.
const MAX_MESSAGE: usize = 8 << 10;

/// What workerd's structured logging prints: console output and its own reports alike.
#[derive(Deserialize)]
struct Structured {
    level: String,
    message: String,
    /// Where in the runtime it comes from; console output has none, and cannot forge it.
    source: Option<String>,
}

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Hosted code, or nobody knows.
    Hosted,
    /// The runtime reports an error.
    Runtime,
    /// The runtime says why it is about to end.
    LastWords,
}

/// Reads one line. `plain` is the level of a line that is not structured; `cut` says that its end is missing.
pub(crate) fn read(line: &[u8], cut: bool, plain: LogLevel, at: UnixMillis) -> (LogLine, Speaker) {
    let text = String::from_utf8_lossy(line);
    let structured =
        serde_json::from_str::<Structured>(&text).ok().or_else(|| cut.then(|| mend(&text)).flatten());
    let Some(Structured { level, message, source }) = structured else {
        let (source, message) = (LogSource::Server, bounded(&text));
        return (
            LogLine { at, level: plain, source, request_id: None, trace_id: None, message },
            Speaker::Hosted,
        );
    };
    let speaker = match (source, level.as_str()) {
        (None, _) => Speaker::Hosted,
        (Some(_), "fatal") => Speaker::LastWords,
        (Some(_), _) => Speaker::Runtime,
    };
    let (label, message) = split_tag(&message);
    let (request_id, trace_id) = label.map_or((None, None), |(request, trace)| (Some(request), trace));
    let (level, message) = (level_of(&level, plain), bounded(message));
    (LogLine { at, level, source: LogSource::Server, request_id, trace_id, message }, speaker)
}

/// A structured line whose end was cut off inside the message: closes it after the last whole character.
fn mend(text: &str) -> Option<Structured> {
    // The longest escape is `\uXXXX`, so one of the last six places is between two characters.
    (0..=6)
        .filter_map(|short| text.get(..text.len().checked_sub(short)?))
        .find_map(|head| serde_json::from_str(&format!("{head}\"}}")).ok())
}

fn level_of(name: &str, plain: LogLevel) -> LogLevel {
    match name {
        "debug" | "trace" => LogLevel::Debug,
        "log" | "info" => LogLevel::Info,
        "warn" | "warning" => LogLevel::Warn,
        "error" | "fatal" => LogLevel::Error,
        _ => plain,
    }
}

/// Takes the wrapper's tag off a message. Hosted code can forge one: it is a label.
fn split_tag(message: &str) -> (Option<(RequestId, Option<TraceId>)>, &str) {
    let tagged = message.strip_prefix(TAG_START).and_then(|rest| {
        let (label, rest) = rest.split_once([TAG_END, TAG_END_SPACED])?;
        let spaced = message[TAG_START.len_utf8() + label.len()..].starts_with(TAG_END_SPACED);
        let rest = if spaced { rest.strip_prefix(' ').unwrap_or(rest) } else { rest };
        let (id, trace) = label.split_once(TAG_TRACE).unwrap_or((label, ""));
        Some(((id.parse().ok()?, trace.parse().ok()), rest))
    });
    tagged.map_or((None, message), |(label, rest)| (Some(label), rest))
}

fn bounded(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, cut: bool) -> LogLine {
        read(line.as_bytes(), cut, LogLevel::Info, UnixMillis(1)).0
    }

    #[test]
    fn the_runtime_is_told_from_hosted_code() {
        for (line, speaker) in [
            (r#"{"level":"fatal","source":"a.c++:1","message":"heap"}"#, Speaker::LastWords),
            (r#"{"level":"error","source":"a.c++:1","message":"{\"source\":1}"}"#, Speaker::Runtime),
            (r#"{"level":"error","message":"{\"source\":\"x\"}"}"#, Speaker::Hosted),
            ("fatal", Speaker::Hosted),
        ] {
            assert_eq!(read(line.as_bytes(), false, LogLevel::Info, UnixMillis(1)).1, speaker, "{line}");
        }
    }

    #[test]
    fn structured_lines_give_level_message_and_request_id() {
        let id = RequestId::from_bytes([9; 16]);
        let trace = TraceId::from_bytes([7; 16]);
        let traced = format!(r#"{{"level":"warn","message":"\u001e{id}/{}\u001fx"}}"#, "07".repeat(16));
        assert_eq!((of(&traced, false).request_id, of(&traced, false).trace_id), (Some(id), trace));
        for (line, level, request_id, message) in [
            (r#"{"timestamp":1,"level":"log","message":"a\nb"}"#.to_owned(), LogLevel::Info, None, "a\nb"),
            (
                format!(r#"{{"level":"warn","message":"\u001e{id}\u001f  x"}}"#),
                LogLevel::Warn,
                Some(id),
                "  x",
            ),
            (
                format!(r#"{{"level":"error","message":"\u001e{id}\u001d {{ y: 2 }}"}}"#),
                LogLevel::Error,
                Some(id),
                "{ y: 2 }",
            ),
            (
                r#"{"level":"debug","message":"\u001eforged\u001fx"}"#.to_owned(),
                LogLevel::Debug,
                None,
                "\u{1e}forged\u{1f}x",
            ),
            ("plain".to_owned(), LogLevel::Info, None, "plain"),
        ] {
            assert_eq!(
                of(&line, false),
                LogLine {
                    at: UnixMillis(1),
                    level,
                    source: LogSource::Server,
                    request_id,
                    trace_id: None,
                    message: message.to_owned()
                }
            );
        }
    }

    #[test]
    fn a_cut_line_keeps_what_is_there() {
        let whole = r#"{"timestamp":1,"level":"warn","message":"abc\u00e9\n"}"#;
        let start = whole.find("abc").unwrap_or(0);
        for end in start..whole.len() - 2 {
            let line = of(&whole[..end], true);
            assert!(line.level == LogLevel::Warn && "abcé\n".starts_with(&line.message), "{line:?}");
        }
    }

    #[test]
    fn messages_are_bounded_at_a_character() {
        assert_eq!(of(&"é".repeat(8_000), false).message.len(), MAX_MESSAGE);
        assert_eq!(of(&format!("a{}", "é".repeat(8_000)), false).message.len(), MAX_MESSAGE - 1);
    }
}
