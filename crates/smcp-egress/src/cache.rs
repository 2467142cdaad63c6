//! What the DNS said a moment ago, remembered for each tenant alone: how fast a name resolves tells nobody what others do.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use smcp_types::TenantId;

use crate::resolve::{ResolveError, Resolved};

/// Most names remembered for one tenant.
const MAX_NAMES: usize = 64;
/// Most tenants that have any.
const MAX_TENANTS: usize = 4096;
/// Bounds of the time for which an answer is remembered, whatever it says itself.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(300);

type Answer = Result<Resolved, ResolveError>;

#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<TenantId, HashMap<String, Entry>>>);

struct Entry {
    answer: Answer,
    until: Duration,
}

impl Cache {
    /// What is remembered, if it still holds.
    pub(crate) fn get(&self, tenant: TenantId, name: &str, now: Duration) -> Option<Answer> {
        let tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tenants.get(&tenant)?.get(name)?;
        (now < entry.until).then(|| entry.answer.clone())
    }

    /// Remembers an answer. A server that gave none is asked again at once: that may be over in a moment.
    pub(crate) fn put(&self, tenant: TenantId, name: &str, answer: &Answer, now: Duration) {
        let ttl = match answer {
            Ok(resolved) => resolved.ttl.clamp(*TTL.start(), *TTL.end()),
            Err(ResolveError::NoSuchName) => *TTL.start(),
            Err(ResolveError::Failed) => return,
        };
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MAX_TENANTS && !tenants.contains_key(&tenant) {
            tenants.retain(|_, names| names.values().any(|entry| now < entry.until));
            if tenants.len() >= MAX_TENANTS {
                return;
            }
        }
        let names = tenants.entry(tenant).or_default();
        if names.len() >= MAX_NAMES && !names.contains_key(name) {
            names.retain(|_, entry| now < entry.until);
            let first = names.iter().min_by_key(|(_, entry)| entry.until).map(|(name, _)| name.clone());
            if let Some(first) = first.filter(|_| names.len() >= MAX_NAMES) {
                names.remove(&first);
            }
        }
        names.insert(name.to_owned(), Entry { answer: answer.clone(), until: now + ttl });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(last: u8) -> TenantId {
        TenantId::from_bytes([last; 16])
    }

    #[test]
    fn answers_are_remembered_within_bounds_and_for_their_tenant_alone() {
        let cache = Cache::default();
        let seconds = Duration::from_secs;
        let answer = |ttl| Ok(Resolved { addresses: vec!["192.0.2.1".parse().unwrap()], ttl: seconds(ttl) });
        cache.put(tenant(1), "short.example", &answer(0), seconds(0));
        cache.put(tenant(1), "long.example", &answer(1_000_000), seconds(0));
        cache.put(tenant(1), "none.example", &Err(ResolveError::NoSuchName), seconds(0));
        cache.put(tenant(1), "failed.example", &Err(ResolveError::Failed), seconds(0));
        assert!(cache.get(tenant(1), "short.example", seconds(4)).is_some());
        assert!(cache.get(tenant(1), "short.example", seconds(5)).is_none());
        assert!(cache.get(tenant(1), "long.example", seconds(299)).is_some());
        assert!(cache.get(tenant(1), "long.example", seconds(300)).is_none());
        assert!(cache.get(tenant(1), "none.example", seconds(1)).is_some());
        assert!(cache.get(tenant(1), "failed.example", seconds(1)).is_none());
        assert!(cache.get(tenant(2), "short.example", seconds(1)).is_none());
        for number in 0..1000 {
            cache.put(tenant(1), &format!("{number}.example"), &answer(60), seconds(1));
        }
        assert_eq!(cache.0.lock().unwrap()[&tenant(1)].len(), MAX_NAMES);
    }
}
