//! The `Sql` port: run a statement, run a batch as one transaction. D1 has no more than that, so neither have we.

use async_trait::async_trait;
use smcp_core::ports::StoreError;

/// A value going in or coming out. Integers stay below 2^53 (DESIGN 18), so that D1's numbers hold them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL
    Null,
    /// INTEGER
    Integer(i64),
    /// TEXT
    Text(String),
    /// BLOB
    Blob(Vec<u8>),
}

/// A statement with its parameters, at most 100 of them (D1).
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SQL with `?1`, `?2`…
    pub sql: &'static str,
    /// In their order.
    pub parameters: Vec<Value>,
}

impl Statement {
    /// A statement with these parameters.
    pub fn new<const N: usize>(sql: &'static str, parameters: [Value; N]) -> Self {
        Self { sql, parameters: parameters.into() }
    }
}

/// A row: its columns in the order of the query.
pub type Row = Vec<Value>;

/// Why a statement failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// A unique key or primary key is taken.
    #[error("constraint: {0}")]
    Unique(String),
    /// What a row refers to is not there.
    #[error("reference: {0}")]
    Missing(String),
    /// A trigger of ours refused.
    #[error("refused: {0}")]
    Raised(String),
    /// No room is left on the disk.
    #[error("{0}")]
    Full(String),
    /// Everything else.
    #[error("{0}")]
    Failed(String),
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Unique(_) => Self::Taken,
            SqlError::Missing(_) => Self::Stale,
            SqlError::Full(why) => Self::Full(why),
            SqlError::Raised(why) | SqlError::Failed(why) => Self::Broken(why),
        }
    }
}

/// A database. One adapter per target: rusqlite on the node, D1 at the edge.
#[async_trait]
pub trait Sql: Send + Sync + 'static {
    /// Runs one statement and returns its rows (those of a `RETURNING` clause too).
    ///
    /// # Errors
    /// `SqlError`.
    async fn run(&self, statement: Statement) -> Result<Vec<Row>, SqlError>;

    /// Runs statements as one transaction: all or none. Returns the rows of each.
    ///
    /// # Errors
    /// `SqlError`; nothing has changed then.
    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError>;

    /// Runs a migration's script as one transaction, together with the statement that records it.
    ///
    /// # Errors
    /// `SqlError`; nothing has changed then.
    async fn script(&self, script: &'static str, record: Statement) -> Result<(), SqlError>;
}
