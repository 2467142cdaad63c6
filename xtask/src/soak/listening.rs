//! Streams on which nothing happens: what each costs, that none of them keeps a server awake, that all of them still hear, and
//! that all end when the key that opened them is revoked.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::Findings;
use super::servers::Publisher;
use crate::Result;
use crate::http::{Address, Connection};
use crate::mcp::{self, Target};
use crate::platform::{Platform, Start};
use crate::processes::Process;
use crate::smoke::TENANT;

const SERVER: &str = include_str!("listening.js");
const SERVERS: usize = 20;
/// The most that a stream may cost, its session included, in bytes.
const MOST_EACH: u64 = 20 << 10;
/// How soon streams end after their key was revoked.
const ENDED_WITHIN: Duration = Duration::from_secs(1);
/// Longest wait for what a stream hears, and for servers to fall asleep.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session, and the stream on which it listens.
struct Listener {
    server: usize,
    session: String,
    stream: TcpStream,
}

pub(super) fn run(smcp: &Path, streams: usize) -> Result<Findings> {
    raise_descriptor_limit()?;
    let folder = tempfile::Builder::new().prefix("smcp-listening-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    fs::create_dir_all(config.join("smcp"))?;
    fs::write(config.join("smcp/config.toml"), "[node]\nidle_after = \"2s\"\n")?;
    let start = Start {
        binary: smcp.to_owned(),
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let publisher = Publisher::new(&platform, folder.path())?;
    for server in 0..SERVERS {
        publisher.deploy_module(&platform, &name(server), SERVER)?;
    }
    asleep(&platform)?;
    let (id, key) = new_key(&platform)?;
    let host = platform.url.trim_start_matches("http://").to_owned();
    let way = Way { listen: platform.listen.clone(), host, key };
    let node = Process::of(platform.id()).ok_or("the platform is gone")?;
    let memory = || node.own_memory().ok_or("the platform is gone");
    // What the first of them leave behind for good is no cost of those that follow.
    let mut listeners = open_all(&way, streams / 2)?;
    asleep(&platform)?;
    let (before, began, more) = (memory()?, Instant::now(), streams - listeners.len());
    listeners.extend(open_all(&way, more)?);
    let opened = began.elapsed();
    asleep(&platform)?;
    let each = (memory()?.saturating_sub(before) << 10) / more as u64;

    let mut findings = Findings::default();
    let awake = hosted(&platform);
    findings.check(awake == 0, || format!("{awake} servers are kept awake by those who listen"));
    findings.check(each < MOST_EACH, || format!("an idle stream costs {each} bytes"));
    let heard = hear(&way, &mut listeners)?;
    findings.check(heard == SERVERS, || format!("{heard} of {SERVERS} servers were heard"));
    let took = end_all(&platform, &id, listeners)?;
    let late = || format!("streams ended {took:?} after their key was revoked");
    findings.check(took.is_some_and(|took| took < ENDED_WITHIN), late);
    println!(
        "idle streams: {streams} over {SERVERS} servers that sleep, opened in {:.0} s, {:.1} KiB each with its session; \
         {heard} servers woken and heard; all ended {} ms after their key was revoked",
        opened.as_secs_f64(),
        each as f64 / 1024.0,
        took.map_or_else(|| "never".to_owned(), |took| took.as_millis().to_string()),
    );
    platform.stop()?;
    Ok(findings)
}

fn raise_descriptor_limit() -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// A key's id and the key itself.
fn new_key(platform: &Platform) -> Result<(String, String)> {
    let words = ["keys", "create", "--tenant", TENANT, "--role", "mcp_user", "--name", "listener"];
    let made = platform.cli(platform.key.as_deref(), &words)?;
    let text =
        |name: &str| made[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {made}"));
    Ok((text("id")?, text("key")?))
}

fn name(server: usize) -> String {
    format!("listening-{server}")
}

/// Where the platform is, and the key of those who listen.
struct Way {
    listen: String,
    host: String,
    key: String,
}

impl Way {
    fn target(&self, server: usize) -> Target {
        let path = format!("/t/{TENANT}/{}/mcp", name(server));
        Target { host: self.host.clone(), path, key: Some(self.key.clone()) }
    }

    fn connection(&self) -> Result<Connection> {
        Connection::open(&Address::Tcp(self.listen.clone()))
    }
}

/// Servers that are awake.
fn hosted(platform: &Platform) -> usize {
    platform.children().iter().filter(|child| child.name == "workerd").count()
}

fn asleep(platform: &Platform) -> Result<()> {
    let began = Instant::now();
    while hosted(platform) > 0 && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Opens them, each in a session of its own.
fn open_all(way: &Way, streams: usize) -> Result<Vec<Listener>> {
    thread::scope(|scope| {
        let part = |first: usize| {
            move || (first..streams).step_by(4).map(|n| open(way, n % SERVERS)).collect::<Result<Vec<_>>>()
        };
        let parts: Vec<_> = (0..4).map(|first| scope.spawn(part(first))).collect();
        let mut all = Vec::with_capacity(streams);
        for part in parts {
            all.extend(part.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    })
}

fn open(way: &Way, server: usize) -> Result<Listener> {
    let target = way.target(server);
    let mut connection = way.connection()?;
    let answer = connection.send(&target.initialize())?;
    let session =
        answer.header("mcp-session-id").ok_or_else(|| format!("no session: {answer:?}"))?.to_owned();
    connection.send(&target.legacy(&session, None, "notifications/initialized", &json!({})))?;
    let mut stream = TcpStream::connect(&way.listen)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nAccept: text/event-stream\r\n\
         MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n\r\n",
        target.path, target.host, way.key
    );
    stream.write_all(head.as_bytes())?;
    until(&mut stream, "data: \n\n")?;
    Ok(Listener { server, session, stream })
}

/// Reads on until this has come.
fn until(stream: &mut TcpStream, word: &str) -> Result<()> {
    let (mut seen, mut buffer) = (String::new(), [0; 2048]);
    while !seen.contains(word) {
        match stream.read(&mut buffer)? {
            0 => return Err(format!("it ended after `{seen}`").into()),
            read => seen.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    Ok(())
}

/// Has each server say something to one of its sessions; returns how many were heard.
fn hear(way: &Way, listeners: &mut [Listener]) -> Result<usize> {
    let mut heard = 0;
    for server in 0..SERVERS {
        let found = listeners.iter_mut().rfind(|listener| listener.server == server);
        let Listener { session, stream, .. } = found.ok_or("a server without a listener")?;
        let word = format!("word-{server}");
        let say = json!({"name": "say", "arguments": {"word": word}});
        let request = way.target(server).legacy(session, Some(1), "tools/call", &say);
        let answer = way.connection()?.send(&request)?;
        let said = mcp::text(&answer)?;
        if said == "said" && until(stream, &word).is_ok() {
            heard += 1;
        }
    }
    Ok(heard)
}

/// Revokes the key; returns how long after it the last stream ended, or `None` if one did not.
fn end_all(platform: &Platform, id: &str, listeners: Vec<Listener>) -> Result<Option<Duration>> {
    platform.cli(platform.key.as_deref(), &["keys", "revoke", id, "--tenant", TENANT])?;
    let began = Instant::now();
    for mut listener in listeners {
        listener.stream.set_read_timeout(Some(ENDED_WITHIN))?;
        if !is_over(&mut listener.stream) {
            return Ok(None);
        }
    }
    Ok(Some(began.elapsed()))
}

fn is_over(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 2048];
    loop {
        match stream.read(&mut buffer) {
            // The last chunk, or the end of the connection.
            Ok(read) if read == 0 || buffer[..read].ends_with(b"0\r\n\r\n") => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
