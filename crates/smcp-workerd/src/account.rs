//! What one process uses and on whose behalf: CPU time is charged to the calls that are in flight while it is used.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use smcp_core::ports::Usage;

use crate::child::{Ended, Meter};

/// The account of one process. Costs one reading of its CPU clock at each begin and end of a call.
pub(crate) struct Account {
    meter: Meter,
    book: Mutex<Book>,
}

/// Of a call in flight: where the common charge stood when it began.
#[derive(Debug)]
pub(crate) struct Charge(Duration);

/// Charges are kept once for all calls: what a call owes is how far `each` has moved while it was in flight.
#[derive(Debug, Default)]
struct Book {
    /// The CPU clock when it was last read.
    read: Duration,
    in_flight: u32,
    /// What a call would owe that was in flight from the start of the process on.
    each: Duration,
    /// The sum of where `each` stood when the calls in flight began.
    begun: Duration,
    /// Whether the call in flight has been the only one all along.
    alone: bool,
    sums: Usage,
    closed: bool,
}

impl Account {
    pub(crate) fn new(meter: Meter) -> Self {
        let sums = Usage { starts: 1, ..Usage::default() };
        Self { meter, book: Mutex::new(Book { sums, ..Book::default() }) }
    }

    /// An exchange is about to be sent; the requests of a batch count one by one and pay as one.
    pub(crate) fn begin(&self, calls: u32) -> Charge {
        let mut book = self.book();
        book.settle(self.meter.cpu().ok());
        book.begin(calls)
    }

    /// A call has ended, well or not.
    pub(crate) fn end(&self, charge: Charge) {
        let mut book = self.book();
        book.settle(self.meter.cpu().ok());
        book.end(charge);
    }

    /// The process is gone; what is in flight will be charged no more.
    pub(crate) fn close(&self, ended: &Ended) {
        let mut book = self.book();
        book.settle(Some(ended.cpu));
        book.sums = book.total();
        book.sums.memory_peak = book.sums.memory_peak.max(ended.peak_memory);
        book.closed = true;
    }

    /// All it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        let mut book = self.book();
        if book.closed {
            return book.sums;
        }
        book.settle(self.meter.cpu().ok());
        book.sums.memory_peak = book.sums.memory_peak.max(self.meter.peak().unwrap_or_default());
        Usage { memory_now: self.meter.memory().unwrap_or_default(), ..book.total() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Numbers alone: nothing in it can be half done.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Charges what was used since the last reading.
    fn settle(&mut self, cpu: Option<Duration>) {
        let used = cpu.unwrap_or_default().saturating_sub(self.read);
        self.read += used;
        match self.in_flight {
            0 => self.sums.cpu_background += used,
            calls => self.each += used / calls,
        }
    }

    fn begin(&mut self, calls: u32) -> Charge {
        self.alone = self.in_flight == 0;
        self.in_flight += 1;
        self.begun += self.each;
        self.sums.calls += u64::from(calls);
        Charge(self.each)
    }

    fn end(&mut self, Charge(begun): Charge) {
        if self.closed {
            return;
        }
        let alone = self.alone;
        self.book_call(self.each.saturating_sub(begun), alone);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.begun = self.begun.saturating_sub(begun);
    }

    fn book_call(&mut self, owed: Duration, alone: bool) {
        if alone {
            self.sums.cpu_exact += owed;
        } else {
            self.sums.cpu_shared += owed;
        }
    }

    /// The sums with what the calls in flight owe so far.
    fn total(&self) -> Usage {
        let owed = (self.each * self.in_flight).saturating_sub(self.begun);
        let (exact, shared) = if self.alone { (owed, Duration::ZERO) } else { (Duration::ZERO, owed) };
        Usage {
            cpu_exact: self.sums.cpu_exact + exact,
            cpu_shared: self.sums.cpu_shared + shared,
            ..self.sums
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Exact, shared and background, in milliseconds.
    fn sums(book: &Book) -> (u128, u128, u128) {
        let Usage { cpu_exact, cpu_shared, cpu_background, .. } = book.total();
        (cpu_exact.as_millis(), cpu_shared.as_millis(), cpu_background.as_millis())
    }

    #[test]
    fn a_lone_call_pays_exactly_and_nobody_for_the_rest() {
        let mut book = Book::default();
        for (cpu, calls) in [(10, 1), (35, 2_u32)] {
            book.settle(Some(ms(cpu)));
            let charge = book.begin(1);
            book.settle(Some(ms(cpu + 20)));
            assert_eq!(sums(&book).0, u128::from(calls) * 20, "what is owed so far shows");
            book.end(charge);
        }
        book.settle(Some(ms(60)));
        assert_eq!((sums(&book), book.sums.calls), ((40, 0, 20), 2));
    }

    #[test]
    fn calls_at_the_same_time_pay_in_equal_parts() {
        let mut book = Book::default();
        let one = book.begin(1);
        book.settle(Some(ms(10)));
        let two = book.begin(1);
        book.settle(Some(ms(30)));
        book.end(one);
        assert_eq!(sums(&book), (0, 30, 0), "who was not alone all along is labelled so");
        book.settle(Some(ms(35)));
        book.end(two);
        book.settle(Some(ms(36)));
        assert_eq!(sums(&book), (0, 35, 1));
        let three = book.begin(1);
        book.settle(Some(ms(40)));
        book.end(three);
        assert_eq!(sums(&book), (4, 35, 1));
    }

    #[test]
    fn a_clock_that_cannot_be_read_charges_nothing() {
        let mut book = Book::default();
        book.settle(Some(ms(5)));
        let charge = book.begin(1);
        book.settle(None);
        book.settle(Some(ms(4)));
        book.end(charge);
        assert_eq!(sums(&book), (0, 0, 5));
    }

    #[test]
    fn the_end_of_a_process_is_paid_by_what_it_cut_off() {
        let mut book = Book::default();
        let charge = book.begin(1);
        book.settle(Some(ms(30_000)));
        book.sums = book.total();
        book.closed = true;
        book.end(charge);
        assert_eq!(book.sums.cpu_exact, ms(30_000));
    }
}
