//! How a process ended, in words for the publisher.

use std::os::unix::process::ExitStatusExt as _;

use smcp_core::fleet::{Cause, Why};
use smcp_types::{Error, Limit, Limits, Refusal};

use crate::{child::Ended, process::Order};

/// Bytes of a message that are kept for the reason.
const MAX_BYTES: usize = 2 << 10;

/// What a process said last about itself.
#[derive(Debug, Default)]
pub(crate) struct LastWords {
    /// The runtime's latest report: why a script does not start, why V8 gives up.
    report: Option<String>,
    /// The latest other line on standard error.
    line: Option<String>,
    /// The latest line of a flood that could be a report; read when the process has ended.
    unread: Option<Vec<u8>>,
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

    /// Keeps a line that is not worth reading unless it is the last.
    pub(crate) fn unread(&mut self, line: &[u8]) {
        let kept = self.unread.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(line);
    }

    pub(crate) fn take_unread(&mut self) -> Option<Vec<u8>> {
        self.unread.take()
    }

    pub(crate) fn latest(&self) -> Option<&str> {
        self.report.as_deref().or(self.line.as_deref())
    }

    fn is_heap_limit(&self) -> bool {
        self.reports(&["Reached heap limit"])
    }

    /// Whether an allocation failed that the kernel refused.
    fn is_out_of_memory(&self) -> bool {
        self.reports(&["out of memory", "memory allocation failed", "Cannot allocate memory", "bad_alloc"])
    }

    fn reports(&self, signs: &[&str]) -> bool {
        self.report.as_ref().is_some_and(|report| signs.iter().any(|sign| report.contains(sign)))
    }
}

fn bounded(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_BYTES)].to_owned()
}

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Why.
    pub(crate) cause: Cause,
    /// Whether it had to make room, through no fault of its own.
    pub(crate) displaced: bool,
}

impl End {
    /// The end of a process that the platform never got hold of.
    pub(crate) fn unseen(reason: impl Into<String>) -> Self {
        Self { cause: Cause::new(reason), displaced: false }
    }

    /// From what the system says, what the platform asked for, and what the process said last.
    pub(crate) fn of(ended: &Ended, told: Option<&Order>, last: &LastWords, limits: &Limits) -> Self {
        let displaced = matches!(told, Some(Order::Finish(Why::Place)));
        Self { cause: cause(ended, told, last, limits), displaced }
    }

    /// What a call learns whose answer it cut off.
    pub(crate) fn error(&self, private: &str) -> Error {
        let reason = &self.cause.reason;
        let refusal = Refusal::new(format!("the server's process ended during the call: {reason}"));
        let refusal = refusal.private(private);
        match self.cause.limit() {
            Some(limit) => Error::Hosted(refusal.hint(hint(limit))),
            None if self.displaced => Error::Unavailable(refusal.hint("try again")),
            None => Error::Hosted(refusal),
        }
    }
}

/// Who breaks a limit learns where it is set.
pub(crate) fn hint(limit: Limit) -> String {
    format!("{limit} in smcp.toml sets the limit, below the tenant's ceiling")
}

fn cause(ended: &Ended, told: Option<&Order>, last: &LastWords, limits: &Limits) -> Cause {
    let memory = |detail: &str| {
        let what = format!("used more than its {} MiB of memory{detail}", limits.memory_mb);
        Cause::broken(Limit::Memory, &what)
    };
    // A sandbox launcher passes a signal on as 128 plus its number.
    let code = ended.status.code().or_else(|| ended.status.signal().map(|signal| 128 + signal));
    let reason = match (told, code) {
        (Some(Order::Kill(Some(cause))), _) => return cause.clone(),
        _ if ended.out_of_memory => return memory(""),
        _ if last.is_heap_limit() => {
            return memory(": its JavaScript heap, which may take half of it, is full");
        }
        (None, _) if last.is_out_of_memory() => return memory(": it got no more of the system"),
        (Some(Order::Finish(why)), _) => format!("{STOPPED}: {}", reason_of(*why)),
        (Some(Order::Kill(None)), _) => STOPPED.to_owned(),
        (None, Some(0)) => "ended by itself".to_owned(),
        (None, Some(111)) => with_detail("the sandbox could not be set up", last),
        (None, Some(137)) => "was killed from outside: the machine may be out of memory".to_owned(),
        (None, Some(133)) => "crashed: V8 gave up (SIGTRAP), often out of memory for code".to_owned(),
        (None, Some(159)) => return Cause::forbidden(FORBIDDEN),
        (None, Some(signal @ 129..=192)) => {
            with_detail(&format!("crashed with signal {}", signal - 128), last)
        }
        (None, Some(1)) => last.latest().map_or_else(|| "exited with code 1".to_owned(), str::to_owned),
        (None, Some(code)) => with_detail(&format!("exited with code {code}"), last),
        (None, None) => "ended".to_owned(),
    };
    Cause::new(reason)
}

const FORBIDDEN: &str = "was killed: it made a system call that the sandbox forbids (SIGSYS)";
const STOPPED: &str = "was stopped by the platform";

fn reason_of(why: Why) -> &'static str {
    match why {
        Why::Idle => "nobody called for a while (node.idle_after)",
        Why::Retired => "another version is active, or the server is deleted",
        Why::Place => "another server needed its place (node.max_awake)",
        Why::Shutdown => "the platform stops",
    }
}

fn with_detail(what: &str, last: &LastWords) -> String {
    last.latest().map_or_else(|| what.to_owned(), |detail| format!("{what}: {detail}"))
}

#[cfg(test)]
mod tests {
    use std::{process::ExitStatus, time::Duration};

    use super::*;

    /// A wait status: an exit code shifted, or a signal number. A line that begins with `!` is a report.
    fn said(raw: i32, told: Option<&Order>, lines: &[&str]) -> Cause {
        let mut last = LastWords::default();
        for line in lines {
            match line.strip_prefix('!') {
                Some(report) => last.report(report),
                None => last.line(line),
            }
        }
        End::of(&ended(raw, false), told, &last, &Limits::default()).cause
    }

    fn ended(raw: i32, out_of_memory: bool) -> Ended {
        Ended { status: ExitStatus::from_raw(raw), out_of_memory, cpu: Duration::ZERO, peak_memory: 0 }
    }

    const HEAP: &str = "!V8 fatal error; location = Reached heap limit";
    const FINISH: Option<&Order> = Some(&Order::Finish(Why::Idle));

    #[test]
    fn each_way_to_end_has_its_own_words() {
        let code = |code: i32| code << 8;
        for (raw, told, lines, words) in [
            (
                code(1),
                None,
                vec!["!service main: Uncaught Error: a\n  at b", "x"],
                "Uncaught Error: a\n  at b",
            ),
            (code(1), None, vec![], "exited with code 1"),
            (
                code(0),
                FINISH,
                vec![],
                "was stopped by the platform: nobody called for a while (node.idle_after)",
            ),
            (code(0), None, vec![], "ended by itself"),
            (9, None, vec![], "was killed from outside: the machine may be out of memory"),
            (9, FINISH, vec![], "was stopped by the platform: nobody called for a while (node.idle_after)"),
            (9, Some(&Order::Kill(None)), vec![], "was stopped by the platform"),
            (
                code(0),
                Some(&Order::Finish(Why::Place)),
                vec![],
                "was stopped by the platform: another server needed its place (node.max_awake)",
            ),
            (code(137), None, vec![], "was killed from outside: the machine may be out of memory"),
            (5, None, vec![], "crashed: V8 gave up (SIGTRAP), often out of memory for code"),
            (11, None, vec![""], "crashed with signal 11"),
            (code(111), None, vec!["clone: ENOSPC"], "the sandbox could not be set up: clone: ENOSPC"),
            (code(3), None, vec!["a", "b", " "], "exited with code 3: b"),
            // Hosted code says what it likes on its own behalf.
            (code(3), None, vec!["V8: out of memory"], "exited with code 3: V8: out of memory"),
        ] {
            assert_eq!(said(raw, told, &lines), Cause::new(words));
        }
    }

    #[test]
    fn what_the_sandbox_kills_for_is_an_offence() {
        for raw in [31, 159 << 8] {
            assert_eq!(said(raw, None, &[]), Cause::forbidden(FORBIDDEN));
        }
        let stopped = Cause::new(format!("{STOPPED}: {}", reason_of(Why::Idle)));
        assert_eq!(said(31, FINISH, &[]), stopped, "nobody knows who did it, at its end");
    }

    #[test]
    fn a_broken_limit_is_named_whoever_ends_the_process() {
        let cpu = Cause::broken(Limit::Cpu, "looped");
        assert_eq!(said(9, Some(&Order::Kill(Some(cpu.clone()))), &[HEAP]), cpu);
        let words = "used more than its 128 MiB of memory";
        let last = LastWords::default();
        for told in [None, FINISH] {
            let End { cause, .. } = End::of(&ended(9, true), told, &last, &Limits::default());
            assert_eq!(cause, Cause::broken(Limit::Memory, words));
            let heap = Cause::broken(
                Limit::Memory,
                &format!("{words}: its JavaScript heap, which may take half of it, is full"),
            );
            assert_eq!(said(1 << 8, told, &[HEAP, "stack: 1 2 3"]), heap);
        }
        let data = Cause::broken(Limit::Memory, &format!("{words}: it got no more of the system"));
        assert_eq!(said(5, None, &["!Fatal process out of memory: Zone"]), data);
    }

    #[test]
    fn calls_that_are_cut_off_learn_whose_fault_it_was() {
        let error = |told, out_of_memory| {
            let end = End::of(&ended(9, out_of_memory), told, &LastWords::default(), &Limits::default());
            end.error("broken pipe")
        };
        let Error::Hosted(refusal) = error(None, true) else { panic!("its own") };
        assert_eq!(
            (refusal.message.as_str(), refusal.hint.as_deref(), refusal.private.as_deref()),
            (
                "the server's process ended during the call: used more than its 128 MiB of memory (limits.memory_mb)",
                Some("limits.memory_mb in smcp.toml sets the limit, below the tenant's ceiling"),
                Some("broken pipe"),
            )
        );
        assert!(matches!(error(Some(&Order::Finish(Why::Place)), false), Error::Unavailable(_)));
        assert!(matches!(error(Some(&Order::Finish(Why::Shutdown)), false), Error::Hosted(_)));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut last = LastWords::default();
        last.report(&"é".repeat(5_000));
        assert_eq!(last.latest().map(str::len), Some(MAX_BYTES));
    }
}
