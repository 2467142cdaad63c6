//! Starts the native prober where workerd would be, in the very same jail, as the attack suite orders line by line.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a part of a developer's tool: it has a clock and prints"
)]

mod room;

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smcp_types::Limit;
use smcp_workerd::{Child, Ended};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use room::Room;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The suite's own cap on one attempt.
const CAP: Duration = Duration::from_secs(10);
/// Most that is read of what a probe says.
const MOST_SAID: u64 = 64 << 10;

/// One process to start.
#[derive(Deserialize)]
struct Order {
    /// What the prober reads in the place of a configuration.
    text: String,
    /// Layers that are off.
    without: Vec<String>,
    /// Not through the sandbox at all.
    bare: bool,
    hardened: bool,
    /// Which of some servers it belongs to: each has a user of its own.
    server: u8,
    /// What it may use, where that is not the default.
    limits: BTreeMap<Limit, u32>,
    /// Keeps it after its first line, to be attacked; otherwise it is waited for.
    stays: bool,
}

/// What came of it.
#[derive(Serialize, Default)]
struct Report {
    process: i32,
    said: String,
    complained: String,
    /// The signal that ended it.
    signal: Option<i32>,
    code: Option<i32>,
    out_of_memory: bool,
    /// It was still running when its time was over.
    late: bool,
    /// Why it was not started.
    error: Option<String>,
}

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(smcp), Some(prober), Some(folder)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: attack-jail SMCP PROBER FOLDER".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut room = Room::new(smcp, prober, folder)?;
    // One that stays does so until the next one, or this process ends.
    let mut kept = None;
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let report = runtime.block_on(carry_out(&mut room, &order, &mut kept));
        let report =
            report.unwrap_or_else(|error| Report { error: Some(error.to_string()), ..Report::default() });
        let mut out = std::io::stdout();
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        out.flush()?;
    }
    Ok(())
}

async fn carry_out(room: &mut Room, order: &Order, kept: &mut Option<Child>) -> Result<Report> {
    if order.bare {
        return Ok(bare(room.start_bare(order)?));
    }
    let mut child = room.start(order).await?;
    let process = child.pid().as_raw();
    let (said, complained) = child.take_output().ok_or("its output is taken")?;
    if order.stays {
        let mut line = String::new();
        let read = timeout(CAP, BufReader::new(said).read_line(&mut line)).await;
        read.map_err(|_| "it says nothing")??;
        *kept = Some(child);
        return Ok(Report { process, said: line, ..Report::default() });
    }
    let whole = async {
        let (said, complained, ended) = tokio::join!(text(said), text(complained), child.wait());
        Ok::<_, std::io::Error>((said?, complained?, ended?))
    };
    let Ok(whole) = timeout(CAP, whole).await else {
        return Ok(Report { process, late: true, ..Report::default() });
    };
    let (said, complained, Ended { status, out_of_memory, .. }) = whole?;
    Ok(Report {
        process,
        said,
        complained,
        signal: status.signal(),
        code: status.code(),
        out_of_memory,
        ..Report::default()
    })
}

fn bare(output: Output) -> Report {
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Report {
        said,
        complained,
        signal: output.status.signal(),
        code: output.status.code(),
        ..Report::default()
    }
}

/// What it says, up to a bound; the rest is read and forgotten, so that nothing blocks.
async fn text(mut stream: pipe::Receiver) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    (&mut stream).take(MOST_SAID).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
