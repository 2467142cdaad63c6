//! What a running server may use: each limit with its key, its bounds and its default.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A limit of one server version. Its serialised form is its key in the manifest's `limits`; variants stand in the order
/// of these keys, so that a map of them is canonical JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Limit {
    /// Longest wait for the answer to one call, waking included.
    #[serde(rename = "call_timeout_ms")]
    CallTimeout,
    /// Calls that are answered or wait for a process at the same time.
    #[serde(rename = "concurrent_calls")]
    ConcurrentCalls,
    /// CPU time since the event loop last answered.
    #[serde(rename = "cpu_ms")]
    Cpu,
    /// Share of the machine, in hundredths of one core.
    #[serde(rename = "cpu_percent")]
    CpuShare,
    /// Bytes of log in one minute.
    #[serde(rename = "log_bytes")]
    LogSize,
    /// Memory of the process.
    #[serde(rename = "memory_mb")]
    Memory,
    /// Streams that are open beside calls.
    #[serde(rename = "open_streams")]
    OpenStreams,
    /// Bytes of one answer, and of one event in a stream.
    #[serde(rename = "response_bytes")]
    ResponseSize,
    /// From the start of a process until it listens.
    #[serde(rename = "start_ms")]
    Start,
}

/// The values a limit can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub least: u32,
    /// What holds when a manifest says nothing.
    pub default: u32,
    /// The most a manifest may ask for when the tenant's ceiling was never set.
    pub ceiling: u32,
    /// The most a tenant's ceiling can be.
    pub most: u32,
    /// The unit, as it follows a number.
    pub unit: &'static str,
}

const fn bounds(least: u32, default: u32, (ceiling, most): (u32, u32), unit: &'static str) -> Bounds {
    Bounds { least, default, ceiling, most, unit }
}

impl Limit {
    /// All of them, in the order of their keys.
    pub const ALL: [Self; 9] = [
        Self::CallTimeout,
        Self::ConcurrentCalls,
        Self::Cpu,
        Self::CpuShare,
        Self::LogSize,
        Self::Memory,
        Self::OpenStreams,
        Self::ResponseSize,
        Self::Start,
    ];

    /// The key in the manifest's `limits`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::CallTimeout => "call_timeout_ms",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::Cpu => "cpu_ms",
            Self::CpuShare => "cpu_percent",
            Self::LogSize => "log_bytes",
            Self::Memory => "memory_mb",
            Self::OpenStreams => "open_streams",
            Self::ResponseSize => "response_bytes",
            Self::Start => "start_ms",
        }
    }

    /// The limit with this key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.key() == key)
    }

    /// The values it can have.
    #[must_use]
    pub fn bounds(self) -> Bounds {
        match self {
            Self::CallTimeout => bounds(1, 60_000, (300_000, 300_000), "milliseconds"),
            // Each costs a descriptor here and one in the process.
            Self::ConcurrentCalls => bounds(1, 64, (256, 448), "calls"),
            Self::Cpu => bounds(50, 30_000, (300_000, 300_000), "milliseconds"),
            Self::CpuShare => bounds(5, 100, (100, 6_400), "hundredths of a core"),
            Self::LogSize => bounds(1 << 10, 1 << 20, (16 << 20, 256 << 20), "bytes a minute"),
            // With less, a blameless server does not last: V8 lets some tens of MiB gather before it collects.
            Self::Memory => bounds(64, 128, (512, 16_384), "MiB"),
            Self::OpenStreams => bounds(0, 64, (256, 448), "streams"),
            Self::ResponseSize => bounds(1 << 10, 8 << 20, (8 << 20, 64 << 20), "bytes"),
            Self::Start => bounds(100, 5_000, (30_000, 120_000), "milliseconds"),
        }
    }

    /// Checks a value that somebody asks for.
    ///
    /// # Errors
    /// A clause that follows the key.
    pub fn check(self, value: i64) -> Result<u32, String> {
        let Bounds { least, most, unit, .. } = self.bounds();
        u32::try_from(value)
            .ok()
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| format!("must be between {least} and {most} {unit}"))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limits.{}", self.key())
    }
}

/// Some limits with values: what a manifest asks for, or a tenant's ceilings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LimitSet(BTreeMap<Limit, u32>);

impl LimitSet {
    /// Sets a limit.
    pub fn set(&mut self, limit: Limit, value: u32) {
        self.0.insert(limit, value);
    }

    /// Takes a limit out.
    pub fn unset(&mut self, limit: Limit) {
        self.0.remove(&limit);
    }

    /// The value, if there is one.
    #[must_use]
    pub fn get(&self, limit: Limit) -> Option<u32> {
        self.0.get(&limit).copied()
    }

    /// All of them, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u32)> + '_ {
        self.0.iter().map(|(limit, value)| (*limit, *value))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this set, taken as ceilings, allows of a limit.
    #[must_use]
    pub fn ceiling(&self, limit: Limit) -> u32 {
        self.get(limit).unwrap_or(limit.bounds().ceiling)
    }

    /// The limits that are above their ceilings, with what is asked for and the ceiling.
    pub fn above(&self, ceilings: &Self) -> impl Iterator<Item = (Limit, u32, u32)> {
        self.iter()
            .map(|(limit, value)| (limit, value, ceilings.ceiling(limit)))
            .filter(|(_, value, ceiling)| value > ceiling)
    }
}

impl FromIterator<(Limit, u32)> for LimitSet {
    fn from_iter<I: IntoIterator<Item = (Limit, u32)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// The limits one version runs under, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for the answer to one call, in milliseconds.
    pub call_timeout_ms: u32,
    /// Calls at the same time.
    pub concurrent_calls: u32,
    /// CPU time since the event loop last answered, in milliseconds.
    pub cpu_ms: u32,
    /// Share of the machine, in hundredths of one core.
    pub cpu_percent: u32,
    /// Bytes of log in one minute.
    pub log_bytes: u32,
    /// Memory of the process, in MiB.
    pub memory_mb: u32,
    /// Streams that are open beside calls.
    pub open_streams: u32,
    /// Bytes of one answer.
    pub response_bytes: u32,
    /// From start to listening, in milliseconds.
    pub start_ms: u32,
}

impl Limits {
    /// What is asked for or else the default, and never more than the ceiling: a ceiling lowered after a deploy holds too.
    #[must_use]
    pub fn resolve(asked: &LimitSet, ceilings: &LimitSet) -> Self {
        let value =
            |limit: Limit| asked.get(limit).unwrap_or(limit.bounds().default).min(ceilings.ceiling(limit));
        Self {
            call_timeout_ms: value(Limit::CallTimeout),
            concurrent_calls: value(Limit::ConcurrentCalls),
            cpu_ms: value(Limit::Cpu),
            cpu_percent: value(Limit::CpuShare),
            log_bytes: value(Limit::LogSize),
            memory_mb: value(Limit::Memory),
            open_streams: value(Limit::OpenStreams),
            response_bytes: value(Limit::ResponseSize),
            start_ms: value(Limit::Start),
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, limit: Limit) -> u32 {
        match limit {
            Limit::CallTimeout => self.call_timeout_ms,
            Limit::ConcurrentCalls => self.concurrent_calls,
            Limit::Cpu => self.cpu_ms,
            Limit::CpuShare => self.cpu_percent,
            Limit::LogSize => self.log_bytes,
            Limit::Memory => self.memory_mb,
            Limit::OpenStreams => self.open_streams,
            Limit::ResponseSize => self.response_bytes,
            Limit::Start => self.start_ms,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::resolve(&LimitSet::default(), &LimitSet::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_order_and_say_what_is_serialised() {
        let keys: Vec<&str> = Limit::ALL.iter().map(|limit| limit.key()).collect();
        assert!(keys.is_sorted());
        for limit in Limit::ALL {
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.key());
            assert_eq!(Limit::of_key(limit.key()), Some(limit));
            let Bounds { least, default, ceiling, most, .. } = limit.bounds();
            assert!(least <= default && default <= ceiling && ceiling <= most, "{limit}");
        }
    }

    #[test]
    fn a_ceiling_holds_whatever_is_asked() {
        let asked: LimitSet = [(Limit::Memory, 256), (Limit::Cpu, 100)].into_iter().collect();
        let low: LimitSet = [(Limit::Memory, 200), (Limit::Start, 1_000)].into_iter().collect();
        assert_eq!(asked.above(&LimitSet::default()).count(), 0);
        assert!(asked.above(&low).eq([(Limit::Memory, 256, 200)]));
        let limits = Limits::resolve(&asked, &low);
        assert_eq!((limits.memory_mb, limits.cpu_ms, limits.start_ms), (200, 100, 1_000));
        assert_eq!(Limits::default().memory_mb, 128);
    }
}
