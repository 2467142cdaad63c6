//! Wire types of what hosted code has stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A SQL database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Database {
    /// Its name, unique in the tenant.
    pub name: String,
    /// What its files take, in bytes.
    pub bytes: u64,
}

/// The SQL databases of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseList {
    /// By name.
    pub items: Vec<Database>,
}

/// Statements to run, in one transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseQuery {
    /// One statement or several; of several only the last one's rows come back.
    pub sql: String,
    /// Values for the parameters of the last statement: numbers, strings, null, or arrays of bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Value>,
}

/// What a statement brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseResult {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; a blob is an array of bytes.
    pub rows: Vec<Vec<Value>>,
    /// Rows that were changed.
    pub changes: i64,
    /// The row id that was given out last.
    pub last_row_id: i64,
    /// What the database holds now, in bytes.
    pub size_after: i64,
    /// How long it took.
    pub duration_ms: f64,
}

/// What statements brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseResults {
    /// One for each query.
    pub results: Vec<DatabaseResult>,
}

/// A script to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseScript {
    /// Statements, as an export gives them.
    pub sql: String,
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseImport {
    /// Statements that were run.
    pub statements: u64,
    /// Rows that were changed.
    pub changes: u64,
    /// What the database holds now, in bytes.
    pub size_after: u64,
}
