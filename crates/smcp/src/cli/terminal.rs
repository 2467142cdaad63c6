//! Asking somebody at the terminal, with echo or without.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use smcp_types::Secret;

/// Longest answer that is read.
const MAX_LINE: u64 = 4096;

/// Whether somebody could be asked.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    write!(io::stderr(), "{question}")?;
    Ok(read_line()?.expose().clone())
}

/// Asks for a line that is not shown while it is typed.
pub(crate) fn ask_secret(question: &str) -> io::Result<Secret<String>> {
    write!(io::stderr(), "{question}")?;
    let line = {
        let _silence = Silence::begin()?;
        read_line()?
    };
    writeln!(io::stderr())?;
    Ok(line)
}

/// One line of standard input, without its end.
pub(crate) fn read_line() -> io::Result<Secret<String>> {
    use io::Read as _;
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINE).read_line(&mut line)?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    Ok(Secret::new(line))
}

/// A terminal without echo, until it is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        // The line break is shown, so that the next line starts where it should.
        silent.local_flags.insert(LocalFlags::ICANON);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
