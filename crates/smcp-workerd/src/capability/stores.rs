//! Whose storage a process is given: the tenant's, or, for a trial, some of its own that is thrown away.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use smcp_core::{
    ports::{Purpose, Workload},
    storage::Storage,
};

/// The tenants' storage, and that of the trials that run.
pub struct Stores {
    serving: Arc<Storage>,
    trials: Mutex<Vec<(Weak<Workload>, Arc<Storage>)>>,
}

impl Stores {
    /// Storage for processes; trials get none of it.
    #[must_use]
    pub fn new(serving: Arc<Storage>) -> Self {
        Self { serving, trials: Mutex::default() }
    }

    /// The storage of a process.
    pub(super) fn of(&self, workload: &Arc<Workload>) -> Arc<Storage> {
        if workload.purpose == Purpose::Trial {
            return self.of_trial(workload);
        }
        Arc::clone(&self.serving)
    }

    fn of_trial(&self, workload: &Arc<Workload>) -> Arc<Storage> {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        trials.retain(|(owner, _)| owner.strong_count() > 0);
        let known = trials.iter().find(|(owner, _)| owner.as_ptr() == Arc::as_ptr(workload));
        if let Some((_, storage)) = known {
            return Arc::clone(storage);
        }
        let storage = Arc::new(self.serving.for_trial());
        trials.push((Arc::downgrade(workload), Arc::clone(&storage)));
        storage
    }
}
