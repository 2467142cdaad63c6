//! Runs what hosted code sends, as D1 does: all statements of a request in one transaction, answered in D1's JSON.

use rusqlite::{Batch, Statement, StatementStatus, fallible_iterator::FallibleIterator as _};

use super::{
    database::{Database, Figures, Stopped},
    frame::MAX_ANSWER,
    values::{Parameter, Queries, Query, write_json, write_value},
};

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Columns once, rows as arrays.
    Rows,
    /// Each row an object.
    Objects,
}

const NONE: &str = "No SQL statements detected.";
const NOT_LAST: &str =
    "When executing multiple SQL statements in a single call, only the last statement can have parameters.";
const WRONG_NUMBER: &str = "Wrong number of parameter bindings for SQL query.";

/// Runs a request; its whole answer.
pub(super) fn run(database: &mut Database, request: &[u8], shape: Shape) -> Result<Vec<u8>, Stopped> {
    let Queries(queries) = serde_json::from_slice(request)
        .map_err(|error| Stopped::said(format!("The request is not what D1's binding sends: {error}")))?;
    database.transaction(|database| {
        let mut out = vec![b'['];
        for query in &queries {
            let start = out.len();
            if start > 1 {
                out.push(b',');
            }
            if !one(database, query, shape, &mut out)? {
                out.truncate(start);
            }
        }
        if out.len() == 1 {
            return Err(Stopped::said(NONE));
        }
        out.push(b']');
        Ok(out)
    })
}

/// Runs a script and says how much it did.
pub(super) fn import(database: &mut Database, script: &[u8]) -> Result<Vec<u8>, Stopped> {
    let script = std::str::from_utf8(script).map_err(|_| Stopped::said("The script is not UTF-8."))?;
    database.transaction(|database| {
        let before = database.figures()?;
        let mut statements = 0_u64;
        let mut batch = Batch::new(database.connection(), script);
        while let Some(mut statement) = batch.next()? {
            statements += 1;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
        }
        let after = database.figures()?;
        let said = serde_json::json!({
            "statements": statements,
            "changes": after.changes - before.changes,
            "size_after": after.size,
        });
        Ok(said.to_string().into_bytes())
    })
}

/// Runs one query, which may be several statements: the last one's rows are the answer. False if there is none.
fn one(database: &Database, query: &Query, shape: Shape, out: &mut Vec<u8>) -> Result<bool, Stopped> {
    let (before, began) = (database.figures()?, database.elapsed());
    let start = out.len();
    let mut batch = Batch::new(database.connection(), &query.sql);
    let mut bound = None;
    let mut read = 0;
    while let Some(mut statement) = batch.next()? {
        if bound.is_some_and(|bound| bound > 0) {
            return Err(Stopped::said(NOT_LAST));
        }
        bound = Some(bind(&mut statement, &query.params)?);
        out.truncate(start);
        let reads = database.take_reads();
        let found = rows(&mut statement, shape, out)?;
        read += if reads { found } else { 0 };
    }
    let Some(bound) = bound else { return Ok(false) };
    if bound != query.params.len() {
        return Err(Stopped::said(WRONG_NUMBER));
    }
    let took = database.elapsed().saturating_sub(began).as_secs_f64() * 1000.0;
    meta(&before, &database.figures()?, (took, read), out);
    Ok(true)
}

fn bind(statement: &mut Statement<'_>, parameters: &[Parameter]) -> Result<usize, Stopped> {
    let count = statement.parameter_count();
    if count > 0 && count != parameters.len() {
        return Err(Stopped::said(WRONG_NUMBER));
    }
    for (at, parameter) in parameters.iter().enumerate().take(count) {
        statement.raw_bind_parameter(at + 1, parameter)?;
    }
    Ok(count)
}

/// Writes the beginning of a result with all its rows; how many rows of tables were read for them, as far as SQLite
/// tells: it counts steps through whole tables, and those it found otherwise are at least the rows of the result.
fn rows(statement: &mut Statement<'_>, shape: Shape, out: &mut Vec<u8>) -> Result<u64, Stopped> {
    let names: Vec<Vec<u8>> = statement.column_names().map(quoted).collect();
    out.extend_from_slice(br#"{"success":true,"results":"#);
    if shape == Shape::Rows {
        out.extend_from_slice(br#"{"columns":["#);
        out.extend_from_slice(&names.join(&b','));
        out.extend_from_slice(br#"],"rows":"#);
    }
    out.push(b'[');
    let mut count = 0_u64;
    let mut found = statement.raw_query();
    while let Some(row) = found.next()? {
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        let (open, close) = if shape == Shape::Rows { (b'[', b']') } else { (b'{', b'}') };
        out.push(open);
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if shape == Shape::Objects {
                out.extend_from_slice(name);
                out.push(b':');
            }
            write_value(row.get_ref(at)?, out);
        }
        out.push(close);
        if out.len() > MAX_ANSWER {
            return Err(Stopped::said(format!(
                "The results of one request have at most {} MiB: ask for less with LIMIT",
                MAX_ANSWER >> 20
            )));
        }
    }
    drop(found);
    out.extend_from_slice(if shape == Shape::Rows { b"]}" } else { b"]" });
    let scanned = u64::try_from(statement.get_status(StatementStatus::FullscanStep)).unwrap_or(0);
    Ok(count.max(if scanned > 0 { scanned + 1 } else { 0 }))
}

fn quoted(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_json(name, &mut out);
    out
}

/// Writes what D1 tells about a statement, and the end of its result.
fn meta(before: &Figures, after: &Figures, (took, read): (f64, u64), out: &mut Vec<u8>) {
    let changes = after.changes - before.changes;
    let changed = changes != 0 || after.last_row != before.last_row || after.size != before.size;
    let meta = serde_json::json!({
        "served_by": "smcp",
        "served_by_primary": true,
        "total_attempts": 1,
        "timings": { "sql_duration_ms": took },
        "duration": took,
        "changes": changes,
        "last_row_id": after.last_row,
        "changed_db": changed,
        "size_after": after.size,
        "rows_read": read,
        "rows_written": changes,
    });
    out.extend_from_slice(br#","meta":"#);
    write_json(&meta, out);
    out.push(b'}');
}
