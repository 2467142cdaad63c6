//! Tables for people, and the closing line that says how it went.

use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};

/// How a chore ended.
pub(crate) enum Outcome {
    /// It printed what it had to say.
    Nothing,
    /// It printed how it went, and this is whether it went well.
    Verdict(bool),
    /// So many checks held, and so many did not.
    Checks { passed: usize, failed: usize },
}

impl Outcome {
    /// Prints the closing line, and gives the exit code that belongs to it.
    pub(crate) fn finish(self) -> ExitCode {
        match self {
            Self::Nothing | Self::Verdict(true) => ExitCode::SUCCESS,
            Self::Verdict(false) => ExitCode::FAILURE,
            Self::Checks { passed, failed } => {
                println!("{}", closing_line(passed, failed));
                if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
        }
    }
}

/// The line that every suite of the project ends with.
fn closing_line(passed: usize, failed: usize) -> String {
    format!("{passed} passed, {failed} failed")
}

/// The figures of a closing line, or nothing when `line` is not one.
pub(crate) fn read_closing_line(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

/// A table with a heading; columns whose heading ends in `>` are aligned to the right.
pub(crate) struct Columns(Table);

impl Columns {
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(heading.iter().map(|name| Cell::new(name.trim_end_matches('>'))));
        for (index, name) in heading.iter().enumerate() {
            let column = table.column_mut(index);
            if let Some(column) = column.filter(|_| name.ends_with('>')) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self(table)
    }

    pub(crate) fn row(&mut self, cells: &[String]) {
        self.0.add_row(cells);
    }

    pub(crate) fn print(&self) {
        println!("{}", self.0.trim_fmt());
    }
}

/// Times as people compare them.
pub(crate) fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

/// The middle one; zero of none.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{closing_line, read_closing_line};

    #[test]
    fn a_closing_line_reads_back() {
        assert_eq!(read_closing_line(&closing_line(12, 3)), Some((12, 3)));
        assert_eq!(read_closing_line("12 passed, 3 failed, 1 skipped"), None);
        assert_eq!(read_closing_line("all passed, 0 failed"), None);
    }
}
