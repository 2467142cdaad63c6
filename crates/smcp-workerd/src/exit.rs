//! How a process ended, in words for the publisher.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

/// Bytes of standard error that are kept for the reason.
const TAIL_BYTES: usize = 4 << 10;

/// The last messages on standard error: workerd says there why it ends.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    messages: std::collections::VecDeque<String>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn push(&mut self, message: &str) {
        let end = message.floor_char_boundary(TAIL_BYTES);
        self.bytes += end;
        self.messages.push_back(message[..end].to_owned());
        while self.bytes > TAIL_BYTES {
            self.bytes -= self.messages.pop_front().map_or(self.bytes, |gone| gone.len());
        }
    }

    fn last_error(&self) -> Option<&str> {
        // The runtime names the service it failed in; there is only one.
        let message = self.messages.iter().rev().map(|m| m.trim()).find(|m| !m.is_empty())?;
        Some(message.strip_prefix("service main: ").unwrap_or(message))
    }

    fn has(&self, text: &str) -> bool {
        self.messages.iter().any(|message| message.contains(text))
    }
}

/// Why the process is gone. `asked` says whether the platform had told it to end.
pub(crate) fn reason(status: ExitStatus, asked: bool, tail: &Tail) -> String {
    // A sandbox launcher passes a signal on as 128 plus its number.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    match code {
        _ if tail.has("Reached heap limit") => "ran out of memory: V8 reached its heap limit".to_owned(),
        _ if asked => "was stopped by the platform".to_owned(),
        Some(0) => "ended by itself".to_owned(),
        Some(111) => with_detail("the sandbox could not be set up", tail),
        Some(137) => "was killed: out of memory".to_owned(),
        Some(133) => "crashed: V8 gave up (SIGTRAP), often out of memory for code".to_owned(),
        Some(159) => "was killed: it made a system call that the sandbox forbids (SIGSYS)".to_owned(),
        Some(signal @ 129..=192) => with_detail(&format!("crashed with signal {}", signal - 128), tail),
        Some(1) => tail.last_error().map_or_else(|| "exited with code 1".to_owned(), str::to_owned),
        Some(code) => with_detail(&format!("exited with code {code}"), tail),
        None => "ended".to_owned(),
    }
}

fn with_detail(what: &str, tail: &Tail) -> String {
    tail.last_error().map_or_else(|| what.to_owned(), |detail| format!("{what}: {detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wait status: an exit code shifted, or a signal number.
    fn said(raw: i32, asked: bool, stderr: &[&str]) -> String {
        let mut tail = Tail::default();
        stderr.iter().for_each(|line| tail.push(line));
        reason(ExitStatus::from_raw(raw), asked, &tail)
    }

    #[test]
    fn each_way_to_end_has_its_own_words() {
        let code = |code: i32| code << 8;
        for (raw, asked, stderr, words) in [
            (code(1), false, vec!["service main: Uncaught Error: nope\n  at main.js:1:7"], "Uncaught Error: nope\n  at main.js:1:7"),
            (code(1), false, vec!["V8 fatal error; location = Reached heap limit", "stack"], "ran out of memory: V8 reached its heap limit"),
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
            (code(3), false, vec!["a", "b"], "exited with code 3: b"),
        ] {
            assert_eq!(said(raw, asked, &stderr), words);
        }
    }

    #[test]
    fn the_tail_is_bounded() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(&"é".repeat(5_000));
            assert!(tail.bytes <= TAIL_BYTES && tail.messages.len() <= 1);
        }
    }
}
