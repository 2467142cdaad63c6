//! Progress of a deploy: a spinner where somebody watches, lines where a log is kept, nothing for programs.

use std::{cell::RefCell, time::Duration};

use indicatif::ProgressBar;

use crate::cli::output::Output;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// What is going on.
pub(super) struct Progress {
    out: Output,
    spinner: RefCell<Option<ProgressBar>>,
}

impl Progress {
    pub(super) fn new(out: Output) -> Self {
        Self { out, spinner: RefCell::new(None) }
    }

    /// The next step begins.
    pub(super) fn step(&self, what: &str) {
        if !self.out.is_watched() {
            return self.out.talk(what);
        }
        let mut spinner = self.spinner.borrow_mut();
        let spinner = spinner.get_or_insert_with(|| {
            let new = ProgressBar::new_spinner();
            new.enable_steady_tick(TICK);
            new
        });
        spinner.set_message(what.to_owned());
    }

    /// Something to be said in between.
    pub(super) fn note(&self, text: &str) {
        match &*self.spinner.borrow() {
            Some(spinner) => spinner.suspend(|| self.out.talk(text)),
            None => self.out.talk(text),
        }
    }

    /// Nothing goes on any more.
    pub(super) fn done(&self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // An error is to be read on a line of its own.
        self.done();
    }
}
