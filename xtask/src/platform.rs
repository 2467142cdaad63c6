//! The running platform: `smcp up` as a child process, and its own command line as our way to talk to it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Program;
use crate::processes::{self, Process};
use crate::{Result, signals, workspace};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Longer than it lets requests finish (`node.drain`).
const STOPPED_WITHIN: Duration = Duration::from_secs(45);
/// How much of the log is kept for the case that something fails.
const LOG_LINES: usize = 60;

/// How to start it.
pub(crate) struct Start<'a> {
    pub(crate) binary: PathBuf,
    pub(crate) listen: &'a str,
    /// None for the user's own data directory.
    pub(crate) data: Option<&'a Path>,
    /// The folder of the command line's own configuration; None for the user's.
    pub(crate) config: Option<&'a Path>,
    /// Whether a person is watching; otherwise the log is kept for the case that something fails.
    pub(crate) show_log: bool,
}

/// A platform that is ready. Dropping it ends it and all it started.
pub(crate) struct Platform {
    binary: PathBuf,
    config: Option<PathBuf>,
    process: Process,
    exited: Receiver<std::io::Result<ExitStatus>>,
    log: Log,
    /// The origin it says it has.
    pub(crate) url: String,
    /// Where it listens.
    pub(crate) listen: String,
    /// The administrator's key: shown at the very first start only.
    pub(crate) key: Option<String>,
    /// How long it took to get ready.
    pub(crate) start_took: Duration,
}

impl Platform {
    pub(crate) fn start(start: &Start<'_>) -> Result<Self> {
        let mut program =
            command(&start.binary, start.config).args(["up", "--listen", start.listen, "--json"]);
        if let Some(data) = start.data {
            program = program.arg("--data").arg(data);
        }
        let shown = program.shown().to_owned();
        let mut command = program.into_command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
        signals::to(child.id());

        let (line, events) = mpsc::channel();
        // What it says after `ready` is read as well, so that the pipe never fills up.
        follow(child.stdout.take(), move |text| drop(line.send(text)));
        let log = Log::default();
        let log_end = log.follow(child.stderr.take(), start.show_log);
        let process = Process::of(child.id()).ok_or("it ended at once")?;
        let (sender, exited) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait()));

        let mut platform = Self {
            binary: start.binary.clone(),
            config: start.config.map(Path::to_owned),
            process,
            exited,
            log,
            url: String::new(),
            listen: String::new(),
            key: None,
            start_took: Duration::ZERO,
        };
        if let Err(error) = platform.wait_until_ready(&events, began) {
            // What it said last may still be on its way.
            let _ = log_end.recv_timeout(Duration::from_secs(1));
            return Err(platform.with_log(&error.to_string()).into());
        }
        Ok(platform)
    }

    fn wait_until_ready(&mut self, events: &Receiver<String>, began: Instant) -> Result<()> {
        let text = |event: &Value, name: &str| event[name].as_str().map(str::to_owned);
        loop {
            let left = READY_WITHIN.saturating_sub(began.elapsed());
            let line = events.recv_timeout(left).map_err(|_| "`smcp up` ended, or was not ready in time")?;
            let event: Value =
                serde_json::from_str(&line).map_err(|_| format!("not a JSON event: `{line}`"))?;
            match event["event"].as_str() {
                Some("first_key") => self.key = text(&event, "key"),
                Some("ready") => {
                    self.url = text(&event, "url").ok_or("`ready` has no url")?;
                    self.listen = text(&event, "listen").ok_or("`ready` has no listen")?;
                    self.start_took = began.elapsed();
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id
    }

    /// Every process it has started.
    pub(crate) fn children(&self) -> Vec<Process> {
        processes::descendants(self.process.id)
    }

    /// A command of its command line with a key.
    pub(crate) fn command(&self, key: Option<&str>, words: &[&str]) -> Program {
        let mut program = command(&self.binary, self.config.as_deref()).args(words).arg("--json");
        program = program.env("SMCP_ENDPOINT", &self.url);
        // Without a key of the chore's own it is the stored one, never one the caller's shell happens to hold.
        match key {
            Some(key) => program.env("SMCP_KEY", key),
            None => program.without_env("SMCP_KEY"),
        }
    }

    /// Runs a command of its command line with a key, and reads its JSON answer.
    pub(crate) fn cli(&self, key: Option<&str>, words: &[&str]) -> Result<Value> {
        let said = self.command(key, words).stdout()?;
        serde_json::from_str(&said)
            .map_err(|error| format!("smcp {}: {error} in `{said}`", words.join(" ")).into())
    }

    /// Lets the command line keep a key for this platform.
    pub(crate) fn login(&self, key: &str) -> Result<()> {
        let words = ["login", "--endpoint", &self.url, "--key-file", "/dev/stdin", "--json"];
        command(&self.binary, self.config.as_deref()).args(words).stdout_given(key).map(drop)
    }

    /// Waits for as long as it runs.
    pub(crate) fn wait(self) -> Result<ExitStatus> {
        Ok(self.exited.recv()??)
    }

    /// Asks it to drain, and tells how it ended and which of its processes are still there.
    pub(crate) fn stop(self) -> Result<(ExitStatus, Vec<Process>)> {
        let mut started = self.children();
        processes::terminate(self.process.id)?;
        let status = self.exited.recv_timeout(STOPPED_WITHIN);
        let status = status.map_err(|_| self.with_log("it did not end after SIGTERM"))??;
        started.retain(Process::is_alive);
        Ok((status, started))
    }

    /// A message with the end of the log behind it.
    pub(crate) fn with_log(&self, message: &str) -> String {
        format!("{message}\n--- the end of smcp's log ---\n{}", self.log.text())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        signals::to(0);
        let mut left = self.children();
        left.push(self.process.clone());
        for process in left.iter().filter(|process| process.is_alive()) {
            // Its parent may have ended it in the meantime.
            let _ = processes::end(process.id);
        }
    }
}

fn command(binary: &Path, config: Option<&Path>) -> Program {
    let program = Program::new(binary).within(workspace::root());
    match config {
        // Nothing of the developer's own settings, and nothing left behind in them.
        Some(folder) => program.env("XDG_CONFIG_HOME", folder),
        None => program,
    }
}

/// A line of its log, which is JSON, as people read it.
fn words(line: &str) -> String {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let Some(fields) = event["fields"].as_object() else { return line.to_owned() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut words =
        format!("{:5} {}", text(&event["level"]), fields.get("message").map(text).unwrap_or_default());
    for (name, value) in fields.iter().filter(|(name, _)| *name != "message") {
        words.push_str(&format!(" {name}={}", text(value)));
    }
    words
}

/// The last lines of its log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Keeps what comes, and shows it if somebody is watching. The channel closes when the stream does.
    fn follow(&self, stream: Option<impl Read + Send + 'static>, show: bool) -> Receiver<()> {
        let log = self.clone();
        let (open, end) = mpsc::channel();
        follow(stream, move |line| {
            let _open: &mpsc::Sender<()> = &open;
            if show {
                eprintln!("{}", words(&line));
            }
            log.keep(line);
        });
        end
    }

    fn keep(&self, line: String) {
        if let Ok(mut lines) = self.0.lock() {
            lines.push_back(line);
            let surplus = lines.len().saturating_sub(LOG_LINES);
            lines.drain(..surplus);
        }
    }

    fn text(&self) -> String {
        self.0.lock().map(|lines| Vec::from(lines.clone()).join("\n")).unwrap_or_default()
    }
}

/// Reads a stream line by line, in a thread of its own.
fn follow(stream: Option<impl Read + Send + 'static>, line: impl FnMut(String) + Send + 'static) {
    let Some(stream) = stream else { return };
    thread::spawn(move || BufReader::new(stream).lines().map_while(std::result::Result::ok).for_each(line));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Platform, Start, words};
    use crate::Result;

    /// Starts a shell script in the place of `smcp`.
    fn start(script: &str) -> Result<Platform> {
        let folder = tempfile::tempdir()?;
        let binary = folder.path().join("smcp");
        fs::write(&binary, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))?;
        Platform::start(&Start { binary, listen: "127.0.0.1:0", data: None, config: None, show_log: false })
    }

    const READY: &str =
        r#"echo '{"event":"first_key","key":"k"}'; echo '{"event":"ready","url":"u","listen":"l"}'"#;

    #[test]
    fn a_platform_is_known_by_what_it_says_and_ends_when_asked() {
        let platform = start(&format!("trap 'exit 3' TERM; tail -f /dev/null & {READY}; wait")).unwrap();
        assert_eq!(
            (platform.key.as_deref(), platform.url.as_str(), platform.listen.as_str()),
            (Some("k"), "u", "l")
        );
        let (status, left) = platform.stop().unwrap();
        assert_eq!(status.code(), Some(3));
        left.iter().for_each(|process| crate::processes::end(process.id).unwrap());
        assert_eq!(left.len(), 1, "the `tail` it left behind");
    }

    #[test]
    fn dropping_it_ends_it_and_what_it_started() {
        let platform = start(&format!("trap '' TERM; tail -f /dev/null & {READY}; wait")).unwrap();
        let (own, children) = (platform.process.clone(), platform.children());
        assert!(own.is_alive() && children.len() == 1);
        drop(platform);
        let still = |process: &super::Process| process.is_alive().then(|| process.name.clone());
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while children.iter().chain([&own]).any(|process| still(process).is_some()) {
            assert!(std::time::Instant::now() < until, "it is still there");
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_that_fails_shows_its_log() {
        let error = start("echo 'no workerd: run npm ci' >&2; exit 1").err().unwrap().to_string();
        assert!(
            error.contains("ended, or was not ready") && error.contains("no workerd: run npm ci"),
            "{error}"
        );
    }

    #[test]
    fn a_log_line_is_shown_as_words() {
        let line =
            r#"{"level":"INFO","fields":{"message":"hosted process ended","duration_ms":7,"reason":"idle"}}"#;
        assert_eq!(words(line), "INFO  hosted process ended duration_ms=7 reason=idle");
        assert_eq!(words("thread 'main' panicked"), "thread 'main' panicked");
    }
}
