//! The outside world of the attack suite: a name server, and listeners that report who came and what was asked.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a part of a developer's tool: it has threads of its own and prints"
)]

mod answer;
mod dns;
mod tls;

use std::io::{BufRead as _, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long who connects is waited for before it says something.
const PATIENCE: Duration = Duration::from_secs(3);
/// Largest request that is read.
const MOST: usize = 1 << 20;

/// Who came to one place since the last report.
#[derive(Default)]
struct Door {
    accepted: Mutex<Vec<SocketAddr>>,
    came: Condvar,
}

/// `sql FILE STATEMENTS` changes a database that nobody has open. `FOLDER DNS [tls:]ADDRESS:PORT…`: says `ready`, reports requests, and answers each line of its input with who came.
fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [order, file, statements] = words.as_slice()
        && order == "sql"
    {
        let connection = rusqlite::Connection::open(file)?;
        connection.execute_batch(statements)?;
        return if connection.total_changes() > 0 || statements.starts_with("PRAGMA") {
            Ok(())
        } else {
            Err("nothing was changed".into())
        };
    }
    let [folder, dns, places @ ..] = words.as_slice() else {
        return Err("which folder and name server?".into());
    };
    dns::serve(dns)?;
    let secured = tls::authority(Path::new(folder))?;
    let mut doors = Vec::new();
    for place in places {
        let (address, config) = match place.strip_prefix("tls:") {
            Some(address) => (address, Some(Arc::clone(&secured))),
            None => (place.as_str(), None),
        };
        let listener = TcpListener::bind(address).map_err(|error| format!("{place}: {error}"))?;
        let door = Arc::new(Door::default());
        doors.push((place.clone(), listener.local_addr()?, Arc::clone(&door)));
        let place = place.clone();
        std::thread::spawn(move || watch(&place, &listener, config, &door));
    }
    say(&json!({"event": "ready"}));
    for line in std::io::stdin().lock().lines() {
        line?;
        let reached: Vec<String> = doors
            .iter()
            .flat_map(|(place, address, door)| vec![place.clone(); came(*address, door).unwrap_or_default()])
            .collect();
        say(&json!({"event": "reached", "places": reached}));
    }
    Ok(())
}

fn say(event: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    // Who does not listen any more has gone.
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}

/// How many came since this was asked last. A queue is in order: whoever came before this very connection is known
/// when it is.
fn came(address: SocketAddr, door: &Door) -> Result<usize> {
    let own = TcpStream::connect(address)?.local_addr()?;
    let mut accepted = locked(&door.accepted);
    while !accepted.contains(&own) {
        accepted = door.came.wait(accepted).unwrap_or_else(PoisonError::into_inner);
    }
    let count = accepted.len() - 1;
    accepted.clear();
    Ok(count)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(place: &str, listener: &TcpListener, config: Option<Arc<rustls::ServerConfig>>, door: &Door) {
    for stream in listener.incoming().flatten() {
        if let Ok(peer) = stream.peer_addr() {
            locked(&door.accepted).push(peer);
            door.came.notify_all();
        }
        let (place, config) = (place.to_owned(), config.clone());
        std::thread::spawn(move || {
            // How it ends is for the other side to see.
            let _ = stream.set_read_timeout(Some(PATIENCE)).map_err(Into::into).and_then(|()| match config {
                None => converse(&place, stream),
                Some(config) => tls::converse(&place, stream, config),
            });
        });
    }
}

/// Reads requests, reports and answers each, until the other side has no more: as a lenient server would.
fn converse(place: &str, mut stream: impl Read + Write) -> Result<()> {
    loop {
        let request = read(&mut stream)?;
        if request.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        say(&json!({"event": "heard", "place": place, "text": text}));
        stream.write_all(&answer::to(&text))?;
        stream.flush()?;
    }
}

/// A head, and a body by its length or up to its last chunk.
fn read(stream: &mut impl Read) -> Result<Vec<u8>> {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n") && seen.len() < MOST {
        if stream.read(&mut byte)? == 0 {
            return Ok(seen);
        }
        seen.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&seen).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        let start = seen.len();
        while !seen[start..].ends_with(b"0\r\n\r\n") && seen.len() < MOST {
            stream.read_exact(&mut byte)?;
            seen.push(byte[0]);
        }
        return Ok(seen);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or_default().min(MOST)];
    stream.read_exact(&mut body)?;
    seen.append(&mut body);
    Ok(seen)
}
