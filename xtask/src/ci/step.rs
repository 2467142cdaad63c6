//! One step of CI: a program whose output goes on to ours while its closing figures are read from it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::Result;
use crate::process::Program;
use crate::report::read_closing_line;

/// How many checks a step made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
}

impl Count {
    /// A step that is one check itself.
    pub(super) fn one() -> Self {
        Self { passed: 1, failed: 0 }
    }
}

/// What a step does.
type Run = Box<dyn FnOnce() -> Result<Count>>;

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) budget: Duration,
    pub(super) run: Run,
    /// Nothing after it makes sense when it fails.
    pub(super) needed: bool,
}

impl Step {
    pub(super) fn new(name: &'static str, budget: Duration, run: Run) -> Self {
        Self { name, budget, run, needed: false }
    }

    pub(super) fn needed(name: &'static str, budget: Duration, run: Run) -> Self {
        Self { needed: true, ..Self::new(name, budget, run) }
    }
}

/// A step that runs a program. It may fail by its exit status alone, whatever it prints.
pub(super) fn program(program: Program) -> Run {
    Box::new(move || {
        println!("{}", program.shown());
        let mut command = program.into_command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (sender, lines) = mpsc::channel();
        pass_on(child.stdout.take(), std::io::stdout(), sender.clone());
        pass_on(child.stderr.take(), std::io::stderr(), sender);
        let status = child.wait()?;
        // Ends when both pipes are closed, or when something that outlived the program holds one open.
        let rest = std::iter::from_fn(|| lines.recv_timeout(Duration::from_secs(2)).ok());
        let count = rest.filter_map(|line: String| figures(&line)).last();
        match (status.success(), count) {
            (true, count) => Ok(count.unwrap_or_else(Count::one)),
            (false, Some(count)) if count.failed > 0 => Ok(count),
            (false, _) => Err(status.to_string().into()),
        }
    })
}

fn pass_on(
    from: Option<impl Read + Send + 'static>,
    mut to: impl Write + Send + 'static,
    lines: Sender<String>,
) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(std::result::Result::ok) {
            // If our own output is closed, the step still runs to its end.
            let _ = writeln!(to, "{line}");
            let _ = lines.send(line);
        }
    });
}

/// Our own closing line, or nextest's summary.
fn figures(line: &str) -> Option<Count> {
    if let Some((passed, failed)) = read_closing_line(line) {
        return Some(Count { passed, failed });
    }
    let summary = line.trim_start().strip_prefix("Summary [")?.split_once("run:")?.1;
    let number = |word: &str| {
        let part = summary.split(',').map(str::trim).find(|part| part.split(' ').nth(1) == Some(word));
        part.and_then(|part| part.split(' ').next()?.parse().ok()).unwrap_or(0)
    };
    Some(Count { passed: number("passed"), failed: number("failed") + number("timed") })
}

#[cfg(test)]
mod tests {
    use super::{Count, figures, program};
    use crate::process::Program;

    #[test]
    fn both_kinds_of_closing_lines_are_read() {
        assert_eq!(figures("14 passed, 1 failed"), Some(Count { passed: 14, failed: 1 }));
        let green = "     Summary [   1.234s] 31 tests run: 31 passed (1 slow), 2 skipped";
        assert_eq!(figures(green), Some(Count { passed: 31, failed: 0 }));
        let red = "     Summary [  10.000s] 9 tests run: 6 passed, 2 failed, 1 timed out, 0 skipped";
        assert_eq!(figures(red), Some(Count { passed: 6, failed: 3 }));
        assert_eq!(figures("test result: ok. 31 passed"), None);
    }

    #[test]
    fn a_program_counts_what_it_printed_and_fails_by_its_status() {
        let run = |script: &str| program(Program::new("sh").args(["-c", script]))();
        assert_eq!(run("echo '3 passed, 0 failed'").unwrap(), Count { passed: 3, failed: 0 });
        assert_eq!(run("echo '3 passed, 1 failed'; exit 1").unwrap(), Count { passed: 3, failed: 1 });
        assert_eq!(run("true").unwrap(), Count::one());
        assert!(run("echo '3 passed, 0 failed'; exit 1").is_err(), "the status counts, not the words");
    }
}
