//! Migrations: numbered, checksummed, forwards only (DESIGN 18).

use sha2::{Digest as _, Sha256};
use smcp_types::UnixMillis;

use crate::port::{Sql, SqlError, Statement, Value};

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1 on, without gaps.
    pub number: i64,
    /// For people.
    pub name: &'static str,
    /// The script. Never changed once released: a checksum of it is kept.
    pub sql: &'static str,
}

/// All steps of one database.
#[derive(Clone, Copy, Debug)]
pub struct MigrationSet {
    /// Which database.
    pub name: &'static str,
    /// In their order.
    pub migrations: &'static [Migration],
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It was written by a later build.
    #[error(
        "the {database} database has schema {found}, this build knows {known}: run the newer smcp, or restore a backup"
    )]
    Newer {
        /// Which database.
        database: &'static str,
        /// Its last step.
        found: i64,
        /// Our last step.
        known: i64,
    },
    /// A step that was applied is not the step we know under that number.
    #[error(
        "step {number} of the {database} database is not the one this build knows: it was made by another build"
    )]
    Changed {
        /// Which database.
        database: &'static str,
        /// Which step.
        number: i64,
    },
    /// A statement failed; the step was undone.
    #[error("{0}")]
    Sql(#[from] SqlError),
}

const TABLE: Statement = Statement {
    sql: "CREATE TABLE IF NOT EXISTS migrations (
            number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
          ) STRICT",
    parameters: Vec::new(),
};

/// The steps that a database still needs. Empty for one that is up to date.
///
/// # Errors
/// `Newer` and `Changed`, before anything is touched.
async fn pending(sql: &dyn Sql, set: MigrationSet) -> Result<&'static [Migration], MigrateError> {
    sql.run(TABLE).await?;
    let applied =
        sql.run(Statement::new("SELECT number, checksum FROM migrations ORDER BY number", [])).await?;
    let known = set.migrations.len();
    for (index, row) in applied.iter().enumerate() {
        let Some(migration) = set.migrations.get(index) else {
            let (found, known) = (applied.len(), known);
            let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            return Err(MigrateError::Newer {
                database: set.name,
                found: number(found),
                known: number(known),
            });
        };
        if row.as_slice() != [Value::Integer(migration.number), Value::Text(checksum(migration))] {
            return Err(MigrateError::Changed { database: set.name, number: migration.number });
        }
    }
    Ok(&set.migrations[applied.len()..])
}

/// Brings a database up to date. `before` is called once, before the first step that changes an existing database: it
/// makes the backup.
///
/// # Errors
/// `MigrateError`; steps before the failed one stay.
pub async fn migrate(
    sql: &dyn Sql,
    set: MigrationSet,
    now: UnixMillis,
    before: impl FnOnce() -> Result<(), SqlError>,
) -> Result<(), MigrateError> {
    let pending = pending(sql, set).await?;
    if !pending.is_empty() && pending.len() < set.migrations.len() {
        before()?;
    }
    for migration in pending {
        let record = Statement::new(
            "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            [migration.number.into(), migration.name.into(), Value::Text(checksum(migration)), now.into()],
        );
        sql.script(migration.sql, record).await?;
    }
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(migration.sql.as_bytes()))
}
