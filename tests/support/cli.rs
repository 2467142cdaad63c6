//! The command line as its users have it: the built binary, in a home of its own.
#![allow(clippy::disallowed_methods, reason = "these tests start the binary under test")]

use std::{
    fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A user with nothing configured.
pub struct User {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended and what it said. Its home stands in it as `[home]`.
#[derive(Debug)]
pub struct Said {
    /// Its exit status.
    pub status: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl User {
    /// A user in an empty home.
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Where the user is.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file below the home.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command in the home, without anything on its standard input.
    pub fn runs(&self, arguments: &[&str]) -> Said {
        self.runs_with(arguments, "")
    }

    /// Runs a command in the home with a standard input.
    pub fn runs_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.home()).env_clear().env("HOME", self.home());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            // A temporary folder may be behind a link.
            let real = self.home().canonicalize().unwrap();
            text.replace(real.to_str().unwrap(), "[home]").replace(self.home().to_str().unwrap(), "[home]")
        };
        let status = output.status.code().unwrap_or(-1);
        Said { status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Default for User {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr } = self;
        write!(f, "{stdout}[talk]\n{stderr}[exit {status}]")
    }
}

/// Beside the tests' own binaries, where `cargo build --workspace` puts it.
fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("smcp");
    assert!(path.is_file(), "{} is not there: cargo build --package smcp", path.display());
    path
}
