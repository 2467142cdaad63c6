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
const STOPPED_WITHIN: Duration = Duration::from_secs(30);
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
        let (mut keep, show) = (log.writer(), start.show_log);
        follow(child.stderr.take(), move |line| {
            if show {
                eprintln!("{}", words(&line));
            }
            keep(line);
        });
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
        platform.wait_until_ready(&events, began).map_err(|error| platform.with_log(&error.to_string()))?;
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

    /// Runs a command of its command line with a key, and reads its JSON answer.
    pub(crate) fn cli(&self, key: Option<&str>, words: &[&str]) -> Result<Value> {
        let mut program = command(&self.binary, self.config.as_deref()).args(words).arg("--json");
        program = program.env("SMCP_ENDPOINT", &self.url);
        if let Some(key) = key {
            program = program.env("SMCP_KEY", key);
        }
        let said = program.stdout()?;
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
    fn writer(&self) -> impl FnMut(String) + Send + use<> {
        let log = self.clone();
        move |line| {
            if let Ok(mut lines) = log.0.lock() {
                lines.push_back(line);
                let surplus = lines.len().saturating_sub(LOG_LINES);
                lines.drain(..surplus);
            }
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
    use super::words;

    #[test]
    fn a_log_line_is_shown_as_words() {
        let line = r#"{"timestamp":"x","level":"INFO","fields":{"message":"hosted process ended","duration_ms":7,"reason":"idle"}}"#;
        assert_eq!(words(line), "INFO  hosted process ended duration_ms=7 reason=idle");
        assert_eq!(words("thread 'main' panicked"), "thread 'main' panicked");
    }
}
