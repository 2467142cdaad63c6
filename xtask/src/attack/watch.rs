//! What an attacker's processes use, as the machine sees it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::processes::Process;

/// Over how long processor time is judged.
const WINDOW: Duration = Duration::from_secs(1);

/// The most that was seen so far.
#[derive(Default)]
pub(super) struct Watch {
    /// MiB that one process holds by itself.
    pub(super) memory: u64,
    /// Files that the other side has open.
    pub(super) connections: usize,
    /// Since when none of them is there, once there was one.
    pub(super) gone_since: Option<Instant>,
    seen: bool,
    processor: BTreeMap<u32, Vec<(Instant, Duration)>>,
}

impl Watch {
    /// Looks at the processes that are there now.
    pub(super) fn look(&mut self, processes: &[Process], other_side: u32) {
        let now = Instant::now();
        self.seen |= !processes.is_empty();
        if processes.is_empty() {
            self.gone_since = self.gone_since.or(self.seen.then_some(now));
        } else {
            self.gone_since = None;
        }
        self.connections = self.connections.max(open_files(other_side));
        self.processor.retain(|id, _| processes.iter().any(|process| process.id == *id));
        for process in processes {
            self.memory = self.memory.max(process.own_memory().unwrap_or_default() >> 10);
            if let Some(used) = process.processor() {
                self.processor.entry(process.id).or_default().push((now, used));
            }
        }
    }

    /// Per cent of a core that the busiest process used in the last second; none was there for that long: zero.
    pub(super) fn busy(&self) -> u64 {
        let share = |history: &Vec<(Instant, Duration)>| {
            let (end, used) = *history.last()?;
            let (begin, before) = *history.iter().rev().find(|(at, _)| end.duration_since(*at) >= WINDOW)?;
            let share = (used - before).as_secs_f64() / end.duration_since(begin).as_secs_f64();
            Some((share * 100.0).round())
        };
        let busiest = self.processor.values().filter_map(share).fold(0.0, f64::max);
        // From 0 to a few hundred.
        format!("{busiest:.0}").parse().unwrap_or_default()
    }
}

fn open_files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}
