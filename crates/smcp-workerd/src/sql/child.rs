//! The process of one database: the same binary, in the sandbox, with one socket and one folder.

use std::{
    io::{self, Write as _},
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
};

use nix::sys::signal::{SigHandler, Signal, signal};

use super::{
    database::{Database, Stopped},
    dump::dump,
    execute::{Shape, import, run},
    frame::{self, Ask, FILE, Hello, PROTOCOL, SOCKET_FD, Tell},
};

/// Serves the database that the platform names on the inherited socket, until that closes. What it returns is the
/// process's exit code.
#[must_use]
pub fn sql_main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening any more.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    survive_large_files()?;
    let mut platform = socket()?;
    let Some((_, hello)) = frame::read(&mut platform)? else { return Ok(()) };
    let hello: Hello = serde_json::from_slice(&hello)?;
    if hello.protocol != PROTOCOL {
        return Err(io::Error::other("another version of smcp was installed: restart the platform"));
    }
    let file = hello.folder.as_ref().map(|folder| folder.join(FILE));
    let mut database = match Database::open(&hello, file.as_deref()) {
        Ok(database) => database,
        Err(stopped) => return tell(&mut platform, Err(&stopped)),
    };
    tell(&mut platform, Ok(b""))?;
    while let Some((kind, body)) = frame::read(&mut platform)? {
        let ask = Ask::of_byte(kind).ok_or_else(|| io::Error::other("asked for something unknown"))?;
        let done = answer(&mut database, ask, &body, &mut platform);
        tell(&mut platform, done.as_deref())?;
        if done.is_err_and(|stopped| stopped.damaged) {
            return Ok(());
        }
    }
    // Closing it moves what is in its log to the file.
    Ok(())
}

fn answer(
    database: &mut Database,
    ask: Ask,
    body: &[u8],
    platform: &mut UnixStream,
) -> Result<Vec<u8>, Stopped> {
    match ask {
        Ask::Rows => run(database, body, Shape::Rows),
        Ask::Objects => run(database, body, Shape::Objects),
        Ask::Import => database.with_long_statements(|database| import(database, body)),
        Ask::Dump => {
            let gone = |error: io::Error| Stopped::said(error.to_string());
            dump(database, &mut |piece| frame::write(platform, Tell::Piece, piece).map_err(gone))?;
            Ok(Vec::new())
        }
    }
}

fn tell(platform: &mut UnixStream, done: Result<&[u8], &Stopped>) -> io::Result<()> {
    match done {
        Ok(body) => frame::write(platform, Tell::Done, body),
        Err(stopped) => {
            let kind = if stopped.damaged { Tell::Damaged } else { Tell::Refused };
            let body = serde_json::json!({ "success": false, "error": stopped.message });
            frame::write(platform, kind, body.to_string().as_bytes())
        }
    }
}

/// A file that reaches its limit is an error of one statement, not the end of the process.
#[allow(unsafe_code, reason = "no library gives this without a handler")]
fn survive_large_files() -> io::Result<()> {
    // SAFETY: to ignore a signal runs no code of ours.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    Ok(())
}

#[allow(unsafe_code, reason = "a descriptor that the platform left open for us")]
fn socket() -> io::Result<UnixStream> {
    // SAFETY: used for one question, which fails when it is not open.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(SOCKET_FD) };
    nix::fcntl::fcntl(borrowed, nix::fcntl::FcntlArg::F_GETFD)
        .map_err(|_| io::Error::other("this is for smcp alone, which starts databases with it"))?;
    // SAFETY: it is open, as was just seen, and this is called once, before anything else could have taken it.
    Ok(unsafe { OwnedFd::from_raw_fd(SOCKET_FD) }.into())
}
