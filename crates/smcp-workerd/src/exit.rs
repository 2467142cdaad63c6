//! How a process ended, in words for the publisher.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

/// Bytes of a message that are kept for the reason.
const MAX_BYTES: usize = 2 << 10;

/// What a process said last about itself.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// The runtime's latest report: why a script does not start, why V8 gives up.
    report: Option<String>,
    /// The latest other line on standard error.
    line: Option<String>,
}

impl LastWords {
    pub(crate) fn report(&mut self, message: &str) {
        // The runtime names the service it failed in; there is only one.
        self.report = Some(bounded(message.strip_prefix("service main: ").unwrap_or(message)));
    }

    pub(crate) fn line(&mut self, message: &str) {
        if !message.trim().is_empty() {
            self.line = Some(bounded(message.trim()));
        }
    }

    fn latest(&self) -> Option<&str> {
        self.report.as_deref().or(self.line.as_deref())
    }

    fn is_heap_limit(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.contains("Reached heap limit"))
    }
}

fn bounded(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_BYTES)].to_owned()
}

/// Why the process is gone. `asked` says whether the platform had told it to end.
pub(crate) fn reason(status: ExitStatus, asked: bool, last: &LastWords) -> String {
    // A sandbox launcher passes a signal on as 128 plus its number.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    match code {
        _ if last.is_heap_limit() => "ran out of memory: V8 reached its heap limit".to_owned(),
        _ if asked => "was stopped by the platform".to_owned(),
        Some(0) => "ended by itself".to_owned(),
        Some(111) => with_detail("the sandbox could not be set up", last),
        Some(137) => "was killed: out of memory".to_owned(),
        Some(133) => "crashed: V8 gave up (SIGTRAP), often out of memory for code".to_owned(),
        Some(159) => "was killed: it made a system call that the sandbox forbids (SIGSYS)".to_owned(),
        Some(signal @ 129..=192) => with_detail(&format!("crashed with signal {}", signal - 128), last),
        Some(1) => last.latest().map_or_else(|| "exited with code 1".to_owned(), str::to_owned),
        Some(code) => with_detail(&format!("exited with code {code}"), last),
        None => "ended".to_owned(),
    }
}

fn with_detail(what: &str, last: &LastWords) -> String {
    last.latest().map_or_else(|| what.to_owned(), |detail| format!("{what}: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wait status: an exit code shifted, or a signal number. A line that begins with `!` is a report.
    fn said(raw: i32, asked: bool, lines: &[&str]) -> String {
        let mut last = LastWords::default();
        for line in lines {
            match line.strip_prefix('!') {
                Some(report) => last.report(report),
                None => last.line(line),
            }
        }
        reason(ExitStatus::from_raw(raw), asked, &last)
    }

    #[test]
    fn each_way_to_end_has_its_own_words() {
        let code = |code: i32| code << 8;
        let heap = "!V8 fatal error; location = Reached heap limit";
        for (raw, asked, lines, words) in [
            (
                code(1),
                false,
                vec!["!service main: Uncaught Error: a\n  at b", "x"],
                "Uncaught Error: a\n  at b",
            ),
            (code(1), false, vec![heap, "stack: 1 2 3"], "ran out of memory: V8 reached its heap limit"),
            (code(1), false, vec![], "exited with code 1"),
            (code(0), true, vec![], "was stopped by the platform"),
            (code(0), false, vec![], "ended by itself"),
            (9, false, vec![], "was killed: out of memory"),
            (9, true, vec![], "was stopped by the platform"),
            (code(137), false, vec![], "was killed: out of memory"),
            (5, false, vec![], "crashed: V8 gave up (SIGTRAP), often out of memory for code"),
            (31, false, vec![], "was killed: it made a system call that the sandbox forbids (SIGSYS)"),
            (11, false, vec![""], "crashed with signal 11"),
            (code(111), false, vec!["clone: ENOSPC"], "the sandbox could not be set up: clone: ENOSPC"),
            (code(3), false, vec!["a", "b", " "], "exited with code 3: b"),
        ] {
            assert_eq!(said(raw, asked, &lines), words);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut last = LastWords::default();
        last.report(&"é".repeat(5_000));
        assert_eq!(last.latest().map(str::len), Some(MAX_BYTES));
    }
}
