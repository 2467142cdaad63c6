//! Processes as /proc shows them: who started whom, how much memory each holds, who is still there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Result;

/// One process, told apart from a later one with the same number by when it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) name: String,
    parent: u32,
    started: u64,
    /// It has ended, and only its parent has not asked yet how.
    ended: bool,
}

impl Process {
    /// The process with this number, if there is one.
    pub(crate) fn of(id: u32) -> Option<Self> {
        parse(id, &fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// Whether it is still there. Its parent may be another one by now.
    pub(crate) fn is_alive(&self) -> bool {
        Self::of(self.id).is_some_and(|now| now.started == self.started && !now.ended)
    }

    /// Memory it holds, in KiB, pages shared with others included.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Memory that is neither shared nor a file's, in KiB: what one process more costs.
    pub(crate) fn anonymous(&self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Memory that is its own and no file's, in KiB.
    pub(crate) fn own_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let kinds = ["RssAnon:", "RssShmem:"];
        let lines = status.lines().filter_map(|line| kinds.iter().find_map(|kind| line.strip_prefix(kind)));
        Some(lines.filter_map(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).sum())
    }

    /// Processor time it has used.
    pub(crate) fn processor(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id)).ok()?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // User and system time, fields 14 and 15 of the manual, in hundredths of a second.
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    /// Memory that only it holds, in KiB.
    pub(crate) fn private(&self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id)).ok()?;
        let parts = rollup.lines().filter(|line| line.starts_with("Private_"));
        Some(parts.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum())
    }
}

/// The fields of `/proc/ID/stat`; the name may itself hold spaces and brackets.
fn parse(id: u32, stat: &str) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<_> = tail.split_whitespace().collect();
    // The first field after the name is the state, which is field 3 of the manual.
    let ended = *fields.first()? == "Z";
    Some(Process {
        id,
        name,
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        ended,
    })
}

/// Every process below `ancestor`, itself not included.
pub(crate) fn descendants(ancestor: u32) -> Vec<Process> {
    let all: Vec<_> = numbers(Path::new("/proc")).into_iter().filter_map(Process::of).collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.id);
            found.push(process.clone());
        }
    }
    found
}

fn numbers(folder: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Asks a process to end.
pub(crate) fn terminate(id: u32) -> Result<()> {
    send(id, Signal::SIGTERM)
}

/// Ends a process.
pub(crate) fn end(id: u32) -> Result<()> {
    send(id, Signal::SIGKILL)
}

fn send(id: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(id)?), signal)?)
}

#[cfg(test)]
mod tests {
    use super::{Process, descendants, parse};
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn a_name_may_hold_anything() {
        let stat = format!("7 (a) b (c) S 3 {} 42 0", "0 ".repeat(17).trim());
        let process = parse(7, &stat).unwrap();
        assert_eq!((process.name.as_str(), process.parent, process.started), ("a) b (c", 3, 42));
        assert!(!process.ended && parse(7, &stat.replace(" S ", " Z ")).unwrap().ended);
    }

    #[test]
    fn an_orphan_is_still_alive() {
        // The shell starts `cat`, says its number and ends; `cat` goes on until its input is closed.
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "exec 3<&0; cat <&3 >/dev/null & echo $!; wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let _input = shell.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let orphan = Process::of(line.trim().parse().unwrap()).unwrap();
        assert_eq!(orphan.parent, shell.id());
        super::end(shell.id()).unwrap();
        shell.wait().unwrap();
        assert!(orphan.is_alive());
        assert_ne!(Process::of(orphan.id).unwrap().parent, orphan.parent);
        super::end(orphan.id).unwrap();
    }

    #[test]
    fn a_child_is_seen_until_it_has_ended() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let seen = Process::of(child.id()).unwrap();
        assert!(descendants(std::process::id()).contains(&seen));
        assert!(seen.resident().is_some());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!seen.is_alive());
    }
}
