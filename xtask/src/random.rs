//! Random choices from a seed that is printed, so that a failing run can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: enough for test data, and the same sequence on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed from the clock.
    pub(crate) fn seed() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(since.subsec_nanos()) ^ since.as_secs()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `greatest`, both included.
    pub(crate) fn between(&mut self, least: i64, greatest: i64) -> i64 {
        let width = greatest.abs_diff(least) + 1;
        least.wrapping_add_unsigned(self.next() % width)
    }

    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.next() % choices.len() as u64).unwrap_or_default()]
    }

    /// A made-up word, some of its letters outside ASCII.
    pub(crate) fn word(&mut self) -> String {
        const SYLLABLES: [&str; 12] =
            ["ba", "ke", "li", "mo", "nu", "ró", "shi", "tä", "vë", "zo", "да", "字"];
        let length = self.between(2, 4);
        (0..length).map(|_| *self.pick(&SYLLABLES)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        let mut runs = [Random::new(7), Random::new(7)].map(|mut random| {
            (random.word(), random.between(-5, 5), random.word(), *random.pick(&[1, 2, 3]))
        });
        assert_eq!(runs[0], runs[1]);
        runs[1].0 = Random::new(8).word();
        assert_ne!(runs[0], runs[1]);
    }

    #[test]
    fn both_ends_of_a_range_are_met() {
        let mut random = Random::new(1);
        let met: std::collections::BTreeSet<_> = (0..200).map(|_| random.between(-2, 2)).collect();
        assert_eq!(met.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
    }
}
