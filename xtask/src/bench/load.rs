//! Calls as fast as the answers come, on a number of kept connections.

use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::http::{Address, Connection};

/// What is sent where.
pub(super) struct Load<'a> {
    pub(super) address: &'a Address,
    pub(super) request: &'a [u8],
    pub(super) connections: usize,
}

/// How long calls took.
#[derive(Default)]
pub(super) struct Figures {
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Load<'_> {
    /// One thread per connection, each with one call in flight.
    pub(super) fn run(&self, round: Duration) -> Result<Figures> {
        let began = Instant::now();
        let latencies = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..self.connections).map(|_| scope.spawn(|| self.one(began + round))).collect();
            let parts =
                threads.into_iter().map(|thread| thread.join().map_err(|_| "a load thread panicked")?);
            parts.collect::<Result<Vec<_>>>()
        })?;
        Ok(Figures { latencies: latencies.concat(), elapsed: began.elapsed() })
    }

    fn one(&self, until: Instant) -> Result<Vec<Duration>> {
        let mut connection = Connection::open(self.address)?;
        let mut latencies = Vec::new();
        loop {
            let began = Instant::now();
            if began >= until {
                return Ok(latencies);
            }
            let answer = connection.send(self.request)?;
            latencies.push(began.elapsed());
            if answer.status != 200 {
                let body = String::from_utf8_lossy(&answer.body);
                return Err(format!("HTTP {} from {:?}: {body}", answer.status, self.address).into());
            }
        }
    }
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
    }

    pub(super) fn sort(&mut self) {
        self.latencies.sort_unstable();
    }

    pub(super) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that so many of a thousand calls stayed below; sort first.
    pub(super) fn at(&self, permille: usize) -> Duration {
        self.latencies.get(self.latencies.len() * permille / 1000).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Figures;

    #[test]
    fn figures_add_up() {
        let part = |from: u64, to: u64| Figures {
            latencies: (from..to).map(Duration::from_micros).collect(),
            elapsed: Duration::from_millis(500),
        };
        let mut all = part(500, 1000);
        all.add(part(0, 500));
        all.sort();
        assert_eq!(all.at(500), Duration::from_micros(500));
        assert_eq!(all.at(990), Duration::from_micros(990));
        assert!((all.per_second() - 1000.0).abs() < 1e-9);
    }
}
