//! The `Sql` port on SQLite: one thread per database owns the one connection, so there is one writer and no lock.

use std::{path::Path, thread};

use async_trait::async_trait;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, ffi,
    types::{ToSqlOutput, ValueRef},
};
use smcp_sql::{Row, Sql, SqlError, Statement, Value};
use tokio::sync::{mpsc, oneshot};

/// Work for the thread that owns the connection.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Jobs that may wait; a caller beyond them waits itself.
const QUEUE: usize = 1024;
/// Prepared statements kept; ours are few and constant.
const STATEMENTS: usize = 128;

/// How much is still there after a power failure. A killed process loses nothing with either.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    /// Everything acknowledged: each transaction waits for the disk.
    Full,
    /// Everything but the last moments: good enough for logs.
    Normal,
}

/// A SQLite database in WAL mode.
pub(crate) struct Sqlite {
    jobs: mpsc::Sender<Job>,
}

impl Sqlite {
    /// Opens or creates the database.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, SqlError> {
        let mut connection = Connection::open(path).map_err(failed)?;
        let synchronous = match durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;
                 PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000; PRAGMA secure_delete = FAST;"
            ))
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let name =
            path.file_stem().map_or_else(|| "sqlite".to_owned(), |name| name.to_string_lossy().into_owned());
        let work = move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut connection);
            }
        };
        thread::Builder::new().name(name).spawn(work).map_err(|error| SqlError::Failed(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Copies the database, whole and consistent, into a new file.
    ///
    /// # Errors
    /// When the file is there already or cannot be written.
    pub(crate) fn copy_to(from: &Path, to: &Path) -> Result<(), SqlError> {
        let connection = Connection::open(from).map_err(failed)?;
        let to = to.to_str().ok_or_else(|| SqlError::Failed("the backup's path is not UTF-8".to_owned()))?;
        connection.execute("VACUUM INTO ?1", [to]).map(drop).map_err(failed)
    }

    /// Runs a job on the connection's thread.
    async fn on_thread<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let gone = || SqlError::Failed("the database's thread has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may be gone; the work is done all the same.
            let _ = answer.send(job(connection));
        });
        self.jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Sql for Sqlite {
    async fn run(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.on_thread(move |connection| rows(connection, &statement)).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        self.on_thread(move |connection| {
            let transaction = connection.transaction().map_err(failed)?;
            let all = statements.iter().map(|s| rows(&transaction, s)).collect::<Result<_, _>>()?;
            transaction.commit().map_err(failed)?;
            Ok(all)
        })
        .await
    }

    async fn script(&self, script: &'static str, record: Statement) -> Result<(), SqlError> {
        self.on_thread(move |connection| {
            let transaction = connection.transaction().map_err(failed)?;
            transaction.execute_batch(script).map_err(failed)?;
            rows(&transaction, &record)?;
            transaction.commit().map_err(failed)
        })
        .await
    }
}

fn rows(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, SqlError> {
    let mut prepared = connection.prepare_cached(statement.sql).map_err(failed)?;
    let columns = prepared.column_count();
    let parameters = rusqlite::params_from_iter(statement.parameters.iter().map(Parameter));
    let mut rows = prepared.query(parameters).map_err(failed)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let values = (0..columns).map(|index| row.get_ref(index).map_err(failed).and_then(value));
        out.push(values.collect::<Result<_, _>>()?);
    }
    Ok(out)
}

struct Parameter<'a>(&'a Value);

impl rusqlite::ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Result<Value, SqlError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8(bytes.to_vec());
            Value::Text(text.map_err(|_| SqlError::Failed("a text that is not UTF-8".to_owned()))?)
        }
        // D1's numbers and ours differ here; no column of ours is REAL.
        ValueRef::Real(_) => return Err(SqlError::Failed("an unexpected REAL".to_owned())),
    })
}

fn failed(error: rusqlite::Error) -> SqlError {
    if let rusqlite::Error::SqliteFailure(code, _) = &error
        && code.code == ErrorCode::ConstraintViolation
        && matches!(code.extended_code, ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE)
    {
        return SqlError::Unique(error.to_string());
    }
    if let rusqlite::Error::SqliteFailure(code, _) = &error
        && code.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY
    {
        return SqlError::Missing(error.to_string());
    }
    if let rusqlite::Error::SqliteFailure(code, _) = &error {
        if code.extended_code == ffi::SQLITE_CONSTRAINT_TRIGGER {
            return SqlError::Raised(error.to_string());
        }
        if code.code == ErrorCode::DiskFull {
            return SqlError::Full(error.to_string());
        }
    }
    SqlError::Failed(error.to_string())
}

/// Whether a file is there and holds a migrated database of ours.
///
/// # Errors
/// When it is there and cannot be read.
pub(crate) fn is_database(path: &Path) -> Result<bool, SqlError> {
    if !path.exists() {
        return Ok(false);
    }
    let connection = Connection::open(path).map_err(failed)?;
    let table = connection
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'", [], |_| Ok(()))
        .optional()
        .map_err(failed)?;
    Ok(table.is_some())
}

#[cfg(test)]
mod tests;
