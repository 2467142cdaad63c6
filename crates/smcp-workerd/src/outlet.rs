//! Where the output of a process goes: read always, into the server's log as far as its budget goes.

use std::sync::{Arc, Mutex, PoisonError};

use smcp_core::ports::{Clock, LogLevel, LogLine};
use tokio::net::unix::pipe;

use crate::{
    drain::drain,
    exit::LastWords,
    log_budget::{Fate, LogBudget},
    logline::{self, Speaker},
};

/// Said at every start with some of V8's flags, and of no use to a publisher.
const NOISE: &str = "per-isolate bootstrap compile cache failed its compatibility check";

/// What a line costs beside its bytes: a row of the log, however short.
const LINE_COST: usize = 64;

/// Takes the lines of one process.
pub(crate) type LineSink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// The way of one process's output into the log.
#[derive(Clone)]
pub(crate) struct Outlet {
    pub(crate) sink: LineSink,
    pub(crate) budget: Arc<LogBudget>,
    /// Bytes a minute.
    pub(crate) limit: u32,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Which of its two pipes a process writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pipe {
    Output,
    Errors,
}

impl Outlet {
    /// Reads both pipes to their ends.
    pub(crate) async fn drain(
        self,
        (output, errors): (pipe::Receiver, pipe::Receiver),
        last: Arc<Mutex<LastWords>>,
    ) {
        let line = |pipe| {
            let (outlet, last) = (&self, &last);
            move |line: &[u8], cut: bool| outlet.line(pipe, (line, cut), last)
        };
        let clock = &*self.clock;
        let both = (drain(output, clock, line(Pipe::Output)), drain(errors, clock, line(Pipe::Errors)));
        futures_util::future::join(both.0, both.1).await;
    }

    /// The process has ended and all it wrote is read.
    pub(crate) fn close(&self, last: &Mutex<LastWords>) {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = last.take_unread() {
            let (line, speaker) = logline::read(&line, false, LogLevel::Error, self.clock.now());
            if speaker == Speaker::LastWords {
                last.report(&line.message);
            }
        }
        drop(last);
        self.note(self.budget.flush(self.limit));
    }

    fn line(&self, pipe: Pipe, (line, cut): (&[u8], bool), last: &Mutex<LastWords>) {
        let cost = line.len() + LINE_COST;
        let (kept, note) = match self.budget.take(self.clock.monotonic(), cost, self.limit) {
            Fate::Keep(note) => (true, note),
            Fate::Drop(note) => (false, note),
        };
        self.note(note);
        // A flood is not even parsed; why a process ends is known nevertheless.
        if !kept {
            if may_be_last_words(line) {
                last.lock().unwrap_or_else(PoisonError::into_inner).unread(line);
            }
            return;
        }
        let plain = if pipe == Pipe::Output { LogLevel::Info } else { LogLevel::Error };
        let (line, speaker) = logline::read(line, cut, plain, self.clock.now());
        if speaker == Speaker::Runtime && line.message.contains(NOISE) {
            return;
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match (speaker, pipe) {
            // A warning is no reason to end, and may come after the reason.
            (Speaker::Runtime, Pipe::Errors) if line.level < LogLevel::Error => {}
            (Speaker::LastWords, _) | (Speaker::Runtime, Pipe::Errors) => last.report(&line.message),
            (Speaker::Hosted, Pipe::Errors) => last.line(&line.message),
            // Reports about single requests come here too: they do not say why the process ends.
            (Speaker::Hosted | Speaker::Runtime, Pipe::Output) => {}
        }
        drop(last);
        (self.sink)(line);
    }

    fn note(&self, message: Option<String>) {
        if let Some(message) = message {
            (self.sink)(LogLine::platform(self.clock.now(), LogLevel::Warn, message));
        }
    }
}

/// The level stands near the beginning of what the runtime prints.
fn may_be_last_words(line: &[u8]) -> bool {
    const LEVEL: &[u8] = b"\"fatal\"";
    line[..line.len().min(128)].windows(LEVEL.len()).any(|window| window == LEVEL)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use smcp_testkit::FakeClock;

    use super::{LastWords, Outlet, Pipe};
    use crate::log_budget::LogBudget;

    #[test]
    fn a_warning_does_not_take_the_place_of_the_reason() {
        let outlet = Outlet {
            sink: Arc::new(|_| {}),
            budget: Arc::new(LogBudget::default()),
            limit: 1 << 20,
            clock: Arc::new(FakeClock::default()),
        };
        let last = Mutex::new(LastWords::default());
        for line in [
            r#"{"level":"error","source":"a.c++:1","message":"service main: Uncaught Error: nope"}"#,
            r#"{"level":"warning","source":"a.c++:2","message":"service main: the flag is the default"}"#,
        ] {
            outlet.line(Pipe::Errors, (line.as_bytes(), false), &last);
        }
        assert_eq!(last.lock().unwrap().latest(), Some("Uncaught Error: nope"));
    }
}
