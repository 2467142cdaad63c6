//! Ctrl-C and SIGTERM: handed on to the platform we started, so that it can drain.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::{Result, processes};

/// The process that is told; 0 when there is none.
static PLATFORM: AtomicU32 = AtomicU32::new(0);

/// From now on the platform is told about a signal, and we go on until it has ended. Call it before any thread starts.
/// Programs that are started get the usual treatment of signals, because the standard library resets it for them.
pub(crate) fn forward() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            let platform = PLATFORM.load(Ordering::SeqCst);
            if platform == 0 || processes::terminate(platform).is_err() {
                std::process::exit(128 + signal as i32);
            }
        }
    });
    Ok(())
}

/// The platform is this process; 0 when it has ended.
pub(crate) fn to(platform: u32) {
    PLATFORM.store(platform, Ordering::SeqCst);
}
