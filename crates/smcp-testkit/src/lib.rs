//! In-memory adapters, fake clock and simulated isolates, for tests.
