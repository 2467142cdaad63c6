//! The watchdog: finds a process that uses CPU time while its event loop never answers.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use smcp_core::{fleet::Cause, ports::Clock};
use smcp_types::Limit;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use crate::child::Meter;

/// How often it looks at the CPU clock.
const TICK: Duration = Duration::from_millis(250);
/// How soon it looks again when the limit could be reached before the next tick.
const SOONEST: Duration = Duration::from_millis(20);
/// Less CPU time than this is no reason to ask: an answer itself costs some.
const WORTH_ASKING: Duration = Duration::from_millis(2);
/// The health socket serves one file without any hosted code: whoever answers has an event loop that turns.
const QUESTION: &[u8] = b"GET /ok HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n";

/// Watches one process that is ready. CPU time alone counts, so a process that is starved or throttled is treated like
/// any other.
pub(crate) struct Watchdog {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meter: Meter,
    pub(crate) health: PathBuf,
    pub(crate) limit: Duration,
}

impl Watchdog {
    /// Returns when the process breaks the limit; never for one that ends in another way.
    pub(crate) async fn overrun(self) -> Cause {
        let mut known = Duration::ZERO;
        loop {
            self.clock.sleep(TICK).await;
            // Gone: whoever waits for this learns of that elsewhere.
            let Ok(cpu) = self.meter.cpu() else { return std::future::pending().await };
            if cpu.saturating_sub(known) < WORTH_ASKING {
                continue;
            }
            if !self.answers(cpu).await {
                let what = format!("used more than {} ms of CPU without an answer", self.limit.as_millis());
                return Cause::broken(Limit::Cpu, &what);
            }
            known = self.meter.cpu().unwrap_or(cpu);
        }
    }

    /// Whether an answer comes before the process has used its CPU time, counted from the question on.
    async fn answers(&self, asked_at: Duration) -> bool {
        let mut answer = Box::pin(self.ask());
        loop {
            let used = self.meter.cpu().unwrap_or(asked_at).saturating_sub(asked_at);
            if used > self.limit {
                return false;
            }
            let wait = self.limit.saturating_sub(used).clamp(SOONEST, TICK);
            tokio::select! {
                biased;
                answered = &mut answer => match answered {
                    Ok(()) => return true,
                    // Its queue of connections is full, or it is about to end.
                    Err(_) => {
                        self.clock.sleep(wait).await;
                        answer = Box::pin(self.ask());
                    }
                },
                () = self.clock.sleep(wait) => {}
            }
        }
    }

    async fn ask(&self) -> io::Result<()> {
        let mut stream = UnixStream::connect(&self.health).await?;
        stream.write_all(QUESTION).await?;
        let mut byte = [0];
        stream.read_exact(&mut byte).await.map(drop)
    }
}
