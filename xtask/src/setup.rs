//! What must be installed before the platform can run: npm packages and a Python environment, each from a lock file.

use std::fs;
use std::path::Path;

use crate::process::Program;
use crate::{Result, workspace};

/// Where `npm ci` puts the runtime's binary.
pub(crate) const RUNTIME: &str = if cfg!(target_arch = "aarch64") {
    "runtime/node_modules/@cloudflare/workerd-linux-arm64/bin/workerd"
} else {
    "runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd"
};
/// Where the Python client lives.
const PYTHON_FOLDER: &str = "tests/clients";

/// Installs the packages of every folder, from its lock file, without running their scripts.
pub(crate) fn npm(folders: &[&str]) -> Result<()> {
    for folder in folders {
        let here = workspace::root().join(folder);
        once(&here.join("package-lock.json"), &here.join("node_modules"), folder, || {
            Program::new("npm").args(["ci", "--ignore-scripts", "--loglevel=error"]).within(&here).run()
        })?;
    }
    Ok(())
}

/// Installs the Python client.
pub(crate) fn python() -> Result<()> {
    let here = workspace::root().join(PYTHON_FOLDER);
    let environment = here.join(".venv");
    once(&here.join("requirements.txt"), &environment, "Python client", || {
        let made = Program::new("python3").args(["-m", "venv"]).arg(&environment).stdout();
        made.map_err(|error| format!("{error}\nOn Debian: apt-get install python3-venv"))?;
        let install = ["-m", "pip", "install", "--quiet", "--no-input", "-r", "requirements.txt"];
        Program::new(environment.join("bin/python")).args(install).within(&here).run()
    })
}

/// Installs unless what is there came from the same lock file, which is kept beside it as a stamp.
fn once(lock: &Path, installed: &Path, name: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(lock).map_err(|error| format!("{}: {error}", lock.display()))?;
    let stamp = installed.join(".smcp-installed");
    if fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    println!("installing packages: {name}");
    install()?;
    Ok(fs::write(stamp, wanted)?)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use super::once;

    #[test]
    fn a_lock_file_is_installed_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (lock, installed) = (folder.path().join("lock"), folder.path().join("packages"));
        fs::create_dir(&installed).unwrap();
        let runs = Cell::new(0);
        let install = || {
            runs.set(runs.get() + 1);
            Ok(())
        };
        for (content, runs_after) in [("1", 1), ("1", 1), ("2", 2)] {
            fs::write(&lock, content).unwrap();
            once(&lock, &installed, "x", install).unwrap();
            assert_eq!(runs.get(), runs_after);
        }
        fs::write(&lock, "3").unwrap();
        assert!(once(&lock, &installed, "x", || Err("no network".into())).is_err());
        once(&lock, &installed, "x", install).unwrap();
        assert_eq!(runs.get(), 3, "a failed installation leaves no stamp");
    }
}
