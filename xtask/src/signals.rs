//! Ctrl-C and SIGTERM: handed on to the platform we started, so that it can drain.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{Result, processes};

/// The process that is told; 0 when there is none.
static PLATFORM: AtomicU32 = AtomicU32::new(0);

/// From now on the platform is told about a signal, and we go on until it has ended. Without one, we end. Signals are
/// caught rather than blocked, because what we start would inherit a block.
pub(crate) fn forward() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let platform = PLATFORM.load(Ordering::SeqCst);
            if platform == 0 || processes::terminate(platform).is_err() {
                std::process::exit(128 + signal);
            }
        }
    });
    Ok(())
}

/// Whether a signal came.
static NOTED: AtomicBool = AtomicBool::new(false);

/// From now on a signal is only noted: the chore looks at `noted` at every step, and cleans up.
pub(crate) fn note() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            NOTED.store(true, Ordering::SeqCst);
        }
    });
    Ok(())
}

/// Whether a signal has come.
pub(crate) fn noted() -> bool {
    NOTED.load(Ordering::SeqCst)
}

/// The platform is this process; 0 when it has ended.
pub(crate) fn to(platform: u32) {
    PLATFORM.store(platform, Ordering::SeqCst);
}
