//! What a probe is asked and what it answers.

use std::collections::BTreeMap;

use nix::errno::Errno;

use crate::Result;

/// One attempt.
pub(crate) type Probe = fn(&Order) -> Outcome;

/// What to try: the probe's name, its row, and where its targets are.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) probe: String,
    pub(crate) row: String,
    targets: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The attack worked.
    Succeeded(String),
    /// It was refused with this error.
    Refused(String),
    /// This kernel does not have what is attacked, or allows it to nobody.
    Impossible(String),
}

impl Order {
    /// `NAME ROW KEY=VALUE…`
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let probe = words.next().ok_or("no probe was named")?.to_owned();
        let row = words.next().unwrap_or("-").to_owned();
        let pairs = words.filter_map(|word| word.split_once('='));
        let targets = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Self { probe, row, targets })
    }

    /// A target by name; empty when the suite did not give it, and then no attempt can succeed.
    pub(crate) fn target(&self, name: &str) -> &str {
        self.targets.get(name).map_or("", String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.target(name).parse().unwrap_or_default()
    }

    /// The row with `{name}` replaced by targets.
    pub(crate) fn path(&self) -> String {
        let mut path = self.row.clone();
        for (name, value) in &self.targets {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        path
    }
}

impl Outcome {
    /// Success is a call that did not fail.
    pub(crate) fn of<T>(done: std::result::Result<T, Errno>, what: &str) -> Self {
        match done {
            Ok(_) => Self::Succeeded(what.to_owned()),
            Err(error) => Self::refused(error),
        }
    }

    /// The same, where some errors tell that the kernel went past its checks.
    pub(crate) fn reached<T>(done: std::result::Result<T, Errno>, beyond: &[Errno], what: &str) -> Self {
        match done {
            Err(error) if beyond.contains(&error) => Self::Succeeded(format!("{what}: {error:?}")),
            done => Self::of(done, what),
        }
    }

    pub(crate) fn refused(error: Errno) -> Self {
        Self::Refused(format!("{error:?}"))
    }

    /// An input or output error as the standard library reports it.
    pub(crate) fn from_io(error: &std::io::Error) -> Self {
        error
            .raw_os_error()
            .map_or_else(|| Self::Refused(error.to_string()), |number| Self::refused(Errno::from_raw(number)))
    }

    /// What the kernel lacks is no refusal by a layer of ours.
    pub(crate) fn unless_missing(self) -> Self {
        match self {
            Self::Refused(error)
                if ["ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EOPNOTSUPP"].contains(&error.as_str()) =>
            {
                Self::Impossible(format!("{error}: the kernel does not have it"))
            }
            other => other,
        }
    }
}
