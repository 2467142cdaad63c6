//! Finding the workerd binary and learning its version.

use std::path::{Path, PathBuf};

use smcp_types::{Error, Refusal, Result};

/// What to do about a missing or broken binary.
const HINT: &str = "run `npm ci` in runtime/, or point SMCP_WORKERD at a workerd binary";

/// A workerd binary that runs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workerd {
    path: PathBuf,
    version: String,
}

impl Workerd {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The date it calls its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// Where `npm ci` puts the native binary below a folder that holds our `package.json`.
#[must_use]
pub fn in_runtime(folder: &Path) -> PathBuf {
    let package = if cfg!(target_arch = "aarch64") { "workerd-linux-arm64" } else { "workerd-linux-64" };
    folder.join("node_modules/@cloudflare").join(package).join("bin/workerd")
}

/// The binary at `explicit`, else the first of `search` that exists; checked by asking for its version. Runs a process
/// and waits for it: for the start of the platform only.
///
/// # Errors
/// `Unavailable` with what to run, when there is none or it does not run.
pub fn locate(explicit: Option<PathBuf>, search: &[PathBuf]) -> Result<Workerd> {
    let found = explicit.or_else(|| search.iter().find(|path| path.is_file()).cloned());
    let Some(path) = found else {
        let tried: Vec<_> = search.iter().map(|path| path.display().to_string()).collect();
        return Err(missing(
            "workerd, which runs hosted servers, is not installed".to_owned(),
            &tried.join(", "),
        ));
    };
    // A relative path would mean something else once the working directory changes.
    let path =
        path.canonicalize().map_err(|e| missing(format!("there is no workerd at {}", path.display()), &e))?;
    match ask_version(&path) {
        Ok(version) => Ok(Workerd { path, version }),
        Err(why) => Err(missing(format!("{} is not a workerd that runs here: {why}", path.display()), &"")),
    }
}

fn ask_version(path: &Path) -> std::result::Result<String, String> {
    #[allow(clippy::disallowed_methods, reason = "this crate owns the processes of the platform")]
    let output = std::process::Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().strip_prefix("workerd ").unwrap_or_default();
    // It becomes part of a file name.
    let plain =
        !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if output.status.success() && plain {
        Ok(version.to_owned())
    } else {
        Err("it does not say its version".to_owned())
    }
}

fn missing(message: String, private: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(Refusal::new(message).hint(HINT).private(private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_binary_says_what_to_run() {
        for (explicit, search) in [
            (None, vec![PathBuf::from("/nowhere/workerd")]),
            (Some(PathBuf::from("/nowhere/workerd")), vec![]),
            (Some(PathBuf::from("/bin/true")), vec![]),
        ] {
            let Err(Error::Unavailable(refusal)) = locate(explicit, &search) else { panic!("refused") };
            assert_eq!(refusal.hint.as_deref(), Some(HINT));
            assert!(!refusal.message.contains('\n'), "{}", refusal.message);
        }
    }
}
