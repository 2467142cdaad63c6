//! A bounded map in memory: what the hot path reads instead of a store (DESIGN 3).

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{PoisonError, RwLock},
};

/// Keeps at most `capacity` values. When it is full an arbitrary one makes room: every value can be read again from its
/// store, so which one goes costs time, never truth.
pub(crate) struct Memory<K, V> {
    values: RwLock<Values<K, V>>,
    capacity: usize,
}

struct Values<K, V> {
    map: HashMap<K, V>,
    /// Raised whenever something is forgotten: what was read from a store before that may be out of date.
    epoch: u64,
}

/// When a reader began to read the store; see `Memory::fill`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch(u64);

impl<K: Eq + Hash + Clone, V: Clone> Memory<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: RwLock::new(Values { map: HashMap::new(), epoch: 0 }), capacity }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        // A panic elsewhere leaves the map whole: every change is one insert or remove.
        self.values.read().unwrap_or_else(PoisonError::into_inner).map.get(key).cloned()
    }

    /// To be called before reading the store for a later `fill`.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.values.read().unwrap_or_else(PoisonError::into_inner).epoch)
    }

    /// Remembers what was read from the store, unless anything was forgotten since `epoch`: a slow reader must not
    /// bring back what a change has just made untrue.
    pub(crate) fn fill(&self, epoch: Epoch, key: K, value: V) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        if values.epoch != epoch.0 {
            return;
        }
        if values.map.len() >= self.capacity
            && !values.map.contains_key(&key)
            && let Some(victim) = values.map.keys().next().cloned()
        {
            values.map.remove(&victim);
        }
        values.map.insert(key, value);
    }

    pub(crate) fn forget(&self, key: &K) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        values.epoch += 1;
        values.map.remove(key);
    }

    pub(crate) fn forget_all(&self) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        values.epoch += 1;
        values.map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_bound() {
        let memory = Memory::new(2);
        for n in 0..10 {
            memory.fill(memory.epoch(), n, n * n);
            assert_eq!(memory.get(&n), Some(n * n));
        }
        assert_eq!((0..10).filter(|n| memory.get(n).is_some()).count(), 2);
    }

    #[test]
    fn a_slow_reader_brings_nothing_back() {
        let memory = Memory::new(2);
        let before = memory.epoch();
        memory.forget(&1);
        memory.fill(before, 1, "old");
        assert_eq!(memory.get(&1), None);
        memory.fill(memory.epoch(), 1, "new");
        assert_eq!(memory.get(&1), Some("new"));
    }
}
