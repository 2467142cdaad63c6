//! A server's record of broken limits: when a few become a quarantine, and when they are forgotten.

use std::{collections::BTreeMap, time::Duration};

use smcp_types::{ServerId, TenantId};

use super::Settings;
use crate::ports::VersionRef;

/// The most servers something is held against. One more takes the place of the one that would be clean first.
const MAX_RECORDS: usize = 10_000;

type Key = (TenantId, ServerId);

/// What is held against servers, whatever versions of them broke limits: a new version does not begin anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Records(BTreeMap<Key, Record>);

/// What is held against a server. Bounded: as many times as make a quarantine.
#[derive(Clone, Debug, Default)]
struct Record {
    /// When limits were broken, within the window.
    recent: Vec<Duration>,
    /// All of them since the record is clean.
    offences: u32,
    /// Quarantines so far, and when the latest ends.
    quarantines: u32,
    until: Duration,
}

/// What a version is judged by: the bounds, and its server's record.
pub(super) struct Judge<'a> {
    pub(super) settings: &'a Settings,
    records: &'a mut Records,
    server: Key,
}

/// The quarantine that an offence led to.
pub(super) struct Quarantine {
    pub(super) until: Duration,
    pub(super) offences: u32,
}

impl Records {
    pub(super) fn judge<'a>(&'a mut self, version: &VersionRef, settings: &'a Settings) -> Judge<'a> {
        Judge { settings, records: self, server: (version.tenant, version.server) }
    }

    /// Lets go of records that are clean, and finds room for one more.
    fn make_room(&mut self, now: Duration, server: &Key, settings: &Settings) {
        self.0.retain(|_, record| record.clean_at(settings) > now);
        if self.0.len() >= MAX_RECORDS && !self.0.contains_key(server) {
            let first = self.0.iter().min_by_key(|(_, record)| record.clean_at(settings));
            if let Some(first) = first.map(|(server, _)| *server) {
                self.0.remove(&first);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Judge<'_> {
    /// A limit was broken. Returns the quarantine that follows, if one does: the first takes a few offences, after that
    /// each one is enough until the record is clean.
    pub(super) fn offend(&mut self, now: Duration) -> Option<Quarantine> {
        self.records.make_room(now, &self.server, self.settings);
        self.records.0.entry(self.server).or_default().offend(now, self.settings)
    }

    /// Nothing is held against the server any more.
    pub(super) fn pardon(&mut self) {
        self.records.0.remove(&self.server);
    }
}

impl Record {
    fn offend(&mut self, now: Duration, settings: &Settings) -> Option<Quarantine> {
        self.offences = self.offences.saturating_add(1);
        self.recent.retain(|at| now.saturating_sub(*at) < settings.quarantine_window);
        self.recent.push(now);
        let count = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if count < settings.quarantine_after && self.quarantines == 0 {
            return None;
        }
        self.recent.clear();
        self.quarantines = self.quarantines.saturating_add(1);
        self.until = now.saturating_add(settings.quarantine(self.quarantines));
        Some(Quarantine { until: self.until, offences: self.offences })
    }

    /// When nothing is held against the server any more.
    fn clean_at(&self, settings: &Settings) -> Duration {
        let window = self.recent.last().map(|at| at.saturating_add(settings.quarantine_window));
        let kept = (self.quarantines > 0).then(|| self.until.saturating_add(settings.quarantine_kept));
        window.max(kept).unwrap_or_default()
    }
}
