//! Running other programs from the root of the repository.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::{Result, processes, workspace};

/// A program to run, in the root of the repository unless told otherwise.
pub(crate) struct Program {
    command: Command,
    shown: String,
    deadline: Option<Duration>,
}

impl Program {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&name);
        command.current_dir(workspace::root());
        let file = Path::new(&name).file_name().unwrap_or_default();
        Self { command, shown: file.to_string_lossy().into_owned(), deadline: None }
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

    /// Does not pass a variable of ours on.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn within(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// How long it may run; only for programs whose output is taken.
    pub(crate) fn within_time(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
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

    /// What it says, however it ends.
    pub(crate) fn said(mut self) -> Result<String> {
        let output = self.output("")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn output(&mut self, input: &str) -> Result<Output> {
        let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
        let child = self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| self.cannot_start(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end without reading everything; its exit status says more than our broken pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        let id = child.id();
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || sender.send(child.wait_with_output()));
        match self.deadline.map(|deadline| ended.recv_timeout(deadline)) {
            None => Ok(ended.recv()??),
            Some(Ok(output)) => Ok(output?),
            Some(Err(_)) => {
                processes::end(id)?;
                Err(format!(
                    "`{}` was still running after {:?}",
                    self.shown,
                    self.deadline.unwrap_or_default()
                )
                .into())
            }
        }
    }

    fn cannot_start(&self, error: &std::io::Error) -> String {
        format!("cannot start `{}`: {error}", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::Program;
    use std::time::Duration;

    #[test]
    fn what_a_program_says_is_given_back() {
        assert_eq!(Program::new("cat").stdout_given("hello").unwrap(), "hello");
        assert_eq!(Program::new("sh").args(["-c", "echo $A"]).env("A", "b").stdout().unwrap(), "b\n");
    }

    #[test]
    fn a_failure_shows_the_command_and_all_it_said() {
        let error = Program::new("sh")
            .args(["-c", "echo out; echo talk >&2; exit 3"])
            .stdout()
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("`sh -c echo out") && error.ends_with("exit status: 3\nout\ntalk"),
            "{error}"
        );
        assert!(Program::new("no-such-program").stdout().unwrap_err().to_string().contains("cannot start"));
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error =
            Program::new("tail").args(["-f", "/dev/null"]).within_time(Duration::from_millis(50)).stdout();
        assert!(error.unwrap_err().to_string().contains("still running"));
    }
}
