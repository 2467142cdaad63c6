//! The documentation says what the code does.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use smcp_manifest::Manifest;
use smcp_types::{Bounds, Limit};

#[test]
fn the_table_of_limits_is_the_one_in_force() {
    let text = include_str!("../docs/limits.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split('|').map(|cell| cell.trim().trim_end_matches('`')).collect())
        .collect();
    let keys: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(keys, Limit::ALL.map(Limit::key), "every limit, in order");
    for (row, limit) in rows.iter().zip(Limit::ALL) {
        let Bounds { least, default, ceiling, most, unit } = limit.bounds();
        let numbers = [least, default, ceiling, most].map(|number| number.to_string());
        assert_eq!(row[2..6], numbers, "{limit}");
        assert_eq!(row[6], unit, "{limit}");
    }
}

#[test]
fn the_sections_of_manifests_that_are_shown_can_be_deployed() {
    for text in [
        include_str!("../docs/storage.md"),
        include_str!("../docs/egress.md"),
        include_str!("../docs/durable-objects.md"),
        include_str!("../docs/protocol.md"),
    ] {
        let (_, rest) = text.split_once("```toml\n").unwrap();
        let (shown, _) = rest.split_once("```").unwrap();
        let head =
            "manifest = 1\nname = \"notes\"\nmain = \"index.js\"\ncompatibility_date = \"2026-11-01\"\n";
        let manifest = Manifest::parse(&format!("{head}{shown}"))
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        assert_eq!(manifest.unwrap().lock("index.js").validate(), Ok(()));
    }
}
