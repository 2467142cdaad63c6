//! Tables for people: columns side by side, no lines, no colour.

use comfy_table::{Table, presets};

use super::text::safe;

/// A table with headings. Cells are made safe for a terminal.
pub(crate) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    for row in rows {
        table.add_row(row.map(|cell| safe(&cell)));
    }
    plain(&table)
}

/// A table whose columns are only known when it is there.
pub(crate) fn grid(headings: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.iter().map(|heading| safe(heading)));
    for row in rows {
        table.add_row(row.iter().map(|cell| safe(cell)));
    }
    plain(&table)
}

/// Names and values, one pair a line.
pub(crate) fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), safe(&value)]);
    }
    plain(&table)
}

/// Without the margins of the cells.
fn plain(table: &Table) -> String {
    let lines = table.lines().map(|line| {
        let line = line.trim_end();
        line.strip_prefix(' ').unwrap_or(line).to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}
