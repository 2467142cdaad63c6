//! Everything the command line prints: data to standard output, talk to standard error.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use smcp_api::{LogLevel, LogLine, LogSource};

use crate::config::Environment;

use super::{
    failure::Failure,
    text::{safe, safe_lines, time},
};

/// How this command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    /// Colour on standard error.
    color: bool,
}

impl Output {
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        Self { json, color: !json && !environment.no_color() && io::stderr().is_terminal() }
    }

    /// Whether talk may be coloured.
    pub(crate) fn has_color(self) -> bool {
        self.color
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody watches standard error.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// The command's data: one JSON document, or what `words` makes for people.
    pub(crate) fn data(self, value: &impl Serialize, words: impl FnOnce() -> String) -> Result<(), Failure> {
        if !self.json {
            return self.text(&words());
        }
        let document = serde_json::to_string(value).map_err(|error| Failure::ours(error.to_string()))?;
        self.text(&document)
    }

    /// Text on standard output, with a line break at its end. Nothing for nothing.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let mut stdout = io::stdout().lock();
        match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::quiet()),
            Err(error) => Err(Failure::ours(format!("cannot write to standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// One log line on standard output.
    pub(crate) fn log_line(self, line: &LogLine) -> Result<(), Failure> {
        if self.json {
            let document = serde_json::to_string(line).map_err(|error| Failure::ours(error.to_string()))?;
            return self.text(&document);
        }
        self.text(&log_words(line))
    }

    /// Talk: a line on standard error, left out for programs.
    pub(crate) fn talk(self, line: &str) {
        if !self.json {
            tell(line);
        }
    }

    /// What clap has to say: help and version are data, the rest is a mistake in the input.
    pub(crate) fn usage(self, error: &clap::Error) -> Result<(), Failure> {
        let text = error.render();
        if !error.use_stderr() {
            return self.text(&text.to_string());
        }
        let text = text.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
        let rest = rest.lines().map(str::trim_end).filter(|line| !line.is_empty());
        Err(Failure::input(message).details(rest.map(str::to_owned).collect()))
    }

    /// Why the command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        let Some(report) = failure.report() else { return };
        if self.json {
            return tell(&report.to_json().to_string());
        }
        for line in &report.logs {
            tell(&format!("  {}", log_words(line).replace('\n', "\n  ")));
        }
        let (red, cyan, reset) =
            if self.color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        tell(&format!("{red}error{reset}: {}", safe_lines(&report.message)));
        for detail in &report.details {
            tell(&format!("  {}", safe_lines(detail)));
        }
        if let Some(hint) = &report.hint {
            tell(&format!("{cyan}hint{reset}: {}", safe_lines(hint)));
        }
        if let Some(id) = &report.request_id {
            tell(&format!("request id: {}", safe(id)));
        }
    }
}

fn tell(line: &str) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A log line for people. Its text is foreign: it can neither move the cursor nor look like a line of its own.
fn log_words(line: &LogLine) -> String {
    let level = match line.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info ",
        LogLevel::Warn => "warn ",
        LogLevel::Error => "error",
    };
    // A server can print what looks like the platform's; this it cannot.
    let whose = match line.source {
        LogSource::Server => "server  ",
        LogSource::Platform => "platform",
    };
    let ids = [("request", &line.request_id), ("trace", &line.trace_id)];
    let ids = ids.map(|(name, id)| id.as_ref().map(|id| format!("{name}={} ", safe(id))).unwrap_or_default());
    let message = safe_lines(&line.message).replace('\n', "\n    ");
    format!("{} {level} {whose} {}{message}", time(line.at), ids.concat())
}
