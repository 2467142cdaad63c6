//! Running other programs from the root of the repository.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{Result, workspace};

/// A program to run, in the root of the repository unless told otherwise.
pub(crate) struct Program {
    command: Command,
    shown: String,
}

impl Program {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&name);
        command.current_dir(workspace::root());
        let file = Path::new(&name).file_name().unwrap_or_default();
        Self { command, shown: file.to_string_lossy().into_owned() }
    }

    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        let _ = write!(self.shown, " {}", word.as_ref().to_string_lossy());
        self.command.arg(word);
        self
    }

    pub(crate) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        for word in words {
            self = self.arg(word);
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn within(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The command as a person would type it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs it with our own output, and without input.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.command.stdin(Stdio::null()).status().map_err(|error| self.cannot_start(&error))?;
        if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", self.shown).into()) }
    }

    /// Runs it quietly; what it said is shown only if it fails.
    pub(crate) fn stdout(self) -> Result<String> {
        self.stdout_given("")
    }

    /// The same, with text for its standard input.
    pub(crate) fn stdout_given(mut self, input: &str) -> Result<String> {
        let output = self.output(input)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let talk = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{}` failed: {}\n{said}{talk}", self.shown, output.status).trim_end().into())
    }

    fn output(&mut self, input: &str) -> Result<Output> {
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let child = self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| self.cannot_start(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end without reading everything; its exit status says more than our broken pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    fn cannot_start(&self, error: &std::io::Error) -> String {
        format!("cannot start `{}`: {error}", self.shown)
    }
}
