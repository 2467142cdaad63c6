//! How much a version may log in a minute: what is beyond is dropped, counted, and told in one line.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use smcp_types::Limit;

const MINUTE: Duration = Duration::from_secs(60);

/// The budget of one version, whatever process of it writes.
#[derive(Debug, Default)]
pub(crate) struct LogBudget {
    minute: Mutex<Minute>,
}

#[derive(Debug, Default)]
struct Minute {
    begun: Option<Duration>,
    bytes: u64,
    dropped: u64,
}

/// What to do with a line. Either way there may be something to say first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Keep(Option<String>),
    Drop(Option<String>),
}

impl LogBudget {
    /// Decides on a line of this many bytes.
    pub(crate) fn take(&self, now: Duration, bytes: usize, limit: u32) -> Fate {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let mut note = None;
        if minute.begun.is_none_or(|begun| now.saturating_sub(begun) >= MINUTE) {
            note = minute.summary(limit);
            *minute = Minute { begun: Some(now), ..Minute::default() };
        }
        minute.bytes = minute.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if minute.bytes <= limit.into() {
            return Fate::Keep(note);
        }
        minute.dropped += 1;
        if minute.dropped == 1 {
            note = Some(format!(
                "[smcp] lines are dropped until a minute is over: the server writes more than {limit} bytes a minute ({})",
                Limit::LogSize
            ));
        }
        Fate::Drop(note)
    }

    /// The process has ended: tells what was dropped and not told yet.
    pub(crate) fn flush(&self, limit: u32) -> Option<String> {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let note = minute.summary(limit);
        minute.dropped = 0;
        note
    }
}

impl Minute {
    fn summary(&self, limit: u32) -> Option<String> {
        let Self { dropped, .. } = self;
        let what = format!("[smcp] {dropped} lines were dropped: the server wrote more than {limit} bytes");
        (*dropped > 0).then(|| format!("{what} in a minute ({})", Limit::LogSize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_is_counted_and_told_once() {
        let budget = LogBudget::default();
        let take = |seconds, bytes| budget.take(Duration::from_secs(seconds), bytes, 100);
        assert_eq!(take(7, 60), Fate::Keep(None));
        assert_eq!(take(8, 40), Fate::Keep(None));
        let note = "[smcp] lines are dropped until a minute is over: the server writes more than 100 bytes a minute (limits.log_bytes)";
        assert_eq!(take(9, 1), Fate::Drop(Some(note.to_owned())));
        assert_eq!(take(66, 1), Fate::Drop(None));
        let note = "[smcp] 2 lines were dropped: the server wrote more than 100 bytes in a minute (limits.log_bytes)";
        assert_eq!(take(67, 100), Fate::Keep(Some(note.to_owned())));
        assert_eq!(budget.flush(100), None);
        assert!(matches!(take(68, 1), Fate::Drop(Some(_))));
        assert!(budget.flush(100).is_some_and(|note| note.starts_with("[smcp] 1 lines")));
        assert_eq!(budget.flush(100), None);
        assert_eq!(take(200, 1), Fate::Keep(None));
    }
}
