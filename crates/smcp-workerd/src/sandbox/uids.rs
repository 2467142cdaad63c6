//! User ids for servers: the same one each time where possible, and never one for two servers at a time.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
};

/// How many ids a node uses, from its base on.
pub(crate) const SLOTS: u32 = 65_536;
/// Where they begin when nobody says: far from the ids of people, services and container tools.
pub(crate) const DEFAULT_UID_BASE: u32 = 1_900_000_000;

/// The ids of one node.
#[derive(Clone, Debug)]
pub(crate) struct Uids {
    base: u32,
    taken: Arc<Mutex<BTreeMap<u32, Holder>>>,
}

#[derive(Debug)]
struct Holder {
    owner: String,
    processes: u32,
}

/// An id held for a process.
#[derive(Debug)]
pub(crate) struct Lease {
    slot: u32,
    uids: Uids,
}

impl Uids {
    pub(crate) fn new(base: u32) -> Self {
        Self { base, taken: Arc::default() }
    }

    /// An id for a process of this owner. `None` when every id is another owner's.
    pub(crate) fn lease(&self, owner: &str) -> Option<Lease> {
        let mut hasher = DefaultHasher::new();
        owner.hash(&mut hasher);
        let first = u32::try_from(hasher.finish() % u64::from(SLOTS)).unwrap_or(0);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Where it sits already, else the first free place from its own on.
        let seated = taken.iter().find(|(_, holder)| holder.owner == owner).map(|(slot, _)| *slot);
        let mut places = (0..SLOTS).map(|step| (first + step) % SLOTS);
        let slot = seated.or_else(|| places.find(|slot| !taken.contains_key(slot)))?;
        let holder = taken.entry(slot).or_insert_with(|| Holder { owner: owner.to_owned(), processes: 0 });
        holder.processes += 1;
        Some(Lease { slot, uids: self.clone() })
    }
}

impl Lease {
    pub(crate) fn uid(&self) -> u32 {
        self.uids.base + self.slot
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut taken = self.uids.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = taken.get_mut(&self.slot) {
            holder.processes -= 1;
            if holder.processes == 0 {
                taken.remove(&self.slot);
            }
        }
    }
}

/// The base to use where the configuration names none: the default, or the end of what this machine gives us, in a
/// container that has few ids. `map` is the text of `/proc/self/uid_map`.
pub(crate) fn base_within(map: &str) -> u32 {
    let ranges = map.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), _, Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) else {
            return None;
        };
        Some((first, first + count))
    });
    let ranges: Vec<_> = ranges.collect();
    let (wanted, slots) = (u64::from(DEFAULT_UID_BASE), u64::from(SLOTS));
    if ranges.iter().any(|(first, end)| *first <= wanted && wanted + slots <= *end) {
        return DEFAULT_UID_BASE;
    }
    let last = ranges.iter().map(|(_, end)| *end).max().unwrap_or_default();
    u32::try_from(last.saturating_sub(slots)).unwrap_or(DEFAULT_UID_BASE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_keeps_its_id_and_no_two_have_the_same() {
        let uids = Uids::new(1000);
        let first = uids.lease("a").unwrap();
        let again = uids.lease("a").unwrap();
        assert_eq!(first.uid(), again.uid());
        let others: Vec<_> = (0..2000).map(|n| uids.lease(&format!("server {n}")).unwrap()).collect();
        let mut ids: Vec<_> = others.iter().map(Lease::uid).chain([first.uid()]).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2001);
        let uid = first.uid();
        drop(first);
        assert_eq!(uids.lease("a").unwrap().uid(), uid, "one process is left");
        drop((again, others));
        assert!(uids.taken.lock().unwrap().is_empty());
        assert_eq!(uids.lease("a").unwrap().uid(), uid, "the same again");
    }

    #[test]
    fn the_base_is_within_what_the_machine_gives() {
        assert_eq!(base_within("         0          0 4294967295\n"), DEFAULT_UID_BASE);
        assert_eq!(base_within("0 100000 200000\n"), 200_000 - SLOTS);
        assert_eq!(base_within("0 1000 1\n"), 1);
    }
}
