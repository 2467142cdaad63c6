//! SQLite's errors under the names that D1 shows.

use rusqlite::ffi;

/// A list of codes with their names.
macro_rules! named {
    ($code:expr, $($name:ident)*) => {
        match $code {
            $(ffi::$name => Some(stringify!($name)),)*
            _ => None,
        }
    };
}

/// An error as D1 words it.
pub(super) fn describe(message: &str, offset: Option<i32>, extended: i32) -> String {
    let primary = extended & 0xff;
    let mut text = message.to_owned();
    if let Some(offset) = offset {
        text.push_str(&format!(" at offset {offset}"));
    }
    match primary_name(primary) {
        Some(name) => text.push_str(&format!(": {name}")),
        None => text.push_str(&format!(": SQLITE_UNKNOWN_ERROR_CODE({primary})")),
    }
    if let Some(name) = extended_name(extended).filter(|_| extended != primary) {
        text.push_str(&format!(" (extended: {name})"));
    }
    text
}

fn primary_name(code: i32) -> Option<&'static str> {
    named!(code,
        SQLITE_ERROR SQLITE_INTERNAL SQLITE_PERM SQLITE_ABORT SQLITE_BUSY SQLITE_LOCKED SQLITE_NOMEM
        SQLITE_READONLY SQLITE_INTERRUPT SQLITE_IOERR SQLITE_CORRUPT SQLITE_NOTFOUND SQLITE_FULL
        SQLITE_CANTOPEN SQLITE_PROTOCOL SQLITE_EMPTY SQLITE_SCHEMA SQLITE_TOOBIG SQLITE_CONSTRAINT
        SQLITE_MISMATCH SQLITE_MISUSE SQLITE_NOLFS SQLITE_AUTH SQLITE_FORMAT SQLITE_RANGE SQLITE_NOTADB
        SQLITE_NOTICE SQLITE_WARNING)
}

fn extended_name(code: i32) -> Option<&'static str> {
    named!(code,
        SQLITE_ABORT_ROLLBACK SQLITE_CANTOPEN_ISDIR SQLITE_CANTOPEN_SYMLINK
        SQLITE_CONSTRAINT_CHECK SQLITE_CONSTRAINT_DATATYPE SQLITE_CONSTRAINT_FOREIGNKEY
        SQLITE_CONSTRAINT_FUNCTION SQLITE_CONSTRAINT_NOTNULL SQLITE_CONSTRAINT_PINNED
        SQLITE_CONSTRAINT_PRIMARYKEY SQLITE_CONSTRAINT_ROWID SQLITE_CONSTRAINT_TRIGGER
        SQLITE_CONSTRAINT_UNIQUE SQLITE_CONSTRAINT_VTAB
        SQLITE_CORRUPT_INDEX SQLITE_CORRUPT_SEQUENCE SQLITE_CORRUPT_VTAB
        SQLITE_ERROR_MISSING_COLLSEQ SQLITE_ERROR_RETRY
        SQLITE_IOERR_CORRUPTFS SQLITE_IOERR_FSTAT SQLITE_IOERR_FSYNC SQLITE_IOERR_NOMEM SQLITE_IOERR_READ
        SQLITE_IOERR_SHORT_READ SQLITE_IOERR_TRUNCATE SQLITE_IOERR_WRITE
        SQLITE_LOCKED_VTAB SQLITE_READONLY_DBMOVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_a_place_a_name_and_a_finer_one() {
        assert_eq!(
            describe("no such table: t", Some(14), ffi::SQLITE_ERROR),
            "no such table: t at offset 14: SQLITE_ERROR"
        );
        assert_eq!(
            describe("UNIQUE constraint failed: t.a", None, ffi::SQLITE_CONSTRAINT_UNIQUE),
            "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"
        );
        assert_eq!(describe("x", None, 77), "x: SQLITE_UNKNOWN_ERROR_CODE(77)");
    }
}
