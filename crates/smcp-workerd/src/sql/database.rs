//! One open database with its limits: how it is opened, what stops it, and what its errors are called.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, ffi, limits::Limit};

use super::{authorizer::Guard, frame::Hello, functions, names};

/// Without locks: no other process has this file, and the sandbox lets none be set.
const VFS: &str = "unix-none";
/// Memory that SQLite may have before it lets go of pages, and at most.
const SOFT_HEAP: u64 = 32 << 20;
const HARD_HEAP: u64 = 64 << 20;
/// Files up to this size are looked through when they are opened; in larger ones damage is found as it is read.
const LOOKED_THROUGH: i64 = 16 << 20;
/// Bytes that must find room on a disk that is not full.
const PROBE: usize = 1 << 20;
/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1_000;
/// SQLite's own limits: D1's, and where it documents none those of the runtime it is made of.
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];
const MAX_SQL: i32 = 100_000;
/// In a script, where a row of the largest size is written out in hexadecimal.
const MAX_SCRIPT_SQL: i32 = 5_000_000;

const TRANSACTION: &str = "To execute a transaction, please use the state.storage.transaction() or \
    state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The \
    JavaScript API is safer because it will automatically roll back on exceptions, and because it interacts \
    correctly with Durable Objects' automatic atomic write coalescing.";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// In D1's words.
    pub(super) message: String,
    /// Whether the file is to blame.
    pub(super) damaged: bool,
    /// The primary code, where it is SQLite's.
    code: Option<i32>,
}

impl Stopped {
    pub(super) fn said(message: impl Into<String>) -> Self {
        Self { message: message.into(), damaged: false, code: None }
    }
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        let (error, message, offset) = match error {
            rusqlite::Error::SqliteFailure(error, message) => (error, message, None),
            rusqlite::Error::SqlInputError { error, msg, offset, .. } => (error, Some(msg), Some(offset)),
            other => return Self::said(other.to_string()),
        };
        let message = message.unwrap_or_else(|| error.to_string());
        Self {
            message: names::describe(&message, offset, error.extended_code),
            damaged: matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase),
            code: Some(error.extended_code & 0xff),
        }
    }
}

/// What SQLite counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) changes: i64,
    pub(super) last_row: i64,
    pub(super) size: i64,
}

/// An open database.
pub(super) struct Database {
    connection: Connection,
    guard: Guard,
    began: Instant,
    /// When the request under way has to be done, in microseconds since `began`.
    deadline: Arc<AtomicU64>,
    request: Duration,
    /// Bytes, within what SQLite counts with.
    quota: i64,
    /// None in memory.
    file: Option<PathBuf>,
}

impl Database {
    /// Opens or makes a database.
    ///
    /// # Errors
    /// When it cannot be opened, or is damaged.
    pub(super) fn open(hello: &Hello, file: Option<&Path>) -> Result<Self, Stopped> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = match file {
            Some(file) => Connection::open_with_flags_and_vfs(file, flags, VFS)?,
            None => Connection::open_in_memory_with_flags(flags)?,
        };
        let (guard, deadline) = (Guard::default(), Arc::new(AtomicU64::new(u64::MAX)));
        #[allow(clippy::disallowed_methods, reason = "this process is its own: it has no port to the clock")]
        let began = Instant::now();
        let request = Duration::from_millis(hello.request_ms);
        let quota = i64::try_from(hello.quota).unwrap_or(i64::MAX);
        let mut database =
            Self { connection, guard, began, deadline, request, quota, file: file.map(Path::to_owned) };
        database.guard.clone().trusted(|| database.prepare())?;
        Ok(database)
    }

    fn prepare(&mut self) -> Result<(), Stopped> {
        let connection = &mut self.connection;
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        ] {
            connection.set_db_config(option, on)?;
        }
        for (limit, most) in LIMITS {
            connection.set_limit(limit, most)?;
        }
        functions::add(connection)?;
        let guard = self.guard.clone();
        connection
            .authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.decide(&context)))?;
        let (began, deadline) = (self.began, Arc::clone(&self.deadline));
        connection.progress_handler(
            STEPS,
            Some(move || micros(began.elapsed()) > deadline.load(Ordering::Relaxed)),
        )?;
        connection.execute_batch(&format!(
            "PRAGMA hard_heap_limit = {HARD_HEAP}; PRAGMA soft_heap_limit = {SOFT_HEAP};
             PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;
             PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA journal_size_limit = 4194304;"
        ))?;
        let page = self.pragma("page_size")?.max(1);
        let most = (self.quota / page).max(1);
        self.connection.execute_batch(&format!("PRAGMA max_page_count = {most}"))?;
        if self.pragma("page_count")? * page <= LOOKED_THROUGH {
            self.look_through()?;
        }
        Ok(())
    }

    fn look_through(&self) -> Result<(), Stopped> {
        let found: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        let message = format!("database disk image is malformed ({found}): SQLITE_CORRUPT");
        Err(Stopped { message, damaged: true, code: Some(ffi::SQLITE_CORRUPT) })
    }

    /// The connection, on which every statement is checked.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether a statement that was prepared since this was last asked reads a table.
    pub(super) fn take_reads(&self) -> bool {
        self.guard.take_reads()
    }

    /// Time since it was opened.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Runs some work in a transaction that has an end, whatever becomes of it.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.begin_clock();
        let own = |database: &Self, sql: &str| {
            database.guard.trusted(|| database.connection.execute_batch(sql)).map_err(Stopped::from)
        };
        let done = own(self, "BEGIN").and_then(|()| work(self));
        let done = match done {
            Ok(done) => own(self, "COMMIT").map(|()| done),
            Err(stopped) => Err(stopped),
        };
        self.deadline.store(u64::MAX, Ordering::Relaxed);
        if done.is_err() && !self.connection.is_autocommit() {
            own(self, "ROLLBACK")?;
        }
        done.map_err(|stopped| self.explain(stopped))
    }

    /// Lets statements be longer for a while.
    pub(super) fn with_long_statements<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SCRIPT_SQL)?;
        let done = work(self);
        self.connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL)?;
        done
    }

    /// The request under way has its whole time from now on.
    pub(super) fn begin_clock(&self) {
        self.deadline.store(micros(self.elapsed() + self.request), Ordering::Relaxed);
    }

    /// What SQLite has counted so far.
    pub(super) fn figures(&self) -> Result<Figures, Stopped> {
        self.guard.trusted(|| {
            let pages = self.pragma("page_count")? - self.pragma("freelist_count")?;
            Ok(Figures {
                changes: i64::try_from(self.connection.total_changes()).unwrap_or(i64::MAX),
                last_row: self.connection.last_insert_rowid(),
                size: pages * self.pragma("page_size")?,
            })
        })
    }

    fn pragma(&self, name: &str) -> rusqlite::Result<i64> {
        self.connection.pragma_query_value(None, name, |row| row.get(0))
    }

    /// Says what the platform knows better than SQLite.
    fn explain(&self, stopped: Stopped) -> Stopped {
        let refused_transaction = self.guard.take_transaction();
        let message = match stopped.code {
            Some(ffi::SQLITE_AUTH) if refused_transaction => TRANSACTION.to_owned(),
            Some(ffi::SQLITE_INTERRUPT) => {
                format!("The request took longer than {} ms: SQLITE_INTERRUPT", self.request.as_millis())
            }
            Some(ffi::SQLITE_FULL) if self.is_disk_full() => {
                "The disk of this node is full: SQLITE_FULL".to_owned()
            }
            Some(ffi::SQLITE_FULL) => {
                format!("Exceeded maximum DB size of {} bytes (storage.database_mb): SQLITE_FULL", self.quota)
            }
            Some(_) | None => return stopped,
        };
        Stopped { message, ..stopped }
    }

    /// Whether the disk is used up, rather than the quota: SQLite says the same of both.
    fn is_disk_full(&self) -> bool {
        let Some(probe) = self.file.as_ref().map(|file| file.with_extension("probe")) else { return false };
        let written = fs::write(&probe, vec![0; PROBE]);
        let _ = fs::remove_file(&probe);
        written.is_err()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
