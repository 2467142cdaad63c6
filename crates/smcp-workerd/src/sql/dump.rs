//! A database as a script that makes it anew: what D1 exports, and SQLite's own shell before it.

use std::fmt::Write as _;

use rusqlite::{Connection, types::ValueRef};

use super::database::{Database, Stopped};

/// Bytes that are gathered before they go on.
const PIECE: usize = 64 << 10;
const VIRTUAL: &str = "D1 Export error: cannot export databases with Virtual Tables (fts5)";

/// Gives the script in pieces.
///
/// # Errors
/// When it cannot be read or written as a script, or nobody takes the pieces.
pub(super) fn dump(
    database: &mut Database,
    give: &mut dyn FnMut(&[u8]) -> Result<(), Stopped>,
) -> Result<(), Stopped> {
    database.transaction(|database| {
        let mut script = Script { database, text: String::new(), give };
        script.line("PRAGMA defer_foreign_keys=TRUE;")?;
        for (name, sql) in named(
            database.connection(),
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL
             ORDER BY tbl_name = 'sqlite_sequence', rowid",
        )? {
            script.table(&name, &sql)?;
        }
        for (_, sql) in named(
            database.connection(),
            "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL AND type IN ('index', 'trigger', 'view')
             ORDER BY type COLLATE NOCASE",
        )? {
            script.line(&format!("{sql};"))?;
        }
        script.flush()
    })
}

fn named(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

struct Script<'a> {
    database: &'a Database,
    text: String,
    give: &'a mut dyn FnMut(&[u8]) -> Result<(), Stopped>,
}

impl Script<'_> {
    fn line(&mut self, line: &str) -> Result<(), Stopped> {
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        if !self.text.is_empty() {
            (self.give)(self.text.as_bytes())?;
            self.text.clear();
            // Whoever takes the pieces may be slow: each has the time of a request.
            self.database.begin_clock();
        }
        Ok(())
    }

    fn table(&mut self, name: &str, sql: &str) -> Result<(), Stopped> {
        if name == "sqlite_sequence" {
            self.line("DELETE FROM sqlite_sequence;")?;
        } else if name.starts_with("sqlite_stat") {
            self.line("ANALYZE sqlite_schema;")?;
        } else if sql.starts_with("CREATE VIRTUAL TABLE") {
            return Err(Stopped::said(VIRTUAL));
        } else if name.starts_with("_cf_") || name.starts_with("sqlite_") {
            return Ok(());
        } else if let Some(rest) =
            sql.strip_prefix("CREATE TABLE ").filter(|rest| rest.starts_with(['\'', '"']))
        {
            self.line(&format!("CREATE TABLE IF NOT EXISTS {rest};"))?;
        } else {
            self.line(&format!("{sql};"))?;
        }
        self.rows(name)
    }

    fn rows(&mut self, table: &str) -> Result<(), Stopped> {
        let connection = self.database.connection();
        let table = identifier(table);
        let mut info = connection.prepare(&format!("PRAGMA table_info={table}"))?;
        let columns = info.query_map([], |row| row.get::<_, String>(1))?;
        let columns: Vec<String> =
            columns.map(|name| name.map(|name| identifier(&name))).collect::<Result<_, _>>()?;
        let columns = columns.join(",");
        let mut statement = connection.prepare(&format!("SELECT {columns} FROM {table}"))?;
        let count = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let mut line = format!("INSERT INTO {table} ({columns}) VALUES(");
            for at in 0..count {
                if at > 0 {
                    line.push(',');
                }
                literal(row.get_ref(at)?, &mut line);
            }
            line.push_str(");");
            self.line(&line)?;
        }
        Ok(())
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as SQL.
fn literal(value: ValueRef<'_>, out: &mut String) {
    // Writing to a string does not fail.
    let _ = match value {
        ValueRef::Null => write!(out, "NULL"),
        ValueRef::Integer(number) => write!(out, "{number}"),
        ValueRef::Real(number) if number.is_finite() => write!(out, "{number:?}"),
        ValueRef::Real(number) => write!(out, "{}9e999", if number < 0.0 { "-" } else { "" }),
        ValueRef::Blob(bytes) => write!(out, "X'{}'", Hex(bytes)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => write!(out, "{}", quoted(text)),
            Ok(_) | Err(_) => write!(out, "CAST(X'{}' AS TEXT)", Hex(bytes)),
        },
    };
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text on one line.
fn quoted(text: &str) -> String {
    let mut quoted = format!("'{}'", text.replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r"));
    for (character, code) in [('\r', 13), ('\n', 10)] {
        if text.contains(character) {
            let escaped = if code == 10 { "\\n" } else { "\\r" };
            quoted = format!("replace({quoted},'{escaped}',char({code}))");
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_literals_that_read_back_as_themselves() {
        let connection = Connection::open_in_memory().unwrap();
        for value in [
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(0.1),
            ValueRef::Real(1e300),
            ValueRef::Real(3.0),
            ValueRef::Real(f64::NEG_INFINITY),
            ValueRef::Text(b"it's\r\nfine"),
            ValueRef::Text(b"a\0b"),
            ValueRef::Text(b"\xff"),
            ValueRef::Blob(&[0, 255]),
        ] {
            let mut sql = "SELECT ".to_owned();
            literal(value, &mut sql);
            assert!(!sql.contains('\n'));
            connection
                .query_row(&sql, [], |row| {
                    assert_eq!(row.get_ref(0)?, value, "{sql}");
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
