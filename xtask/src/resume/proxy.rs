//! A proxy that cuts connections at random bytes of their answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::Result;
use crate::random::Random;

/// A running proxy. Its threads end with the program.
pub(super) struct Proxy {
    pub(super) address: String,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    /// Before the platform at this address. A connection is cut so many bytes at most after the first event that has an id
    /// (before it there is nothing a client could come back with), and one that comes back with an id anywhere.
    pub(super) fn start(upstream: &str, at_most: i64, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (cuts, upstream) = (Arc::new(AtomicU64::new(0)), upstream.to_owned());
        let (counted, random) = (Arc::clone(&cuts), Mutex::new(Random::new(seed)));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let budget = random.lock().map(|mut random| random.between(0, at_most)).unwrap_or_default();
                let (upstream, cuts) = (upstream.clone(), Arc::clone(&counted));
                thread::spawn(move || {
                    let cut = TcpStream::connect(upstream).map_err(Into::into).and_then(|server| {
                        let cut = pass(&client, &server, usize::try_from(budget)?);
                        let _ = server.shutdown(Shutdown::Both);
                        cut
                    });
                    // A platform that is down is a connection that breaks, too.
                    let _ = client.shutdown(Shutdown::Both);
                    if cut.unwrap_or(false) {
                        cuts.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Ok(Self { address, cuts })
    }

    /// Connections cut so far.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Passes bytes both ways; tells whether it cut the connection.
fn pass(client: &TcpStream, server: &TcpStream, budget: usize) -> Result<bool> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let mut buffer = [0; 8192];
    let read = from.read(&mut buffer)?;
    to.write_all(&buffer[..read])?;
    let mut left = buffer.starts_with(b"GET").then_some(budget);
    thread::spawn(move || {
        // Ends when either side does.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut server, mut client) = (server, client);
    let mut seen = Vec::new();
    loop {
        let read = server.read(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        let mut bytes = &buffer[..read];
        if left.is_none() {
            let before = seen.len();
            seen.extend_from_slice(bytes);
            let Some(end) = first_id(&seen) else {
                client.write_all(bytes)?;
                continue;
            };
            client.write_all(&bytes[..end - before])?;
            bytes = &bytes[end - before..];
            left = Some(budget);
        }
        let passed = left.unwrap_or_default().min(bytes.len());
        client.write_all(&bytes[..passed])?;
        if passed < bytes.len() {
            return Ok(true);
        }
        left = left.map(|left| left - passed);
    }
}

/// Where the first event with an id ends.
fn first_id(seen: &[u8]) -> Option<usize> {
    let at = |needle: &[u8], from: usize| {
        seen[from..].windows(needle.len()).position(|window| window == needle).map(|found| from + found)
    };
    let id = at(b"id: ", 0)?;
    at(b"\n\n", id).map(|end| end + 2)
}
