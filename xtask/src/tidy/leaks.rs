//! What no committed file may hold: hosts of package registries, paths of the machine it was written on.

use std::fs;

use super::{Checked, Finding};
use crate::workspace;

/// Written in halves, so that this file does not hold them either.
const HOSTS: [(&str, &str); 9] = [
    ("registry.npm", "js"),
    ("registry.yarn", "pkg"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("files.python", "hosted"),
    ("pypi", ".org"),
    ("deb.deb", "ian"),
    ("proxy.go", "lang"),
    ("npm.pkg", ".github"),
];

/// Where the project is developed.
const FOLDERS: [(&str, &str); 2] = [("/wo", "rk/"), ("/ro", "ot/")];

/// Reads every file once for both checks.
pub(super) fn check(files: &[String]) -> Vec<Checked> {
    let mut leaks = Vec::new();
    let mut locks = Vec::new();
    let mut lock_files = 0;
    for path in files {
        // Binary files hold no text of ours.
        let Ok(text) = fs::read_to_string(workspace::root().join(path)) else { continue };
        leaks.extend(leaked(path, &text));
        if path.ends_with("package-lock.json") {
            lock_files += 1;
            locks.extend(resolved(path, &text));
        }
    }
    vec![
        Checked::new("hosts and paths", files.len(), leaks),
        Checked::new("npm lock files", lock_files, locks),
    ]
}

fn leaked(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let told = host(line).map(|host| format!("names the registry host {host}"));
        let told =
            told.or_else(|| folder(line).map(|folder| format!("holds a path of this machine, {folder}…")));
        findings.extend(told.map(|message| Finding::new("leaks", format!("{path}:{number}"), message)));
    }
    findings
}

fn host(line: &str) -> Option<String> {
    HOSTS.iter().map(|(head, tail)| format!("{head}{tail}")).find(|host| line.contains(host))
}

/// A folder of this machine at the start of a path: `a/work/b` is a path of anybody's.
fn folder(line: &str) -> Option<String> {
    FOLDERS.iter().map(|(head, tail)| format!("{head}{tail}")).find(|folder| {
        let inside =
            |at| line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}$~*".contains(before));
        line.match_indices(folder.as_str()).any(|(at, _)| !inside(at))
    })
}

/// npm's lock files are to be used with any registry.
fn resolved(path: &str, text: &str) -> Option<Finding> {
    let found = text.contains("\"resolved\":");
    found.then(|| {
        Finding::new("npm-locks", path, "has `resolved`: set omit-lockfile-registry-resolved=true in .npmrc")
    })
}

#[cfg(test)]
mod tests {
    use super::{FOLDERS, HOSTS, leaked, resolved};

    #[test]
    fn every_host_is_found() {
        for (head, tail) in HOSTS {
            assert_eq!(leaked("a.json", &format!("\"https://{head}{tail}/x\"")).len(), 1, "{head}{tail}");
        }
        assert!(
            leaked("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"")
                .is_empty()
        );
    }

    #[test]
    fn folders_of_this_machine_are_found_and_others_are_not() {
        for (head, tail) in FOLDERS {
            let folder = format!("{head}{tail}");
            for line in [format!("cd {folder}main"), format!("\"{folder}x\""), format!("file://{folder}x")] {
                let found = leaked("a.md", &format!("fine\n{line}"));
                assert_eq!(found.len(), 1, "{line}");
                assert_eq!(found[0].place, "a.md:2");
            }
            assert!(leaked("a.md", &format!("docs{folder}x and ${{HOME}}{folder}x")).is_empty());
        }
    }

    #[test]
    fn lock_files_name_no_registry() {
        assert!(resolved("package-lock.json", r#"{"version": "1.0.0", "integrity": "sha512-x"}"#).is_none());
        assert!(resolved("package-lock.json", r#"{"resolved": "x"}"#).is_some());
    }
}
